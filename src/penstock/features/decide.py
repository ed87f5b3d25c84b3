"""Pure decisions: when the online values of a view are made anew."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from penstock.features.types import Materialization, ViewSettings

GRACE = timedelta(days=1)
"""How long values stay that nobody needs: a release or a version may come back."""


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


def needed(state: Materialization) -> Materialization:
    """What is wanted where somebody needs values that nobody needed: what came meanwhile."""
    return replace(state, unneeded=None, asked=True) if state.unneeded else state


def left(state: Materialization, now: datetime) -> Materialization:
    """What becomes of values that nobody needs: after `GRACE` they count as not there, and can be removed."""
    if state.unneeded is None:
        return replace(state, unneeded=now, run="", asked=False)
    if state.as_of and now - state.unneeded >= GRACE:
        return replace(state, as_of=None, table="")
    return state


def removable(state: Materialization) -> bool:
    """Whether values are to be removed: nobody needs them, and nobody is told that they are there."""
    return bool(state.unneeded and not state.as_of and state.contents)
