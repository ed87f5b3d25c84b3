"""The tables as the schema has them: one per noun, derived from its type, which alone describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from penstock.adapters.storage.names import table_of
from penstock.builds.types import Build, Release
from penstock.core.events import Event
from penstock.datasets.types import Snapshot
from penstock.deployments.types import (
    Deployment,
    GateReport,
    Hold,
    ProductionTest,
    Rollout,
    SignOff,
    Swap,
    Waiver,
)
from penstock.features.types import Materialization
from penstock.lineage.nouns import Field, fields_of, unique_of
from penstock.lineage.types import Attachment, Cursor, Secret, Setting, Tag
from penstock.models.logged import LoggedModel
from penstock.models.types import Alias, Model, Placement, Protection, RoleChange, Version
from penstock.monitoring.types import Alarm, Heard, Prediction, Reading, Skew, Traffic, Window
from penstock.revisions.types import (
    AccessToken,
    Approval,
    Branch,
    CommitStatus,
    Delivery,
    Project,
    Revision,
    Upstream,
)
from penstock.runs.experiments import Experiment
from penstock.runs.logbook import UsedData
from penstock.runs.secrets import StepSecret
from penstock.runs.sweeps import Sweep
from penstock.runs.types import Metric, Run, StepRun
from penstock.triggers.types import Action, Explanation, Firing, Request, Signal, TriggerState

metadata = MetaData()

Key = BigInteger().with_variant(Integer, "sqlite")
"""An integer that the engine counts up by itself."""
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that compares by code points in every engine."""


def _column(field: Field) -> Column[Any]:
    types: dict[type, TypeEngine[Any]] = {
        str: TEXT,
        int: BigInteger(),
        float: Float(),
        bool: Boolean(),
        datetime: BigInteger(),
    }
    kept = types[field.scalar] if field.scalar else TEXT
    return Column(field.name, kept, nullable=field.optional and field.scalar is not None)


def _table(kind: type[msgspec.Struct], *indexes: tuple[str, ...]) -> Table:
    name, fields = table_of(kind), fields_of(kind)
    table = Table(
        name,
        metadata,
        Column("seq", Key, primary_key=True),
        *(_column(field) for field in fields.values()),
    )
    for unique in ("id", *unique_of(kind)):
        Index(f"{name}_{unique}", table.c[unique], unique=True)
    for index in indexes:
        Index("_".join((name, *index)), *(table.c[column] for column in index))
    return table


TABLES: dict[type[msgspec.Struct], Table] = {
    Setting: _table(Setting),
    Cursor: _table(Cursor),
    Secret: _table(Secret),
    Tag: _table(Tag, ("subject",)),
    Attachment: _table(Attachment, ("subject",)),
    Project: _table(Project),
    Revision: _table(Revision, ("project", "branch")),
    Branch: _table(Branch, ("project",)),
    Approval: _table(Approval, ("project", "commit")),
    AccessToken: _table(AccessToken),
    Upstream: _table(Upstream),
    Delivery: _table(Delivery, ("project",)),
    CommitStatus: _table(CommitStatus, ("sent",)),
    Build: _table(Build, ("status",), ("project", "commit")),
    Release: _table(Release, ("project", "commit"), ("project", "created")),
    Deployment: _table(Deployment, ("project", "environment"), ("release",)),
    Hold: _table(Hold, ("project", "environment")),
    StepSecret: _table(StepSecret, ("project", "environment")),
    Run: _table(
        Run,
        ("status",),
        ("created",),
        ("project", "environment", "pipeline"),
        ("project", "pipeline", "status", "finished"),
        ("release",),
        ("sweep",),
        ("experiment", "created"),
    ),
    Experiment: _table(Experiment),
    UsedData: _table(UsedData, ("run",)),
    Sweep: _table(Sweep, ("project", "target")),
    StepRun: _table(StepRun, ("run", "status"), ("key", "status")),
    Metric: _table(Metric, ("run", "name", "final"), ("run", "final"), ("name", "final", "value")),
    Snapshot: _table(Snapshot, ("digest",)),
    Materialization: _table(Materialization, ("project", "environment")),
    Model: _table(Model, ("project",)),
    Version: _table(Version, ("model", "number"), ("run",)),
    Alias: _table(Alias, ("model",)),
    LoggedModel: _table(LoggedModel, ("run",), ("experiment",)),
    Protection: _table(Protection),
    Placement: _table(Placement, ("model", "environment"), ("environment", "role")),
    RoleChange: _table(RoleChange, ("model", "environment")),
    GateReport: _table(GateReport, ("model", "number")),
    SignOff: _table(SignOff, ("model", "number")),
    Waiver: _table(Waiver, ("model", "number")),
    Rollout: _table(Rollout, ("status",), ("model", "environment")),
    ProductionTest: _table(ProductionTest, ("status",), ("model", "environment")),
    Swap: _table(Swap, ("model", "environment")),
    Prediction: _table(
        Prediction, ("model", "environment", "time"), ("model", "environment", "truth_known", "variant")
    ),
    Window: _table(Window, ("model", "environment", "start")),
    Reading: _table(Reading, ("window",)),
    Traffic: _table(Traffic, ("model", "environment", "start")),
    Heard: _table(Heard),
    Skew: _table(Skew, ("model", "environment", "start"), ("measured",)),
    Alarm: _table(Alarm, ("model", "environment", "ended")),
    Action: _table(Action, ("status",), ("firing",)),
    Firing: _table(Firing, ("project", "environment", "pipeline")),
    Request: _table(Request, ("firing",)),
    Signal: _table(Signal, ("project", "name", "event")),
    TriggerState: _table(TriggerState, ("project",)),
    Explanation: _table(Explanation, ("trigger",)),
}
"""Every noun that is kept, with the indexes that its room asks by."""

Table(
    table_of(Event),
    metadata,
    Column("id", Key, primary_key=True),
    *(_column(field) for field in fields_of(Event).values() if field.name != "id"),
    Index("events_kind", "kind"),
    Index("events_subject", "subject"),
)

Table(
    "counters",
    metadata,
    Column("kind", TEXT, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
