"""The first schema: a table per noun, the ledger, and the counters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from penstock.adapters.storage.migrations.columns import TEXT, boolean, double, integer, key, text

revision = "0001"
down_revision = None


def upgrade() -> None:  # noqa: PLR0915 a schema is a list
    """Make every table."""
    op.create_table("settings", key("seq"), *text("id", "value"))
    op.create_index("settings_id", "settings", ["id"], unique=True)
    op.create_table("cursors", key("seq"), *text("id"), *integer("position"))
    op.create_index("cursors_id", "cursors", ["id"], unique=True)
    op.create_table("secrets", key("seq"), *text("id", "sealed"), *integer("changed"))
    op.create_index("secrets_id", "secrets", ["id"], unique=True)
    op.create_table("tags", key("seq"), *text("id", "subject", "key"), *text("value", nullable=True))
    op.create_index("tags_id", "tags", ["id"], unique=True)
    op.create_index("tags_subject", "tags", ["subject"])
    op.create_table(
        "attachments",
        key("seq"),
        *text("id", "subject", "path"),
        *text("digest", nullable=True),
        *integer("size", "stored"),
    )
    op.create_index("attachments_id", "attachments", ["id"], unique=True)
    op.create_index("attachments_subject", "attachments", ["subject"])
    op.create_table(
        "projects",
        key("seq"),
        *text("id"),
        *integer("created"),
        *text("data_root", "protected", "repository", "folder"),
    )
    op.create_index("projects_id", "projects", ["id"], unique=True)
    op.create_table(
        "revisions",
        key("seq"),
        *text("id", "project", "commit", "branch", "author", "message"),
        *integer("seen", "event"),
        *text("link", "superseded"),
    )
    op.create_index("revisions_id", "revisions", ["id"], unique=True)
    op.create_index("revisions_project_branch", "revisions", ["project", "branch"])
    op.create_table(
        "branches",
        key("seq"),
        *text("id", "project", "name", "commit"),
        *integer("moved", "event"),
        *text("merged_from", "approvals", "waits", "link"),
        *integer("merged"),
        *integer("deleted", nullable=True),
    )
    op.create_index("branches_id", "branches", ["id"], unique=True)
    op.create_index("branches_project", "branches", ["project"])
    op.create_table(
        "approvals",
        key("seq"),
        *text("id", "project", "commit", "actor"),
        *integer("time", "event"),
        *integer("withdrawn", nullable=True),
    )
    op.create_index("approvals_id", "approvals", ["id"], unique=True)
    op.create_index("approvals_project_commit", "approvals", ["project", "commit"])
    op.create_table(
        "access_tokens",
        key("seq"),
        *text("id", "actor", "role", "project", "digest"),
        *integer("created"),
        *integer("expires", "revoked", nullable=True),
        *integer("event"),
        *text("environment"),
    )
    op.create_index("access_tokens_id", "access_tokens", ["id"], unique=True)
    op.create_table(
        "upstreams",
        key("seq"),
        *text("id", "forge", "repository", "address", "web", "api"),
        *integer("knocked", "looked", "not_before", nullable=True),
        *integer("failures", "asked"),
        *integer("ask_after", nullable=True),
        *text("waits"),
    )
    op.create_index("upstreams_id", "upstreams", ["id"], unique=True)
    op.create_table("deliveries", key("seq"), *text("id", "project", "kind"), *integer("received"))
    op.create_index("deliveries_id", "deliveries", ["id"], unique=True)
    op.create_index("deliveries_project", "deliveries", ["project"])
    op.create_table(
        "commit_statuses",
        key("seq"),
        *text("id", "project", "commit", "context", "state", "description", "path"),
        *boolean("sent"),
        *integer("attempts"),
        *integer("not_before", nullable=True),
        *text("problem"),
    )
    op.create_index("commit_statuses_id", "commit_statuses", ["id"], unique=True)
    op.create_index("commit_statuses_sent", "commit_statuses", ["sent"])
    op.create_table(
        "builds",
        key("seq"),
        *text("id", "project", "commit", "branch"),
        *integer("created"),
        *text("status"),
        *integer("started", "finished", nullable=True),
        *text("stage", "tests", "release", "error", "log", "lease"),
        *integer("token", "cause", "event"),
        *text("folder", "junit"),
        *integer("broken"),
        *integer("not_before", nullable=True),
        *text("coverage"),
    )
    op.create_index("builds_id", "builds", ["id"], unique=True)
    op.create_index("builds_project_commit", "builds", ["project", "commit"])
    op.create_index("builds_status", "builds", ["status"])
    op.create_table(
        "releases",
        key("seq"),
        *text("id"),
        *integer("number"),
        *text("project", "commit", "build"),
        *integer("created"),
        *text("wheel", "lock", "config", "environment", "graphs"),
        *integer("event"),
        *text("folder", "waived", "outputs"),
    )
    op.create_index("releases_id", "releases", ["id"], unique=True)
    op.create_index("releases_project_commit", "releases", ["project", "commit"])
    op.create_index("releases_project_created", "releases", ["project", "created"])
    op.create_table(
        "deployments",
        key("seq"),
        *text("id", "project", "environment", "release", "commit"),
        *integer("deployed"),
        *text("actor", "why", "kind"),
        *boolean("active"),
        *integer("event"),
        *text("branch"),
    )
    op.create_index("deployments_id", "deployments", ["id"], unique=True)
    op.create_index("deployments_project_environment", "deployments", ["project", "environment"])
    op.create_index("deployments_release", "deployments", ["release"])
    op.create_table(
        "holds",
        key("seq"),
        *text("id", "project", "environment", "why", "actor"),
        *integer("since"),
        *integer("lifted", nullable=True),
        *integer("event"),
    )
    op.create_index("holds_id", "holds", ["id"], unique=True)
    op.create_index("holds_project_environment", "holds", ["project", "environment"])
    op.create_table(
        "step_secrets",
        key("seq"),
        *text("id", "project", "environment", "name"),
        *integer("set"),
        *text("actor"),
        *integer("removed", nullable=True),
        *integer("event"),
    )
    op.create_index("step_secrets_id", "step_secrets", ["id"], unique=True)
    op.create_index("step_secrets_project_environment", "step_secrets", ["project", "environment"])
    op.create_table(
        "runs",
        key("seq"),
        *text(
            "id", "project", "pipeline", "environment", "release", "firing", "graph", "params", "workspace"
        ),
        *integer("as_of", "created"),
        *text("origin", "sweep", "status"),
        *integer("started", "finished", nullable=True),
        *text("error", "actor"),
        *integer("event", "priority"),
        *text("experiment"),
        *integer("deleted", nullable=True),
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
        key("seq"),
        *text("id", "name", "project"),
        *integer("created", "changed"),
        *integer("deleted", nullable=True),
    )
    op.create_index("experiments_id", "experiments", ["id"], unique=True)
    op.create_index("experiments_name", "experiments", ["name"], unique=True)
    op.create_table(
        "used_data",
        key("seq"),
        *text("id", "run", "name", "digest", "source_type", "source", "schema", "profile", "tags"),
    )
    op.create_index("used_data_id", "used_data", ["id"], unique=True)
    op.create_index("used_data_run", "used_data", ["run"])
    op.create_table(
        "sweeps",
        key("seq"),
        *text("id", "project", "pipeline", "target", "space", "fixed", "metric"),
        *boolean("maximize"),
        *integer("trials"),
        *text("code"),
        *integer("created"),
        *text("actor", "status"),
    )
    op.create_index("sweeps_id", "sweeps", ["id"], unique=True)
    op.create_index("sweeps_project_target", "sweeps", ["project", "target"])
    op.create_table(
        "step_runs",
        key("seq"),
        *text("id", "run", "name", "items", "status", "key"),
        *integer("attempt", "errors", "losses"),
        *text("lease"),
        *integer("token"),
        *text("outputs", "cached_from", "why", "error"),
        *integer("started", "finished", nullable=True),
        *double("seconds", "cpu"),
        *integer("memory"),
        *text("figures"),
        *integer("not_before", nullable=True),
        *text("files"),
    )
    op.create_index("step_runs_id", "step_runs", ["id"], unique=True)
    op.create_index("step_runs_key_status", "step_runs", ["key", "status"])
    op.create_index("step_runs_run_status", "step_runs", ["run", "status"])
    op.create_table(
        "metrics",
        key("seq"),
        *text("id", "run", "step", "name"),
        *double("value"),
        *integer("index", "time"),
        *boolean("final"),
    )
    op.create_index("metrics_id", "metrics", ["id"], unique=True)
    op.create_index("metrics_name_final_value", "metrics", ["name", "final", "value"])
    op.create_index("metrics_run_final", "metrics", ["run", "final"])
    op.create_index("metrics_run_name_final", "metrics", ["run", "name", "final"])
    op.create_table(
        "snapshots",
        key("seq"),
        *text("id", "source"),
        *integer("as_of"),
        *integer("first", "last", nullable=True),
        *integer("rows", "quarantined"),
        *text("columns", "digest", "quarantine", "profile"),
        *integer("expected"),
        *text("unexpected"),
    )
    op.create_index("snapshots_digest", "snapshots", ["digest"])
    op.create_index("snapshots_id", "snapshots", ["id"], unique=True)
    op.create_table(
        "models",
        key("seq"),
        *text("id", "project"),
        *integer("created"),
        *integer("withdrawn", nullable=True),
    )
    op.create_index("models_id", "models", ["id"], unique=True)
    op.create_index("models_project", "models", ["project"])
    op.create_table(
        "versions",
        key("seq"),
        *text("id", "model"),
        *integer("number"),
        *text("project", "environment", "run"),
        *integer("added"),
        *text("format", "artifact", "location"),
        *integer("size"),
        *text(
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
        *integer("expires", nullable=True),
        *integer("event"),
        *integer("withdrawn", nullable=True),
        *text("runtime", "days", "estimator", "influence"),
    )
    op.create_index("versions_id", "versions", ["id"], unique=True)
    op.create_index("versions_model_number", "versions", ["model", "number"])
    op.create_index("versions_run", "versions", ["run"])
    op.create_table("aliases", key("seq"), *text("id", "model", "name"), *integer("number", nullable=True))
    op.create_index("aliases_id", "aliases", ["id"], unique=True)
    op.create_index("aliases_model", "aliases", ["model"])
    op.create_table(
        "logged_models",
        key("seq"),
        *text("id", "experiment", "run", "name", "kind", "status", "params", "metrics"),
        *integer("step", "created", "changed"),
        *integer("deleted", nullable=True),
    )
    op.create_index("logged_models_experiment", "logged_models", ["experiment"])
    op.create_index("logged_models_id", "logged_models", ["id"], unique=True)
    op.create_index("logged_models_run", "logged_models", ["run"])
    op.create_table(
        "protections",
        key("seq"),
        *text("id", "model"),
        *integer("number"),
        *text("why", "actor"),
        *integer("since", "event"),
        *integer("ended", nullable=True),
    )
    op.create_index("protections_id", "protections", ["id"], unique=True)
    op.create_table(
        "placements",
        key("seq"),
        *text("id", "environment", "project", "model"),
        *integer("number"),
        *text("role"),
        *integer("since"),
        *text("actor", "why"),
        *integer("event"),
    )
    op.create_index("placements_environment_role", "placements", ["environment", "role"])
    op.create_index("placements_id", "placements", ["id"], unique=True)
    op.create_index("placements_model_environment", "placements", ["model", "environment"])
    op.create_table(
        "role_changes",
        key("seq"),
        *text("id", "environment", "model"),
        *integer("number"),
        *text("role"),
        *integer("time"),
        *text("actor", "why"),
        *integer("event"),
    )
    op.create_index("role_changes_id", "role_changes", ["id"], unique=True)
    op.create_index("role_changes_model_environment", "role_changes", ["model", "environment"])
    op.create_table(
        "gate_reports",
        key("seq"),
        *text("id", "environment", "model"),
        *integer("number"),
        *text("artifact"),
        *integer("time"),
        *text("outcome", "verdicts"),
        *integer("event"),
        *text("quality"),
    )
    op.create_index("gate_reports_id", "gate_reports", ["id"], unique=True)
    op.create_index("gate_reports_model_number", "gate_reports", ["model", "number"])
    op.create_table(
        "rollouts",
        key("seq"),
        *text("id", "project", "environment", "model"),
        *integer("number", "champion"),
        *text("status", "steps"),
        *integer("step"),
        *text("every", "guard"),
        *integer("requests"),
        *text("key"),
        *integer("started", "since"),
        *integer("ended", nullable=True),
        *text("actor", "why"),
        *integer("event"),
    )
    op.create_index("rollouts_id", "rollouts", ["id"], unique=True)
    op.create_index("rollouts_model_environment", "rollouts", ["model", "environment"])
    op.create_index("rollouts_status", "rollouts", ["status"])
    op.create_table(
        "production_tests",
        key("seq"),
        *text("id", "project", "environment", "model"),
        *integer("number", "champion"),
        *text("kind"),
        *integer("share"),
        *text("metric", "status", "verdict", "guard"),
        *integer("requests"),
        *text("key"),
        *integer("started"),
        *integer("until", "ended", nullable=True),
        *text("actor", "why"),
        *integer("event"),
    )
    op.create_index("production_tests_id", "production_tests", ["id"], unique=True)
    op.create_index("production_tests_model_environment", "production_tests", ["model", "environment"])
    op.create_index("production_tests_status", "production_tests", ["status"])
    op.create_table(
        "swaps",
        key("seq"),
        *text("id", "environment", "model"),
        *integer("before", "after", "time", "event"),
    )
    op.create_index("swaps_id", "swaps", ["id"], unique=True)
    op.create_index("swaps_model_environment", "swaps", ["model", "environment"])
    op.create_table(
        "predictions",
        key("seq"),
        *text("id", "model", "environment"),
        *integer("version"),
        *text("variant"),
        *integer("time"),
        *double("score"),
        *text("label"),
        *double("truth", nullable=True),
        *integer("truth_known", nullable=True),
        *text("slices"),
    )
    op.create_index("predictions_id", "predictions", ["id"], unique=True)
    op.create_index("predictions_model_environment_time", "predictions", ["model", "environment", "time"])
    op.create_index(
        "predictions_model_environment_truth_known_variant",
        "predictions",
        ["model", "environment", "truth_known", "variant"],
    )
    op.create_table(
        "windows",
        key("seq"),
        *text("id", "environment", "model"),
        *integer("version"),
        *text("variant"),
        *integer("start", "end", "predictions", "labelled"),
        *double("completeness"),
        *text("metrics", "drift", "profile"),
        *integer("measured"),
        *text("bands", "estimated", "unsaid"),
        *integer("lookups"),
        *text("truth", "slices"),
        *integer("tellings"),
    )
    op.create_index("windows_id", "windows", ["id"], unique=True)
    op.create_index("windows_model_environment_start", "windows", ["model", "environment", "start"])
    op.create_table(
        "firings",
        key("seq"),
        *text("id", "slot", "project", "environment", "pipeline", "kind"),
        *integer("time"),
        *text("why", "evidence", "events", "run"),
        *integer("event"),
        *text("then"),
    )
    op.create_index("firings_id", "firings", ["id"], unique=True)
    op.create_index("firings_project_environment_pipeline", "firings", ["project", "environment", "pipeline"])
    op.create_index("firings_slot", "firings", ["slot"], unique=True)
    op.create_table(
        "requests",
        key("seq"),
        *text("id", "project", "environment", "pipeline", "params", "actor", "why"),
        *integer("time"),
        *integer("priority", nullable=True),
        *text("firing"),
        *integer("event"),
    )
    op.create_index("requests_firing", "requests", ["firing"])
    op.create_index("requests_id", "requests", ["id"], unique=True)
    op.create_table(
        "trigger_states",
        key("seq"),
        *text("id", "project", "environment", "pipeline"),
        *integer("since", "checked"),
        *integer("fired", nullable=True),
        *boolean("paused"),
        *text("explanation", "used", "rested"),
    )
    op.create_index("trigger_states_id", "trigger_states", ["id"], unique=True)
    op.create_index("trigger_states_project", "trigger_states", ["project"])
    op.create_table(
        "events",
        key("id"),
        *text("kind", "subject"),
        *integer("time"),
        *text("actor", "project", "evidence"),
        *integer("cause", nullable=True),
        *text("previous", "digest"),
    )
    op.create_index("events_kind", "events", ["kind"])
    op.create_index("events_subject", "events", ["subject"])
    op.create_table("counters", sa.Column("kind", TEXT, nullable=False, primary_key=True), *integer("last"))
