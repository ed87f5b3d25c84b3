"""What the table of each noun is called."""

from __future__ import annotations

import msgspec

NAMES = {
    "AccessToken": "access_tokens",
    "Action": "actions",
    "Alarm": "alarms",
    "Alias": "aliases",
    "Approval": "approvals",
    "Attachment": "attachments",
    "Branch": "branches",
    "Build": "builds",
    "CommitStatus": "commit_statuses",
    "Cursor": "cursors",
    "Delivery": "deliveries",
    "Deployment": "deployments",
    "Event": "events",
    "Experiment": "experiments",
    "Explanation": "explanations",
    "Firing": "firings",
    "GateReport": "gate_reports",
    "Heard": "heard",
    "Hold": "holds",
    "LoggedModel": "logged_models",
    "Materialization": "materializations",
    "Metric": "metrics",
    "Model": "models",
    "Placement": "placements",
    "Prediction": "predictions",
    "ProductionTest": "production_tests",
    "Project": "projects",
    "Protection": "protections",
    "SignOff": "sign_offs",
    "Signal": "signals",
    "Waiver": "waivers",
    "Reading": "readings",
    "Release": "releases",
    "Request": "requests",
    "Revision": "revisions",
    "RoleChange": "role_changes",
    "Rollout": "rollouts",
    "Run": "runs",
    "Secret": "secrets",
    "Setting": "settings",
    "Skew": "skews",
    "Snapshot": "snapshots",
    "StepRun": "step_runs",
    "StepSecret": "step_secrets",
    "Swap": "swaps",
    "Sweep": "sweeps",
    "Tag": "tags",
    "Traffic": "traffic",
    "TriggerState": "trigger_states",
    "Upstream": "upstreams",
    "UsedData": "used_data",
    "Version": "versions",
    "Window": "windows",
}
"""By the name of the type, so that whoever asks for one noun does not import the others."""


def table_of(kind: type[msgspec.Struct]) -> str:
    """The name of the table. Raises TypeError for what is not stored."""
    try:
        return NAMES[kind.__name__]
    except KeyError:
        raise TypeError(f"{kind.__name__} is not a noun that is stored") from None
