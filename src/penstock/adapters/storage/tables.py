"""The tables: one per noun, derived from its type, so that a noun is described in one place only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

from penstock.builds.types import Build, Release
from penstock.core.events import Event
from penstock.datasets.types import Snapshot
from penstock.deployments.types import Deployment, GateReport, Hold, Swap
from penstock.lineage.nouns import Field, fields_of, finite, instant, unique_of
from penstock.lineage.types import Cursor, Secret, Setting
from penstock.models.types import Model, Placement, RoleChange, Version
from penstock.monitoring.types import Prediction, Window
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
from penstock.runs.secrets import StepSecret
from penstock.runs.sweeps import Sweep
from penstock.runs.types import Metric, Run, StepRun
from penstock.triggers.types import Firing, Request, TriggerState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

metadata = MetaData()

Key = BigInteger().with_variant(Integer, "sqlite")
"""An integer that the engine counts up by itself."""


class Instant(TypeDecorator[datetime]):
    """A moment as microseconds since 1970 in UTC: exact, ordered, and the same in every engine."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 SQLAlchemy's signature
        """Microseconds. Raises TypeError for a time without a zone."""
        return None if value is None else (instant(value) - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 SQLAlchemy's signature
        """The moment in UTC."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Number(TypeDecorator[float]):
    """A finite double."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002 SQLAlchemy's signature
        """The number. Raises InvalidValue for NaN, which SQLite would silently keep as NULL."""
        return None if value is None else finite(value)


class Document(TypeDecorator[Any]):
    """Any other value as JSON text, decoded into the declared type."""

    impl = Text
    cache_ok = True

    def __init__(self, shape: Any) -> None:
        """`shape` is the type that the value is decoded into."""
        super().__init__()
        self.shape = shape
        self._decoder = msgspec.json.Decoder(shape)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:  # noqa: ARG002 SQLAlchemy's signature
        """JSON text. Raises ValidationError for a value that could not be read back."""
        text = msgspec.json.encode(value)
        if b"null" in text:  # NaN becomes null, which a typed field would refuse only when it is read
            self._decoder.decode(text)
        return text.decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 SQLAlchemy's signature
        """The decoded value."""
        return None if value is None else self._decoder.decode(value)


def _column(field: Field) -> Column[Any]:
    types: dict[type, TypeEngine[Any]] = {
        str: Text(),
        int: BigInteger(),
        float: Number(),
        bool: Boolean(),
        datetime: Instant(),
    }
    kept = types[field.scalar] if field.scalar else Document(field.shape)
    return Column(field.name, kept, nullable=field.optional and field.scalar is not None)


def _table(kind: type[msgspec.Struct], name: str, *indexes: tuple[str, ...]) -> Table:
    fields = fields_of(kind)
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
    Setting: _table(Setting, "settings"),
    Cursor: _table(Cursor, "cursors"),
    Secret: _table(Secret, "secrets"),
    Project: _table(Project, "projects"),
    Revision: _table(Revision, "revisions", ("project", "branch")),
    Branch: _table(Branch, "branches", ("project",)),
    Approval: _table(Approval, "approvals", ("project", "commit")),
    AccessToken: _table(AccessToken, "access_tokens"),
    Upstream: _table(Upstream, "upstreams"),
    Delivery: _table(Delivery, "deliveries", ("project",)),
    CommitStatus: _table(CommitStatus, "commit_statuses", ("sent",)),
    Build: _table(Build, "builds", ("status",), ("project", "commit")),
    Release: _table(Release, "releases", ("project", "commit")),
    Deployment: _table(Deployment, "deployments", ("project", "environment"), ("release",)),
    Hold: _table(Hold, "holds", ("project", "environment")),
    StepSecret: _table(StepSecret, "step_secrets", ("project", "environment")),
    Run: _table(
        Run,
        "runs",
        ("status",),
        ("created",),
        ("project", "environment", "pipeline"),
        ("project", "pipeline", "status", "finished"),
        ("release",),
        ("sweep",),
    ),
    Sweep: _table(Sweep, "sweeps", ("project", "target")),
    StepRun: _table(StepRun, "step_runs", ("run", "status"), ("status",), ("key", "status")),
    Metric: _table(Metric, "metrics", ("run", "name", "final"), ("name", "final", "value")),
    Snapshot: _table(Snapshot, "snapshots", ("digest",)),
    Model: _table(Model, "models", ("project",)),
    Version: _table(Version, "versions", ("model", "number"), ("run",)),
    Placement: _table(Placement, "placements", ("model", "environment"), ("environment", "role")),
    RoleChange: _table(RoleChange, "role_changes", ("model", "environment")),
    GateReport: _table(GateReport, "gate_reports", ("model", "number")),
    Swap: _table(Swap, "swaps", ("model", "environment")),
    Prediction: _table(Prediction, "predictions", ("model", "environment", "time")),
    Window: _table(Window, "windows", ("model", "environment", "start")),
    Firing: _table(Firing, "firings", ("project", "environment", "pipeline")),
    Request: _table(Request, "requests", ("firing",)),
    TriggerState: _table(TriggerState, "trigger_states", ("project",)),
}
"""Every noun that is kept, with the indexes that its room asks by."""

EVENTS = Table(
    "events",
    metadata,
    Column("id", Key, primary_key=True),
    *(_column(field) for field in fields_of(Event).values() if field.name != "id"),
    Index("events_kind", "kind"),
    Index("events_subject", "subject"),
    Index("events_cause", "cause"),
)

COUNTERS = Table(
    "counters",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
