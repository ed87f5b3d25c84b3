"""Files and folders that a step wrote, and figures, which become files."""

from __future__ import annotations

import atexit
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from penstock.adapters.formats.parts import is_a
from penstock.core.errors import StepFailed
from penstock.lineage.ports import Blobs, Writing
from penstock.pipelines.log import picture
from penstock.runs.types import Artifact

if TYPE_CHECKING:  # every worker imports this room, and few handle files
    from tarfile import TarFile

_laid: ContextVar[ExitStack | None] = ContextVar("laid", default=None)


@contextmanager
def laid_out() -> Iterator[None]:
    """Files and folders that are read in this block are there until it ends; else, as long as the process."""
    with ExitStack() as stack:
        token = _laid.set(stack)
        try:
            yield
        finally:
            _laid.reset(token)


class Files:
    """A file; comes back under its own name, as the path of bytes that must not be changed."""

    name = "file"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return isinstance(value, Path) and not value.is_dir()

    def write(self, value: Path, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        if not value.is_file():
            raise StepFailed(what=f"It returned the path {value}, where there is no file or folder")
        size = value.stat().st_size
        meta = {"beside": {"name": value.name}}
        return Artifact(digest=blobs.put_file(str(value)), format=self.name, size=size, meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Path:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        link: Path = _place() / artifact.meta["beside"]["name"]
        link.symlink_to(blobs.path(artifact.digest))
        return link


class Folders:
    """A folder with all that is in it, as a tar file without times and owners; comes back as a copy."""

    name = "folder"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return isinstance(value, Path) and value.is_dir()

    def write(self, value: Path, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        found = sorted(value.rglob("*"), key=lambda path: path.relative_to(value).parts)
        for path in found:
            _check(path, value)
        with blobs.writing() as file, _packing(file) as tar:
            for path in found:
                _add(tar, path, path.relative_to(value).as_posix())
        meta = {"files": sum(path.is_file() for path in found), "beside": {"name": value.resolve().name}}
        return Artifact(digest=file.digest, format=self.name, size=file.size, meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Path:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        folder: Path = _place() / artifact.meta["beside"]["name"]
        import tarfile

        folder.mkdir()
        with tarfile.open(blobs.path(artifact.digest)) as tar:
            tar.extractall(folder, filter="data")
        return folder


class Figures(Files):
    """Matplotlib figures; what comes back is the file of the picture."""

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return is_a(value, "matplotlib", "Figure")

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        data = picture(value)
        meta = {"media": "image/png", "beside": {"name": "figure.png"}}
        return Artifact(digest=blobs.put(data), format=self.name, size=len(data), meta=meta)


def _packing(file: Writing) -> TarFile:
    import tarfile

    return tarfile.open(mode="w|", fileobj=cast(IO[bytes], file), format=tarfile.PAX_FORMAT)


def _check(path: Path, folder: Path) -> None:
    """Refuse what is neither a file nor a folder, nor a link to one in the same folder."""
    where = path.relative_to(folder)
    if path.is_symlink():
        if path.readlink().is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
            raise StepFailed(
                what=f"It returned the folder {folder}, whose link {where} leads out of it",
                found=str(path.readlink()),
                fix="Copy what it leads to into the folder.",
            )
    elif not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        raise StepFailed(
            what=f"It returned the folder {folder}, where {where} is neither a file nor a folder"
        )


def _add(tar: TarFile, path: Path, name: str) -> None:
    """Add a member whose header says only what it holds: name, kind, size, and whether it can be executed."""
    import tarfile

    member = tarfile.TarInfo(name)
    if path.is_symlink():
        member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
        tar.addfile(member)
        return
    member.mode = 0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644
    if path.is_dir():
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
        return
    with path.open("rb") as content:
        member.size = os.fstat(content.fileno()).st_size
        tar.addfile(member, content)


def _place() -> Path:
    """An empty folder for what is laid out."""
    import tempfile

    stack = _laid.get()
    if stack is None:
        return Path(tempfile.mkdtemp(dir=_of_this_process()))
    place = tempfile.TemporaryDirectory(prefix="penstock-", ignore_cleanup_errors=True)
    return Path(stack.enter_context(place))


@cache
def _of_this_process() -> str:
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="penstock-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
