"""What can be done with a noun on its page: the same verbs that commands call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

_UNDER_WAY = ("queued", "running")


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a verb's path with some fields; one that changes what answers is `asked` about before."""

    label: str
    path: str
    fields: Mapping[str, str] = {}
    asked: str = ""


def buttons(place: str, row: Mapping[str, Any], promotes: Sequence[Mapping[str, Any]] = ()) -> list[Button]:
    """What can be done with a row of the list at `place`, as it stands.

    `promotes` are the environments that releases are promoted to.
    """
    if place == "/releases":
        return [_promotion(row, each) for each in promotes if each["project"] == row["project"]]
    of = _BUTTONS.get(place)
    return of(row) if of else []


def _of_trigger(row: Mapping[str, Any]) -> list[Button]:
    fields = {name: row[name] for name in ("pipeline", "environment", "project")}
    turn = "resume" if row["paused"] else "pause"
    run = Button(label="run now", path="/triggers/fire", fields=fields)
    return [run, Button(label=turn, path=f"/triggers/{turn}", fields=fields)]


def _of_run(row: Mapping[str, Any]) -> list[Button]:
    if row["status"] in _UNDER_WAY:
        return [Button(label="cancel", path=f"/runs/{row['id']}/cancel")]
    again = Button(label="go on", path=f"/runs/{row['id']}/retry")
    return [again] if row["status"] in {"failed", "cancelled"} else []


def _of_build(row: Mapping[str, Any]) -> list[Button]:
    if row["status"] in _UNDER_WAY:
        return [Button(label="cancel", path=f"/builds/{row['id']}/cancel")]
    again = Button(label="build again", path=f"/builds/{row['id']}/retry")
    return [again] if row["status"] in {"failed", "error", "cancelled"} else []


def _of_branch(row: Mapping[str, Any]) -> list[Button]:
    if row["merged_from"]:
        return []
    approve = Button(
        label="approve", path=f"/revisions/{row['commit']}/approve", fields={"project": row["project"]}
    )
    fields = {"branch": row["name"], "project": row["project"]}
    return [approve, Button(label="merge", path="/merge", fields=fields)]


def _promotion(row: Mapping[str, Any], place: Mapping[str, Any]) -> Button:
    name = place["environment"]
    return Button(
        label=f"promote to {name}",
        path="/promote",
        fields={"what": str(row["number"]), "environment": name, "project": row["project"]},
        asked=f"Promote release {row['number']} to {name}?",
    )


def _of_rollout(row: Mapping[str, Any]) -> list[Button]:
    if row["status"] not in {"running", "paused"}:
        return []
    fields = {"model": row["model"], "environment": row["environment"]}
    turn = "resume" if row["status"] == "paused" else "pause"
    asked = f"Give all requests back to version {row['champion']}?"
    return [
        Button(label=turn, path=f"/rollouts/{turn}", fields=fields),
        Button(label="abort", path="/rollouts/abort", fields=fields, asked=asked),
    ]


def _of_test(row: Mapping[str, Any]) -> list[Button]:
    return [] if row["status"] == "ended" else [Button(label="end", path=f"/tests/{row['id']}/stop")]


def _of_placement(row: Mapping[str, Any]) -> list[Button]:
    back = Button(
        label=f"roll back in {row['environment']}",
        path="/rollback",
        fields={"what": row["model"], "environment": row["environment"]},
        asked=f"Let the version before {row['number']} answer in {row['environment']} again?",
    )
    return [back] if row["role"] == "champion" else []


_BUTTONS: Mapping[str, Callable[[Mapping[str, Any]], list[Button]]] = {
    "/branches": _of_branch,
    "/builds": _of_build,
    "/rollouts": _of_rollout,
    "/runs": _of_run,
    "/tests": _of_test,
    "/triggers": _of_trigger,
    "placements": _of_placement,
}
