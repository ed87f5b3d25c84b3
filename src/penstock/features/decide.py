"""Pure decisions: when the online values of a view are made anew."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from penstock.features.types import Materialization, ViewSettings


def refilled(state: Materialization, contents: str) -> Materialization:
    """What is wanted where the store is not the one that was written to, or lost what it had: all of it."""
    if state.contents == contents:
        return state
    asked = state.asked or state.as_of is not None
    return replace(state, contents=contents, loaded=0, full=True, asked=asked)


def due(state: Materialization, view: ViewSettings, now: datetime) -> bool:
    """Whether somebody asked, or the values are older than they may be; after a failure, later."""
    if state.asked:
        return True
    if not view.freshness:
        return False
    since = max((time for time in (state.as_of, state.finished) if time), default=None)
    return since is None or now - since >= timedelta(seconds=view.freshness)
