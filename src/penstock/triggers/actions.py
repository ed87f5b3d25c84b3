"""What a firing leads to besides a run, written down with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from penstock.core.digests import digest_value
from penstock.core.events import Event
from penstock.lineage.ports import Reader, Transaction
from penstock.models.types import Placement
from penstock.revisions.config import ChannelConfig
from penstock.triggers.types import Action, Firing, What
from penstock.triggers.watch import Watch

_Target = tuple[What, str, dict[str, Any]]


def plan_actions(tx: Transaction, watch: Watch, firing: Firing) -> None:
    """Write down the actions of a firing; they are done once the firing is."""
    event = event_of(tx, firing.event)
    tx.add(
        *(
            made_action(
                event,
                what,
                target,
                details,
                project=firing.project,
                environment=firing.environment,
                made=firing.time,
                firing=firing.id,
            )
            for word in firing.then
            for what, target, details in _targets(tx, watch, word)
        )
    )


def made_action(
    event: Event,
    what: What,
    target: str,
    details: dict[str, Any],
    *,
    project: str,
    environment: str,
    made: datetime,
    firing: str = "",
) -> Action:
    """An action because of an event. Its names are those that it would have had the last time."""
    return Action(
        id=f"{event.id}:{what}:{target}",
        project=project,
        environment=environment,
        what=what,
        target=target,
        delivery=digest_value([event.digest, what, target])[:32],
        firing=firing,
        cause=event.id,
        made=made,
        details=details,
    )


def channel_details(channel: ChannelConfig) -> dict[str, Any]:
    """What is needed to speak to a channel: of secrets their names only."""
    return {"kind": channel.kind, "address": channel.address, "sign": channel.sign}


def event_of(reader: Reader, number: int) -> Event:
    """An event by its number."""
    [event] = reader.events(after=number - 1, limit=1)
    return event


def _targets(tx: Transaction, watch: Watch, word: str) -> Iterator[_Target]:
    config, where = watch.config, watch.where
    if config is None:
        return
    if word == "notify":
        for channel in watch.held.config.channels:
            if channel.name in config.notify:
                yield "notify", channel.name, channel_details(channel)
    elif word == "issue":
        yield "issue", where["project"], {}
    elif word == "sweep" and config.sweep:
        details = {"release": watch.held.release.id, **msgspec.to_builtins(config.sweep)}
        yield "sweep", where["pipeline"], details
    elif word == "rollback":
        models = tuple(node.settings["model"] for node in watch.graph.nodes if node.kind == "publish")
        place = where["environment"]
        for champion in tx.find(Placement, model=models, environment=place, role="champion"):
            yield "rollback", champion.model, {"version": champion.number}
