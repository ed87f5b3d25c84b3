"""Files by MLflow's paths. The first parts say of what: `runs/12`, `logged/m-3` or `versions/delay/3`.

Clients read such addresses in answers and put their own path behind; all of it is a name in the store, and
none of it becomes a path on the disk.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TypeVar
from urllib.parse import parse_qs

import msgspec
from litestar.types import Receive

from penstock.app import App
from penstock.core.errors import InvalidValue, NotAllowed, NotFound, Unavailable
from penstock.lineage.attachments import File, attached, check_path, listing
from penstock.lineage.ports import Reader
from penstock.models import logged
from penstock.models.uploads import present as version_present
from penstock.runs.logbook import present, told
from penstock.runs.types import StepRun
from penstock.web.mlflow.table import Answer

T = TypeVar("T")
SCHEME = "mlflow-artifacts:/"
CHUNK = 1 << 20
"""Bytes that are written at a time."""


class Place(msgspec.Struct, frozen=True):
    """Of what a file is (`runs`, `logged` or `versions`, and which), and its path there."""

    kind: str
    key: str
    path: str = ""


class Download(msgspec.Struct, frozen=True):
    """A file to send: where its bytes lie, and how many they are."""

    path: str
    size: int


def run_uri(run: str) -> str:
    """Where a client stores the files of a run."""
    return f"{SCHEME}runs/{run}/artifacts"


def logged_uri(model: str) -> str:
    """Where a client stores the files of a logged model."""
    return f"{SCHEME}logged/{model}/artifacts"


def version_uri(name: str, number: int) -> str:
    """Where a client finds the files of a version."""
    return f"{SCHEME}versions/{name}/{number}"


def place(path: str) -> Place:
    """What a path of a client means. Raises NotFound and InvalidValue."""
    kind, _, rest = path.partition("/")
    key, _, rest = rest.partition("/")
    if kind == "versions":
        number, _, rest = rest.partition("/")
        key = f"{key}@{number}"
    elif kind in {"runs", "logged"}:
        artifacts, _, rest = rest.partition("/")
        if artifacts != "artifacts":
            kind = ""
    if kind not in {"runs", "logged", "versions"} or not key:
        raise NotFound(
            what="There are no files under this address",
            found=repr(path[:80]),
            fix="Take the address from a run, a logged model or a version.",
        )
    return Place(kind, key, check_path(rest) if rest else "")


def files_at(app: App, reader: Reader, where: Place) -> dict[str, File]:
    """All files of what a place is in, by path. Raises NotFound."""
    if where.kind == "versions":
        name, _, number = where.key.partition("@")
        if not number.isdecimal():
            raise NotFound(what=f"There is no version {number} of {name}")
        return app.uploads.files(version_present(reader, name, int(number)))
    if where.kind == "logged":
        logged.present(reader, where.key)
        return attached(reader, logged.subject(where.key))
    run = present(reader, where.key)
    return attached(reader, f"run:{run.id}") if run.told else _of_steps(reader.find(StepRun, run=run.id))


def _of_steps(steps: list[StepRun]) -> dict[str, File]:
    """What the steps of a run made, drew and logged, each step in a folder of its own."""
    found: dict[str, File] = {}
    for step in steps:
        outputs = {name: a for name, a in step.outputs.items() if a.format != "element"}
        for name, artifact in {**outputs, **step.figures, **step.files}.items():
            found[f"{step.name}/{name}"] = File(artifact.digest, artifact.size)
    return found


def listed(app: App, query: str) -> Answer:
    """What lies in a folder."""
    asked = parse_qs(query).get("path", [""])[0].strip("/")
    where = place(asked)
    with app.store.read() as reader:
        files = files_at(app, reader, where)
    return {"files": lines(files, where.path)}


def lines(files: dict[str, File], folder: str, prefix: str = "") -> list[Answer]:
    """A listing as clients read it, each path after a `prefix`."""
    return [
        {"path": f"{prefix}{line.path}", "is_dir": line.size is None}
        | ({} if line.size is None else {"file_size": line.size})
        for line in listing(files, folder)
    ]


def download(app: App, path: str) -> Download:
    """The file at a path. Raises NotFound and Corrupt."""
    where = place(path)
    with app.store.read() as reader:
        file = files_at(app, reader, where).get(where.path)
    if file is None:
        raise NotFound(what=f"There is no file {where.path or path}")
    return Download(app.blobs.path(file.digest), file.size)


async def upload(app: App, path: str, receive: Receive) -> None:
    """Keep what comes at a path, all of it or nothing. Raises NotFound, NotAllowed and InvalidValue."""
    where = place(path)
    await to_thread(_require_open, app, where)
    async with _threaded(app.blobs.writing()) as file:
        waiting = bytearray()
        async for piece in _whole(receive):
            waiting += piece
            if len(waiting) >= CHUNK:
                await to_thread(file.write, bytes(waiting))
                waiting.clear()
        await to_thread(file.write, bytes(waiting))
    await to_thread(_keep, app, where, File(file.digest, file.size))


def delete(app: App, path: str) -> None:
    """Remove a file or a folder. Raises NotFound and NotAllowed."""
    where = place(path)
    _require_open(app, where)
    owner = app.logbook if where.kind == "runs" else app.logged
    owner.detach(where.key, where.path)


def _require_open(app: App, where: Place) -> None:
    """Raises unless files can be stored there: no byte is taken in vain."""
    if where.kind == "versions":
        raise NotAllowed(what="The files of a version never change.", fix="Register another version.")
    if not where.path:
        raise InvalidValue(expected="a path for the file", found="none")
    with app.store.read() as reader:
        if where.kind == "runs":
            told(reader, where.key)
        else:
            logged.present(reader, where.key)


def _keep(app: App, where: Place, file: File) -> None:
    owner = app.logbook if where.kind == "runs" else app.logged
    owner.attach(where.key, where.path, file)


@asynccontextmanager
async def _threaded(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """A context whose beginning and end wait for the disk, in threads of their own."""
    entered = await to_thread(context.__enter__)
    try:
        yield entered
    except BaseException as error:
        await to_thread(context.__exit__, type(error), error, error.__traceback__)
        raise
    await to_thread(context.__exit__, None, None, None)


async def _whole(receive: Receive) -> AsyncIterator[bytes]:
    """The request's body as it comes. Raises Unavailable when the client goes away before its end."""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Unavailable(what="The client went away; nothing was stored.")
        yield message["body"]
        more = message["more_body"]
