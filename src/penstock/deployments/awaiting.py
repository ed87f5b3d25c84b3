"""Features online that a version waits for before its gate: who goes live answers no fewer requests."""

from __future__ import annotations

from penstock.features.types import Materialization, online_id
from penstock.lineage.ports import Reader
from penstock.models.types import Version
from penstock.runs.types import Run


def awaited(reader: Reader, version: Version, environment: str) -> str:
    """What a version waits for in an environment, in words; empty where there is nothing.

    It is each view that it was trained on in a version which has no values yet, though another has, or one
    is being filled: requests give entities there. Nothing comes for a version that no release trained.
    """
    names = []
    for view in version.origins.views:
        states = reader.find(
            Materialization, project=version.project, environment=environment, view=view.name
        )
        there = {state.id for state in states if state.as_of}
        own = online_id(version.project, environment, view.name, view.version)
        if own not in there and (there or any(state.run for state in states)):
            names.append(view.name)
    if not names or reader.pick(Run, ("release",), id=version.run) in ([], [("",)]):
        return ""
    return f"waits for online values of {', '.join(names)} as it was trained on (penstock features)"
