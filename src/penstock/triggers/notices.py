"""Telling channels: an event becomes a message, and a channel takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.core.errors import NotFound
from penstock.core.events import Event
from penstock.core.human import human
from penstock.lineage.ports import Reader, Store
from penstock.revisions.config import ChannelConfig
from penstock.runs.secrets import StepSecrets
from penstock.triggers.actions import channel_details, event_of
from penstock.triggers.ports import Channel, Message
from penstock.triggers.types import Action

PLACE = "notify"
"""Where secrets of channels belong, in place of an environment."""
LONGEST = 500
"""Characters of one fact in a message."""
FIRST = ("why", "error", "environment")
"""Evidence that is told before all other."""


class Notices:
    """Tells channels of events, in words for people and with everything for programs."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        secrets: StepSecrets,
        *,
        address: Callable[[], str],
    ) -> None:
        """`channels` by kind; `address` is where people reach this system."""
        self._store = store
        self._channels = channels
        self._secrets = secrets
        self._address = address

    def perform(self, action: Action) -> str:
        """Tell the channel of an action. Raises as `Channel.send`, and NotFound without its secrets."""
        self._send(action.project, action.details, self.message(action))
        return f"told {action.target}"

    def message(self, action: Action) -> Message:
        """What is said of the event that an action is about."""
        with self._store.read() as reader:
            event = event_of(reader, action.cause)
            chain = _first_cause(reader, event)
        return said_of(event, action.delivery, chain, self._address())

    def try_channel(self, project: str, channel: ChannelConfig, event: Event) -> None:
        """Tell a channel of an event that is in no ledger, now. Raises as `perform`."""
        said = said_of(event, f"test-{event.time:%Y%m%dT%H%M%S%f}", "", self._address())
        self._send(project, channel_details(channel), said)

    def _send(self, project: str, details: Mapping[str, Any], said: Message) -> None:
        names = tuple(name for name in (details["address"], details["sign"]) if name)
        found = self._secrets.values(project, PLACE, names)
        self._channels[details["kind"]].send(found[details["address"]], found.get(details["sign"], ""), said)


def said_of(event: Event, delivery: str, chain: str, address: str) -> Message:
    """What a channel is told of an event."""
    subject, _, verb = event.kind.partition(".")
    noun, _, key = event.subject.partition(":")
    place = event.evidence.get("environment")
    about = f"{subject} {key} {verb}" if noun == subject else f"{subject} {verb}: {key}"
    ordered = sorted(
        event.evidence.items(), key=lambda item: FIRST.index(item[0]) if item[0] in FIRST else len(FIRST)
    )
    facts = [
        f"{name}: {human(value)}"[:LONGEST]
        for name, value in ordered
        if value not in ("", None) and not isinstance(value, dict | list | tuple)
    ]
    root = address.rstrip("/")
    link = f"{root}/why/{event.id}" if root and event.id else ""
    return Message(
        delivery=delivery,
        event=event,
        chain=chain,
        source=f"{root or 'penstock'}/{event.project}",
        title=f"{event.project}: {about}" + (f" in {place}" if place else ""),
        text="\n".join(
            [*facts, f"by {event.actor} at {event.time:%Y-%m-%d %H:%M:%S} UTC", *([link] if link else [])]
        ),
        link=link,
    )


def channel_named(channels: tuple[ChannelConfig, ...], name: str) -> ChannelConfig:
    """A channel by its name. Raises NotFound."""
    for channel in channels:
        if channel.name == name:
            return channel
    raise NotFound(
        what=f"There is no channel {name!r}",
        expected="one of " + ", ".join(channel.name for channel in channels)
        if channels
        else "a table such as [notify.team] in penstock.toml",
        fix="What holds is the penstock.toml of the release that came furthest on the path of promotion.",
    )


def _first_cause(reader: Reader, event: Event) -> str:
    """The digest of the event with which the chain of causes began: all that follow from it share it."""
    while event.cause and event.cause < event.id:
        event = event_of(reader, event.cause)
    return event.digest[:32]
