"""The first schema: a table per noun, the ledger, and the counters."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:  # noqa: PLR0915 a schema is a list
    """Make every table."""
    op.create_table("settings", _key("seq"), *_text("id", "value"))
    op.create_index("settings_id", "settings", ["id"], unique=True)
    op.create_table("cursors", _key("seq"), *_text("id"), *_integer("position"))
    op.create_index("cursors_id", "cursors", ["id"], unique=True)
    op.create_table("secrets", _key("seq"), *_text("id", "sealed"), *_integer("changed"))
    op.create_index("secrets_id", "secrets", ["id"], unique=True)
    op.create_table("tags", _key("seq"), *_text("id", "subject", "key"), *_text("value", nullable=True))
    op.create_index("tags_id", "tags", ["id"], unique=True)
    op.create_index("tags_subject", "tags", ["subject"])
    op.create_table(
        "attachments",
        _key("seq"),
        *_text("id", "subject", "path"),
        *_text("digest", nullable=True),
        *_integer("size", "stored"),
    )
    op.create_index("attachments_id", "attachments", ["id"], unique=True)
    op.create_index("attachments_subject", "attachments", ["subject"])
    op.create_table(
        "projects",
        _key("seq"),
        *_text("id"),
        *_integer("created"),
        *_text("data_root", "protected", "repository", "folder"),
    )
    op.create_index("projects_id", "projects", ["id"], unique=True)
    op.create_table(
        "revisions",
        _key("seq"),
        *_text("id", "project", "commit", "branch", "author", "message"),
        *_integer("seen", "event"),
        *_text("link", "superseded"),
    )
    op.create_index("revisions_id", "revisions", ["id"], unique=True)
    op.create_index("revisions_project_branch", "revisions", ["project", "branch"])
    op.create_table(
        "branches",
        _key("seq"),
        *_text("id", "project", "name", "commit"),
        *_integer("moved", "event"),
        *_text("merged_from", "approvals", "waits", "link"),
        *_integer("merged"),
        *_integer("deleted", nullable=True),
    )
    op.create_index("branches_id", "branches", ["id"], unique=True)
    op.create_index("branches_project", "branches", ["project"])
    op.create_table(
        "approvals",
        _key("seq"),
        *_text("id", "project", "commit", "actor"),
        *_integer("time", "event"),
        *_integer("withdrawn", nullable=True),
    )
    op.create_index("approvals_id", "approvals", ["id"], unique=True)
    op.create_index("approvals_project_commit", "approvals", ["project", "commit"])
    op.create_table(
        "access_tokens",
        _key("seq"),
        *_text("id", "actor", "role", "project", "digest"),
        *_integer("created"),
        *_integer("expires", "revoked", nullable=True),
        *_integer("event"),
        *_text("environment"),
    )
    op.create_index("access_tokens_id", "access_tokens", ["id"], unique=True)
    op.create_table(
        "upstreams",
        _key("seq"),
        *_text("id", "forge", "repository", "address", "web", "api"),
        *_integer("knocked", "looked", "not_before", nullable=True),
        *_integer("failures", "asked"),
        *_integer("ask_after", nullable=True),
        *_text("waits"),
    )
    op.create_index("upstreams_id", "upstreams", ["id"], unique=True)
    op.create_table("deliveries", _key("seq"), *_text("id", "project", "kind"), *_integer("received"))
    op.create_index("deliveries_id", "deliveries", ["id"], unique=True)
    op.create_index("deliveries_project", "deliveries", ["project"])
    op.create_table(
        "commit_statuses",
        _key("seq"),
        *_text("id", "project", "commit", "context", "state", "description", "path"),
        *_boolean("sent"),
        *_integer("attempts"),
        *_integer("not_before", nullable=True),
        *_text("problem"),
    )
    op.create_index("commit_statuses_id", "commit_statuses", ["id"], unique=True)
    op.create_index("commit_statuses_sent", "commit_statuses", ["sent"])
    op.create_table(
        "builds",
        _key("seq"),
        *_text("id", "project", "commit", "branch"),
        *_integer("created"),
        *_text("status"),
        *_integer("started", "finished", nullable=True),
        *_text("stage", "tests", "release", "error", "log", "lease"),
        *_integer("token", "cause", "event"),
        *_text("folder", "junit"),
        *_integer("broken"),
        *_integer("not_before", nullable=True),
        *_text("coverage"),
    )
    op.create_index("builds_id", "builds", ["id"], unique=True)
    op.create_index("builds_project_commit", "builds", ["project", "commit"])
    op.create_index("builds_status", "builds", ["status"])
    op.create_table(
        "releases",
        _key("seq"),
        *_text("id"),
        *_integer("number"),
        *_text("project", "commit", "build"),
        *_integer("created"),
        *_text("wheel", "lock", "config", "environment", "graphs"),
        *_integer("event"),
        *_text("folder", "waived", "outputs"),
    )
    op.create_index("releases_id", "releases", ["id"], unique=True)
    op.create_index("releases_project_commit", "releases", ["project", "commit"])
    op.create_index("releases_project_created", "releases", ["project", "created"])
    op.create_table(
        "deployments",
        _key("seq"),
        *_text("id", "project", "environment", "release", "commit"),
        *_integer("deployed"),
        *_text("actor", "why", "kind"),
        *_boolean("active"),
        *_integer("event"),
        *_text("branch"),
    )
    op.create_index("deployments_id", "deployments", ["id"], unique=True)
    op.create_index("deployments_project_environment", "deployments", ["project", "environment"])
    op.create_index("deployments_release", "deployments", ["release"])
    op.create_table(
        "holds",
        _key("seq"),
        *_text("id", "project", "environment", "why", "actor"),
        *_integer("since"),
        *_integer("lifted", nullable=True),
        *_integer("event"),
    )
    op.create_index("holds_id", "holds", ["id"], unique=True)
    op.create_index("holds_project_environment", "holds", ["project", "environment"])
    op.create_table(
        "step_secrets",
        _key("seq"),
        *_text("id", "project", "environment", "name"),
        *_integer("set"),
        *_text("actor"),
        *_integer("removed", nullable=True),
        *_integer("event"),
    )
    op.create_index("step_secrets_id", "step_secrets", ["id"], unique=True)
    op.create_index("step_secrets_project_environment", "step_secrets", ["project", "environment"])
    op.create_table(
        "runs",
        _key("seq"),
        *_text(
            "id", "project", "pipeline", "environment", "release", "firing", "graph", "params", "workspace"
        ),
        *_integer("as_of", "created"),
        *_text("origin", "sweep", "status"),
        *_integer("started", "finished", nullable=True),
        *_text("error", "actor"),
        *_integer("event", "priority"),
        *_text("experiment"),
        *_integer("deleted", nullable=True),
    )
    op.create_index("runs_created", "runs", ["created"])
    op.create_index("runs_experiment_created", "runs", ["experiment", "created"])
    op.create_index("runs_id", "runs", ["id"], unique=True)
    op.create_index("runs_project_environment_pipeline", "runs", ["project", "environment", "pipeline"])
    op.create_index(
        "runs_project_pipeline_status_finished", "runs", ["project", "pipeline", "status", "finished"]
    )
    op.create_index("runs_release", "runs", ["release"])
    op.create_index("runs_status", "runs", ["status"])
    op.create_index("runs_sweep", "runs", ["sweep"])
    op.create_table(
        "experiments",
        _key("seq"),
        *_text("id", "name", "project"),
        *_integer("created", "changed"),
        *_integer("deleted", nullable=True),
    )
    op.create_index("experiments_id", "experiments", ["id"], unique=True)
    op.create_index("experiments_name", "experiments", ["name"], unique=True)
    op.create_table(
        "used_data",
        _key("seq"),
        *_text("id", "run", "name", "digest", "source_type", "source", "schema", "profile", "tags"),
    )
    op.create_index("used_data_id", "used_data", ["id"], unique=True)
    op.create_index("used_data_run", "used_data", ["run"])
    op.create_table(
        "sweeps",
        _key("seq"),
        *_text("id", "project", "pipeline", "target", "space", "fixed", "metric"),
        *_boolean("maximize"),
        *_integer("trials"),
        *_text("code"),
        *_integer("created"),
        *_text("actor", "status"),
    )
    op.create_index("sweeps_id", "sweeps", ["id"], unique=True)
    op.create_index("sweeps_project_target", "sweeps", ["project", "target"])
    op.create_table(
        "step_runs",
        _key("seq"),
        *_text("id", "run", "name", "items", "status", "key"),
        *_integer("attempt", "errors", "losses"),
        *_text("lease"),
        *_integer("token"),
        *_text("outputs", "cached_from", "why", "error"),
        *_integer("started", "finished", nullable=True),
        *_double("seconds", "cpu"),
        *_integer("memory"),
        *_text("figures"),
        *_integer("not_before", nullable=True),
        *_text("files"),
    )
    op.create_index("step_runs_id", "step_runs", ["id"], unique=True)
    op.create_index("step_runs_key_status", "step_runs", ["key", "status"])
    op.create_index("step_runs_run_status", "step_runs", ["run", "status"])
    op.create_index("step_runs_status", "step_runs", ["status"])
    op.create_table(
        "metrics",
        _key("seq"),
        *_text("id", "run", "step", "name"),
        *_double("value"),
        *_integer("index", "time"),
        *_boolean("final"),
    )
    op.create_index("metrics_id", "metrics", ["id"], unique=True)
    op.create_index("metrics_name_final_value", "metrics", ["name", "final", "value"])
    op.create_index("metrics_run_final", "metrics", ["run", "final"])
    op.create_index("metrics_run_name_final", "metrics", ["run", "name", "final"])
    op.create_table(
        "snapshots",
        _key("seq"),
        *_text("id", "source"),
        *_integer("as_of"),
        *_integer("first", "last", nullable=True),
        *_integer("rows", "quarantined"),
        *_text("columns", "digest"),
    )
    op.create_index("snapshots_digest", "snapshots", ["digest"])
    op.create_index("snapshots_id", "snapshots", ["id"], unique=True)
    op.create_table(
        "models",
        _key("seq"),
        *_text("id", "project"),
        *_integer("created"),
        *_integer("withdrawn", nullable=True),
    )
    op.create_index("models_id", "models", ["id"], unique=True)
    op.create_index("models_project", "models", ["project"])
    op.create_table(
        "versions",
        _key("seq"),
        *_text("id", "model"),
        *_integer("number"),
        *_text("project", "environment", "run"),
        *_integer("added"),
        *_text("format", "artifact", "location"),
        *_integer("size"),
        *_text(
            "signature",
            "metrics",
            "profile",
            "examples",
            "holdout",
            "label",
            "parity",
            "training",
            "governance",
            "metadata",
            "dependencies",
            "prior",
        ),
        *_integer("expires", nullable=True),
        *_integer("event"),
        *_integer("withdrawn", nullable=True),
    )
    op.create_index("versions_id", "versions", ["id"], unique=True)
    op.create_index("versions_model_number", "versions", ["model", "number"])
    op.create_index("versions_run", "versions", ["run"])
    op.create_table("aliases", _key("seq"), *_text("id", "model", "name"), *_integer("number", nullable=True))
    op.create_index("aliases_id", "aliases", ["id"], unique=True)
    op.create_index("aliases_model", "aliases", ["model"])
    op.create_table(
        "logged_models",
        _key("seq"),
        *_text("id", "experiment", "run", "name", "kind", "status", "params", "metrics"),
        *_integer("step", "created", "changed"),
        *_integer("deleted", nullable=True),
    )
    op.create_index("logged_models_experiment", "logged_models", ["experiment"])
    op.create_index("logged_models_id", "logged_models", ["id"], unique=True)
    op.create_index("logged_models_run", "logged_models", ["run"])
    op.create_table(
        "protections",
        _key("seq"),
        *_text("id", "model"),
        *_integer("number"),
        *_text("why", "actor"),
        *_integer("since", "event"),
        *_integer("ended", nullable=True),
    )
    op.create_index("protections_id", "protections", ["id"], unique=True)
    op.create_table(
        "placements",
        _key("seq"),
        *_text("id", "environment", "project", "model"),
        *_integer("number"),
        *_text("role"),
        *_integer("since"),
        *_text("actor", "why"),
        *_integer("event"),
    )
    op.create_index("placements_environment_role", "placements", ["environment", "role"])
    op.create_index("placements_id", "placements", ["id"], unique=True)
    op.create_index("placements_model_environment", "placements", ["model", "environment"])
    op.create_table(
        "role_changes",
        _key("seq"),
        *_text("id", "environment", "model"),
        *_integer("number"),
        *_text("role"),
        *_integer("time"),
        *_text("actor", "why"),
        *_integer("event"),
    )
    op.create_index("role_changes_id", "role_changes", ["id"], unique=True)
    op.create_index("role_changes_model_environment", "role_changes", ["model", "environment"])
    op.create_table(
        "gate_reports",
        _key("seq"),
        *_text("id", "environment", "model"),
        *_integer("number"),
        *_text("artifact"),
        *_integer("time"),
        *_text("outcome", "verdicts"),
        *_integer("event"),
        *_text("quality"),
    )
    op.create_index("gate_reports_id", "gate_reports", ["id"], unique=True)
    op.create_index("gate_reports_model_number", "gate_reports", ["model", "number"])
    op.create_table(
        "swaps",
        _key("seq"),
        *_text("id", "environment", "model"),
        *_integer("before", "after", "time", "event"),
    )
    op.create_index("swaps_id", "swaps", ["id"], unique=True)
    op.create_index("swaps_model_environment", "swaps", ["model", "environment"])
    op.create_table(
        "predictions",
        _key("seq"),
        *_text("id", "model", "environment"),
        *_integer("version"),
        *_text("variant"),
        *_integer("time"),
        *_double("score"),
        *_text("label"),
        *_double("truth", nullable=True),
        *_integer("truth_known", nullable=True),
    )
    op.create_index("predictions_id", "predictions", ["id"], unique=True)
    op.create_index("predictions_model_environment_time", "predictions", ["model", "environment", "time"])
    op.create_table(
        "windows",
        _key("seq"),
        *_text("id", "environment", "model"),
        *_integer("version"),
        *_text("variant"),
        *_integer("start", "end", "predictions", "labelled"),
        *_double("completeness"),
        *_text("metrics", "drift", "profile"),
        *_integer("measured"),
    )
    op.create_index("windows_id", "windows", ["id"], unique=True)
    op.create_index("windows_model_environment_start", "windows", ["model", "environment", "start"])
    op.create_table(
        "firings",
        _key("seq"),
        *_text("id", "slot", "project", "environment", "pipeline", "kind"),
        *_integer("time"),
        *_text("why", "evidence", "events", "run"),
        *_integer("event"),
    )
    op.create_index("firings_id", "firings", ["id"], unique=True)
    op.create_index("firings_project_environment_pipeline", "firings", ["project", "environment", "pipeline"])
    op.create_index("firings_slot", "firings", ["slot"], unique=True)
    op.create_table(
        "requests",
        _key("seq"),
        *_text("id", "project", "environment", "pipeline", "params", "actor", "why"),
        *_integer("time"),
        *_integer("priority", nullable=True),
        *_text("firing"),
        *_integer("event"),
    )
    op.create_index("requests_firing", "requests", ["firing"])
    op.create_index("requests_id", "requests", ["id"], unique=True)
    op.create_table(
        "trigger_states",
        _key("seq"),
        *_text("id", "project", "environment", "pipeline"),
        *_integer("since", "checked"),
        *_integer("fired", "last_slot", nullable=True),
        *_boolean("paused"),
        *_text("explanation"),
    )
    op.create_index("trigger_states_id", "trigger_states", ["id"], unique=True)
    op.create_index("trigger_states_project", "trigger_states", ["project"])
    op.create_table(
        "events",
        _key("id"),
        *_text("kind", "subject"),
        *_integer("time"),
        *_text("actor", "project", "evidence"),
        *_integer("cause", nullable=True),
        *_text("previous", "digest"),
    )
    op.create_index("events_cause", "events", ["cause"])
    op.create_index("events_kind", "events", ["kind"])
    op.create_index("events_subject", "events", ["subject"])
    op.create_table("counters", sa.Column("kind", _TEXT, nullable=False, primary_key=True), *_integer("last"))


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


def _text(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, _TEXT, nullable=nullable) for name in names]


def _integer(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def _double(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Float(), nullable=nullable) for name in names]


def _boolean(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Boolean(), nullable=nullable) for name in names]
