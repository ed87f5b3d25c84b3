"""Channels are told of events that their project's `penstock.toml` names."""

from __future__ import annotations

from datetime import datetime

from penstock.builds.types import Release
from penstock.deployments.environments import Environments
from penstock.lineage.cursors import move, position_of
from penstock.lineage.ports import Blobs, Reader, Store
from penstock.revisions.config import ChannelConfig
from penstock.triggers.actions import channel_details, made_action
from penstock.triggers.types import Action

CURSOR = "subscriptions"
_PAGE = 500


class Subscriptions:
    """Reads the ledger as it grows and writes down who is to be told."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._environments = Environments(blobs)
        self._seen = -1

    def tick(self, now: datetime) -> bool:
        """Look at the next events; True if there were some.

        How far it came is written down with what is to be told, and else now and then: what a process that
        begins again reads again, it tells under the same names.
        """
        with self._store.read() as reader:
            kept = position_of(reader, CURSOR)
            seen = max(self._seen, kept)
            events = reader.events(after=seen, limit=_PAGE)
            if not events:
                return False
            told: dict[str, tuple[ChannelConfig, ...]] = {}
            since: dict[str, int] = {}
            for project in {event.project for event in events if event.project}:
                told[project], since[project] = self._channels(reader, project)
        actions = [
            made_action(
                event,
                "notify",
                channel.name,
                channel_details(channel),
                project=event.project,
                environment=str(event.evidence.get("environment", "")),
                made=now,
            )
            for event in events
            for channel in told.get(event.project, ())
            if event.id >= since[event.project] and channel.wants(event)
        ]
        last = events[-1].id
        if actions or last - kept >= _PAGE:
            with self._store.begin() as tx:
                tx.add(*(action for action in actions if not tx.count(Action, id=action.id)))
                move(tx, CURSOR, last)
        self._seen = last
        return True

    def channels(self, reader: Reader, project: str) -> tuple[ChannelConfig, ...]:
        """The channels that a project has now."""
        return self._channels(reader, project)[0]

    def _channels(self, reader: Reader, project: str) -> tuple[tuple[ChannelConfig, ...], int]:
        """The channels of the release that came furthest on the path of promotion, and since which event.

        So what is pushed for a try cannot silence what production tells.
        """
        held = [each for each in self._environments.held(reader) if each.release.project == project]
        path = {each.name: place for h in held for place, each in enumerate(h.config.environments)}
        furthest = max(
            (each for each in held if not each.deployment.branch),
            key=lambda each: path.get(each.rule.name, -1),
            default=None,
        )
        if furthest:
            return furthest.config.channels, furthest.release.event
        newest = reader.find(Release, project=project, order="-number", limit=1)
        return (self._environments.config(newest[0]).channels, newest[0].event) if newest else ((), 0)
