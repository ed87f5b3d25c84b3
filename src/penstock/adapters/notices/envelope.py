"""An event as CloudEvents (1.0, JSON format) carry it, with what CDEvents call it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import msgspec

from penstock.core.events import Event
from penstock.triggers.ports import Message

SPECIFICATION = "0.4.1"
"""The version of CDEvents whose types are used, for which https://cdevents.dev keeps schemas."""


def envelope(message: Message) -> bytes:
    """The body of a webhook: a CloudEvent in structured mode whose data are a CDEvent.

    What CDEvents have no word for has a type of our own, `dev.cdeventsx.penstock-…`, as they ask for.
    """
    event, moment = message.event, message.event.time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    kind, subject = _subject(event)
    context: dict[str, Any] = {
        "version": SPECIFICATION,
        "id": message.delivery,
        "source": message.source,
        "type": kind,
        "timestamp": moment,
    }
    if message.chain:
        context["chainId"] = message.chain
    about = {"title": message.title, "text": message.text, "link": message.link}
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": message.delivery,
            "source": message.source,
            "type": kind,
            "subject": event.subject,
            "time": moment,
            "datacontenttype": "application/json",
            "data": {
                "context": context,
                "subject": {"source": message.source, **subject},
                "customData": {**about, "event": msgspec.to_builtins(event)},
                "customDataContentType": "application/json",
            },
        }
    )


def _subject(event: Event) -> tuple[str, dict[str, Any]]:
    """What CDEvents call an event, and its subject."""
    about, _, verb = event.kind.partition(".")
    content: dict[str, Any]
    place = {"id": str(event.evidence.get("environment", "") or "unknown")}
    if event.kind in {"build.passed", "build.failed", "build.error"}:
        return "dev.cdevents.build.finished.0.2.0", _named(event.subject, "build", {})
    if event.kind in {"run.succeeded", "run.failed"}:
        outcome = "success" if verb == "succeeded" else "failure"
        content = {"outcome": outcome, "errors": str(event.evidence.get("error", ""))}
        return "dev.cdevents.pipelinerun.finished.0.2.0", _named(event.subject, "pipelineRun", content)
    if event.kind == "alarm.raised":
        content = {"description": str(event.evidence.get("why", "")), "environment": place}
        return "dev.cdevents.incident.detected.0.2.0", _named(event.subject, "incident", content)
    if event.kind == "rollout.reverted":
        version = f"pkg:generic/{event.evidence.get('version', '')}"
        content = {"environment": place, "artifactId": version}
        return "dev.cdevents.service.rolledback.0.2.0", _named(event.subject, "service", content)
    content = {name: value for name, value in event.evidence.items() if isinstance(value, str | int | float)}
    return f"dev.cdeventsx.penstock-{about}.{verb}.0.1.0", _named(event.subject, f"penstock-{about}", content)


def _named(subject: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"id": subject, "type": kind, "content": content}
