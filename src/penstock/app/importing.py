"""Models made elsewhere: brought in by a run, in a worker of a release that the project has deployed."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from penstock.builds.types import Release
from penstock.core.digests import digest_value
from penstock.core.errors import InvalidValue, NotAllowed, NotFound
from penstock.deployments.environments import Environments, Held
from penstock.lineage.ports import Blobs, Reader, Store
from penstock.models.imports import Import, Kind, Pieces, import_graph, kind_of
from penstock.models.types import Model, owner_of
from penstock.revisions.names import check_name
from penstock.runs.service import Runs
from penstock.runs.types import Run, Workspace


class Importing:
    """Takes files piece by piece, and starts the runs that make versions of them.

    Nothing of a model is read here: a worker does that, in the environment of the release, where a model
    that only its own library answers is served later as well.
    """

    def __init__(
        self, store: Store, blobs: Blobs, runs: Runs, workspace_of: Callable[[Release, str], Workspace]
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._environments = Environments(blobs)
        self._runs = runs
        self._workspace_of = workspace_of

    def keep(self, data: str) -> str:
        """Keep a piece of a file, given in base64; gives its digest. Raises InvalidValue."""
        try:
            return self._blobs.put(base64.b64decode(data, validate=True))
        except (binascii.Error, ValueError) as error:
            raise InvalidValue(expected="a piece of a file in base64", found=str(error)) from error

    def begin(self, asked: dict[str, Any], *, project: str, actor: str) -> Run:
        """Start the run that makes a version of a model.

        Raises InvalidValue for what cannot be meant, NotFound for pieces that are not here and while no
        release is deployed, and NotAllowed for a pickle without a reason and for the model of another owner.
        """
        given = self._checked(asked)
        with self._store.read() as reader:
            held = self._held(reader, project)
            known = reader.find(Model, id=given.model)
        if known and known[0].project != project:
            raise NotAllowed(
                what=f"The model {given.model} belongs to {owner_of(known[0])}.",
                fix="Import it under another name.",
            )
        return self._runs.submit(
            project=project,
            pipeline=f"import:{given.model}",
            environment=held.deployment.environment,
            graph=import_graph(given),
            workspace=self._workspace_of(held.release, held.deployment.environment),
            params={},
            release=held.release.id,
            actor=actor,
            cause=held.deployment.event,
        )

    def _checked(self, asked: dict[str, Any]) -> Import:
        check_name(asked["model"], "model")
        kind = asked["kind"] or kind_of(asked["files"])
        if kind is None:
            raise InvalidValue(
                what=f"{asked['source']} does not tell by its name what it is",
                expected="a file .onnx or .skops, or an MLflow folder with its MLmodel",
                found=", ".join(sorted(asked["files"])[:5]) or "nothing",
                fix="Say so with --format onnx, skops or mlflow.",
            )
        if kind not in get_args(Kind):
            raise InvalidValue(what="There is no such format", expected=", ".join(get_args(Kind)), found=kind)
        try:
            given = msgspec.convert({**asked, "kind": kind, "digest": ""}, Import)
        except msgspec.ValidationError as error:
            raise InvalidValue(what="This is no import", found=str(error)) from error
        if kind != "mlflow" and len(given.files) != 1:
            raise InvalidValue(expected=f"one {kind} file", found=f"{len(given.files)} files")
        if kind == "pickle" and not given.unsafe.strip():
            raise NotAllowed(
                what=f"{given.source} is a pickle, which runs whatever code it names when it is read",
                expected="ONNX or skops",
                fix="Save it as one of these, or take it at its maker's word: --unsafe-pickle REASON.",
            )
        digests = {path: self._digest(pieces) for path, pieces in sorted(given.files.items())}
        self._digest(given.examples)
        whole = digest_value(digests) if kind == "mlflow" else next(iter(digests.values()))
        return replace(given, digest=whole)

    def _digest(self, pieces: Pieces) -> str:
        """The digest of a whole file. Raises NotFound for a piece that is not here."""
        whole = hashlib.sha256()
        for piece in pieces:
            whole.update(self._blobs.get(piece))
        return whole.hexdigest()

    def _held(self, reader: Reader, project: str) -> Held:
        """The first environment in which a release of the project is deployed and makes versions."""
        order = self._environments.order(reader)
        found = [
            held
            for held in self._environments.held(reader)
            if held.release.project == project and held.rule.serve and not held.deployment.branch
        ]
        if not found:
            raise NotFound(
                what=f"No release of {project} is deployed where models serve, and an import is read in the "
                "environment of one.",
                fix="Take one there first: penstock environments.",
            )
        return min(found, key=lambda held: order[held.rule.name])
