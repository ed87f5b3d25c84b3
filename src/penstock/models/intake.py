"""How versions enter the registry: a succeeded run's candidates become the next numbers of their models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.core.durations import duration
from penstock.core.errors import Corrupt, InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.lineage.cursors import move, position_of
from penstock.lineage.ports import Blobs, Store, Transaction
from penstock.lineage.tags import check_tags, set_tags
from penstock.models.decide import draft, snapshots_of
from penstock.models.imports import imported_by
from penstock.models.types import PICKLE, Model, Version, owner_of
from penstock.pipelines.types import Candidate
from penstock.revisions.config import ModelConfig
from penstock.revisions.types import Approval, Revision
from penstock.runs.types import Artifact, Run, StepRun

_CURSOR = "models:run.succeeded"
_AT_ONCE = 100


class _Draft(msgspec.Struct, frozen=True):
    """A version whose number is still open, and the tags that it begins with."""

    version: Version
    tags: dict[str, str]


class Intake:
    """Reads succeeded runs from the ledger, each once, in the order in which they succeeded."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        *,
        registers: Callable[[str, str], bool],
        commit_of: Callable[[str], str],
        declared: Callable[[str, str, str], ModelConfig | None],
        pickles: bool,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._registers = registers
        self._commit_of = commit_of
        self._declared = declared
        self._pickles = pickles

    def tick(self, now: datetime) -> bool:
        """Register the versions of runs that succeeded since the last tick."""
        with self._store.read() as reader:
            finished = reader.events(after=position_of(reader, _CURSOR), kind="run.succeeded", limit=_AT_ONCE)
        taken = [self._take_in(event, now) for event in finished]
        return any(taken)

    def _take_in(self, event: Event, now: datetime) -> bool:
        """Register what a succeeded run published; true when there was something."""
        run_id = event.subject.removeprefix("run:")
        with self._store.read() as reader:
            run = reader.get(Run, run_id)
            steps = reader.find(StepRun, run=run_id)
        nodes = {node.name for node in run.graph.nodes if node.kind in {"publish", "import"}}
        published = [  # a publication in a branch that was not taken has no outputs
            step.outputs["candidate"] for step in steps if step.name in nodes and step.outputs
        ]
        if published and not self._registers(run.project, run.environment):
            published = []
        drafts = [self._draft(run, steps, artifact, now) for artifact in published]
        with self._store.begin() as tx:
            if position_of(tx, _CURSOR) >= event.id:
                return False
            for drafted in drafts:
                self._register(tx, drafted, event, now)
            move(tx, _CURSOR, event.id)
        return bool(drafts)

    def _draft(self, run: Run, steps: list[StepRun], artifact: Artifact, now: datetime) -> _Draft | Event:
        """The version to be, its number still open; an event that tells why there cannot be one."""
        try:
            candidate = msgspec.json.decode(self._blobs.get(artifact.digest), type=Candidate)
            check_tags(candidate.tags)
            location = self._blobs.where(candidate.artifact)
            declared = self._declared(run.release, run.environment, candidate.model)
            governance = dict(self._governance(run, declared))
            if candidate.format == PICKLE:
                governance["unsafe_pickle"] = self._leave(run, candidate.model, declared)
            lasts = declared.expires_after if declared else ""
            made = draft(
                run,
                candidate,
                snapshots_of(steps),
                number=0,
                location=location,
                now=now,
                governance=governance,
                lasts=duration(lasts) if lasts else None,
            )
            return _Draft(version=made, tags=candidate.tags)
        except (NotFound, NotAllowed, Corrupt, InvalidValue, msgspec.DecodeError) as error:
            return Event(
                kind="version.refused",
                subject=f"run:{run.id}",
                time=now,
                project=run.project,
                evidence={"error": str(error), "candidate": artifact.digest},
            )

    def _leave(self, run: Run, model: str, declared: ModelConfig | None) -> str:
        """Why a model may be a pickle. Raises NotAllowed where it would be served and nobody has said so."""
        why = declared.unsafe_pickle.strip() if declared else ""
        if run.release and not why:
            raise NotAllowed(
                what=f"The model {model} is a pickle, which runs whatever code it names when it is loaded",
                expected=f"[models.{model}] with unsafe_pickle = REASON in penstock.toml",
                found="no reason",
            )
        if run.release and not self._pickles:
            raise NotAllowed(
                what=f"The model {model} is a pickle, and programs of projects are isolated here",
                found="what serves it is not",
                fix="Make a model that ONNX or skops can keep.",
            )
        return why or "it was made in a folder, of no release, and is never served"

    def _register(self, tx: Transaction, made: _Draft | Event, cause: Event, now: datetime) -> None:
        if isinstance(made, Event):
            tx.publish(replace(made, cause=cause.id))
            return
        drafted = made.version
        known = tx.find(Model, id=drafted.model)
        if known and known[0].project != drafted.project:
            why = f"The model {drafted.model} belongs to {owner_of(known[0])}."
            tx.publish(_told(drafted, "version.refused", f"run:{drafted.run}", cause, error=why))
            return
        if not known:
            tx.add(Model(id=drafted.model, project=drafted.project, created=now))
        number = tx.count(Version, model=drafted.model) + 1
        version = replace(drafted, id=f"{drafted.model}@{number}", number=number)
        told = _told(
            version,
            "version.registered",
            f"version:{version.id}",
            cause,
            metrics=version.metrics,
            run=version.run,
        )
        [event] = tx.publish(told)
        tx.add(replace(version, event=event))
        set_tags(tx, f"version:{version.id}", made.tags)

    def _governance(self, run: Run, declared: ModelConfig | None) -> Mapping[str, Any]:
        """Who made a version, from what, who agreed to it, and what it is meant for.

        A model from elsewhere is no commit's work: who imported it stands in the author's place.
        """
        imported = imported_by(run.graph)
        commit = self._commit_of(run.release) if run.release and not imported else ""
        with self._store.read() as reader:
            revisions = reader.find(Revision, project=run.project, commit=commit) if commit else []
            approvals = reader.find(Approval, project=run.project, commit=commit) if commit else []
        return {
            "actor": run.actor,
            "run": run.id,
            "firing": run.firing,
            "release": run.release,
            "commit": commit,
            "author": revisions[0].author if revisions else run.actor if imported else "",
            "approvals": [approval.actor for approval in approvals],
            "intended_use": declared.intended_use if declared else "",
            "risk": declared.risk if declared else "",
            "owners": list(declared.owners) if declared else [],
        } | ({"imported": imported.told()} if imported else {})


def _told(version: Version, kind: str, subject: str, cause: Event, **evidence: Any) -> Event:
    return Event(
        kind=kind,
        subject=subject,
        time=version.added,
        project=version.project,
        evidence={"environment": version.environment, "artifact": version.artifact, **evidence},
        cause=cause.id,
    )
