"""The tables `[notify.NAME]` of `penstock.toml`: channels, and the events that each is told of."""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec

from penstock.core.events import Event
from penstock.revisions.config.tables import Table, question

KINDS = ("webhook", "apprise")
"""How a channel is spoken to."""
EVENTS = {
    "alarm": ("raised", "ended"),
    "approval": ("withdrawn",),
    "branch": ("moved", "deleted", "reviewed"),
    "build": ("queued", "passed", "failed", "error", "broken", "cancelled", "superseded", "retried"),
    "check": ("waived",),
    "environment": ("held", "released", "removed"),
    "features": ("materialized", "failed", "removed"),
    "gate": ("passed", "failed", "waiting"),
    "merge": ("asked",),
    "model": ("live", "created", "logged", "withdrawn"),
    "project": ("connected",),
    "release": ("made", "deployed"),
    "revision": ("seen", "approved"),
    "rollout": ("started", "stepped", "promoted", "reverted", "aborted", "paused", "resumed"),
    "run": (
        "queued",
        "started",
        "succeeded",
        "failed",
        "cancelled",
        "opened",
        "closed",
        "reopened",
        "deleted",
        "restored",
    ),
    "secret": ("set", "removed"),
    "skew": ("measured", "exceeded"),
    "step": ("finished", "failed", "requeued"),
    "sweep": ("started", "finished"),
    "test": ("started", "running", "ended"),
    "trigger": ("requested", "signalled", "fired", "paused", "resumed"),
    "version": ("registered", "refused", "placed", "protected", "unprotected", "signed", "withdrawn"),
    "window": ("measured",),
}
"""What happens to each subject that somebody may want to be told of, in the words of the ledger."""


class ChannelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where people or programs are told of something: a webhook, or what the Apprise library knows.

    `address` and `sign` are the names of secrets: the address, and the key that signs what a webhook is sent.
    It is told of events of these kinds (`rollout.*` is all about rollouts); where `environments` are named,
    only of what happens there.
    """

    name: str
    kind: str
    address: str
    sign: str = ""
    events: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    def wants(self, event: Event) -> bool:
        """Whether the channel is to be told of an event."""
        if not any(fnmatchcase(event.kind, pattern) for pattern in self.events):
            return False
        return not self.environments or event.evidence.get("environment") in self.environments


def read_notify(top: Table) -> tuple[ChannelConfig, ...]:
    """The channels of a project. Raises InvalidProject."""
    environments = [*top.table("environments").values]
    return tuple(_channel(name, table, environments) for name, table in top.named("notify").items())


def _channel(name: str, table: Table, environments: list[str]) -> ChannelConfig:
    table.plain(None, name, "channel")
    table.allow(*KINDS, "sign", "events", "environments")
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) != 1:
        table.refuse(
            None,
            "a channel has one address",
            expected='webhook = "SECRET" or apprise = "SECRET", the name of the secret that holds it',
            found=" and ".join(kinds) or "none",
        )
    [kind] = kinds
    if kind != "webhook" and "sign" in table:
        table.refuse("sign", "only what is sent to a webhook is signed", fix="Leave `sign` out.")
    return ChannelConfig(
        name=name,
        kind=kind,
        address=secret_name(table, kind),
        sign=secret_name(table, "sign") if "sign" in table else "",
        events=_events(table),
        environments=table.choices("environments", environments) if "environments" in table else (),
    )


def secret_name(table: Table, key: str) -> str:
    """The name of a secret. Raises InvalidProject for what is none."""
    name = table.get(key, str)
    if not name.isidentifier() or not name.isascii():
        table.refuse(
            key,
            f"{key!r} is shown to everyone, so it names the secret and does not hold it",
            expected=f'such as {key} = "TEAM_HOOK"',
            found="something else",
            fix="Keep it with: penstock secrets set TEAM_HOOK --in notify.",
        )
    return name


def _events(table: Table) -> tuple[str, ...]:
    patterns = table.texts("events") if "events" in table else ()
    known = [f"{subject}.{verb}" for subject, verbs in EVENTS.items() for verb in verbs]
    for index, pattern in enumerate(patterns):
        if not any(fnmatchcase(kind, pattern) for kind in known):
            subject = pattern.partition(".")[0]
            verbs = EVENTS.get(subject, ())
            table.document.refuse(
                (*table.path, "events", index),
                "no event is of this kind",
                expected=(
                    f"{subject}.* or one of {', '.join(f'{subject}.{verb}' for verb in verbs)}"
                    if verbs
                    else f"such as build.failed; events are about {', '.join(EVENTS)}"
                ),
                found=repr(pattern),
                fix=question(pattern, known),
            )
    return patterns
