"""Programs of projects run in containers, which hold the machine's own programs and nothing else of it."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from penstock.adapters.isolation.plain import forget_work, new_folder
from penstock.adapters.isolation.program import SUPERVISOR, Program, Start, supervision
from penstock.core.digests import digest_bytes
from penstock.core.errors import InvalidValue, Unavailable

ENGINES = {"podman": "notmpcopyup,mode=755", "docker": "mode=755"}
"""The programs for containers, with how an empty folder is laid over a full one: podman else copies that."""
IMAGE = "localhost/penstock-nothing:1"
"""An image of empty folders and one user: what a program needs is mounted."""
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"),
    *("/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/etc/alternatives"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime"),
)
_FIXED = ("--rm", "--interactive", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")
_ENGINES_OWN = (
    "HOME",
    "PATH",
    "TMPDIR",
    "USER",
    "LOGNAME",
    "XDG_",
    "CONTAINER",
    "DOCKER_",
    "STORAGE_",
    "BUILDAH_",
)
"""Variables by which an engine finds its own things: those of a program are said in its command instead."""
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "NETRC")
_LONG = 300.0


class Container:
    """An `Isolation` by podman or docker: a container for each program, removed when that ends.

    Paths are the same inside and outside. What a program may write is mounted writable, what it may read
    read-only; of the home it sees what of these lies there.
    """

    shuts = True

    def __init__(self, home: Path, words: str) -> None:
        """`words` begin with the engine; after its `run` come options of the operator's own.

        Raises InvalidValue where they make no sense.
        """
        try:
            engine, *options = shlex.split(words)
        except ValueError as error:
            raise InvalidValue(what="The container's options cannot be read", found=str(error)) from error
        if "run" in options:
            at = options.index("run")
            self._engine, self._options = [engine, *options[:at]], options[at + 1 :]
        elif options:
            raise InvalidValue(
                what="The container's options make no sense",
                expected=f'such as "{engine} run --network=host", options of {engine} itself before its run',
                found=repr(words),
            )
        else:
            self._engine, self._options = [engine], []
        self._home = home
        self._label = f"penstock.home={digest_bytes(str(home).encode())[:16]}"

    @contextmanager
    def enclosed(self, program: Program) -> Iterator[Start]:
        """See `Isolation.enclosed`."""
        name = f"penstock-{uuid4().hex[:16]}"
        said, inherited = _variables(program.variables)
        start = Start(
            command=[
                *(*self._engine, "run", "--name", name, "--label", self._label, *_FIXED),
                *("--workdir", str(program.folder), *self._mounts(program), *said),
                *(*self._options, IMAGE, *supervision(0, program.limits), *program.command),
            ],
            folder=self._home,
            variables=dict(os.environ) | inherited,
            after=[*self._engine, "rm", "--force", name],
            coded=True,
        )
        try:
            yield start
        finally:
            start.finish()

    @contextmanager
    def place(self) -> Iterator[Path]:
        """See `Isolation.place`."""
        with new_folder(self._home) as folder:
            yield folder

    def prove(self) -> None:
        """See `Isolation.prove`."""
        forget_work(self._home)
        left = self._ask("ps", "--all", "--quiet", "--filter", f"label={self._label}").split()
        if left:
            self._ask("rm", "--force", *left)
        if not self._ask("images", "--quiet", IMAGE):
            self._ask("import", "-", IMAGE, given=_nothing())
        look = [
            "sh",
            "-c",
            'test -z "$(ls -A "$1")" || { echo it sees "$1"; exit 1; }',
            "sh",
            str(self._home),
        ]
        program = Program(
            command=look, folder=Path("/"), variables={"PATH": os.defpath}, reads=[self._home.parent]
        )
        with self.enclosed(program) as start:
            process = start.launch(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = process.communicate(timeout=_LONG)[0].decode(errors="replace").strip()
        if process.returncode != 0:
            raise self._refused(said)

    def _mounts(self, program: Program) -> list[str]:
        prefix = os.path.realpath(sys.base_prefix)
        own = [*map(Path, (*_SYSTEM, prefix, SUPERVISOR)), *_bases(program)]
        reads = [*own, *_certificates(program.variables), *program.reads]
        mounts = {path: "ro" for path in reads if path.is_absolute() and path.exists()}
        mounts |= dict.fromkeys(program.writes, "rw")
        hidden = {
            path / self._home.relative_to(real)
            for path in mounts
            if self._home.is_relative_to(real := path.resolve())
        }
        return [
            *(f"--tmpfs={path}:{ENGINES[self._engine[0]]}" for path in hidden),
            *(f"--volume={path}:{path}:{how}" for path, how in mounts.items()),
        ]

    def _ask(self, *arguments: str, given: bytes = b"") -> str:
        """What the engine answers. Raises Unavailable."""
        command = [*self._engine, *arguments]
        if not shutil.which(command[0]):
            raise Unavailable(
                what=f"There is no {command[0]} here to isolate programs with",
                fix=f"Install {command[0]}, or start the system with another --isolation.",
            )
        try:
            asked = subprocess.run(command, input=given, capture_output=True, check=False, timeout=_LONG)
        except subprocess.TimeoutExpired:
            raise self._refused(f"no answer to {arguments[0]}") from None
        if asked.returncode != 0:
            raise self._refused(asked.stderr.decode(errors="replace"))
        return asked.stdout.decode(errors="replace")

    def _refused(self, said: str) -> Unavailable:
        name = self._engine[0]
        return Unavailable(
            what=f"Programs cannot run in containers of {name}",
            found=(said.strip().splitlines() or ["no message"])[-1][:600].rstrip("."),
            fix=f"Try `{' '.join(self._engine)} run`, and give the options that it needs: "
            f'--isolation "{name} run OPTIONS".',
        )


def _variables(given: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Options that name variables, and those whose values the engine is given apart: they may be secret."""
    own = {name: value for name, value in given.items() if name.startswith(_ENGINES_OWN)}
    inherited = {name: value for name, value in given.items() if name not in own}
    said = [f"--env={name}={value}" for name, value in own.items()]
    return [*said, *(f"--env={name}" for name in inherited)], inherited


def _bases(program: Program) -> list[Path]:
    """Where the Pythons lie of the environments that a program reads."""
    found = []
    for place in program.reads:
        python = place / "bin" / "python"
        if python.exists():
            found.append(Path(os.path.realpath(python)).parent.parent)
    return [place for place in found if place != Path("/")]


def _certificates(variables: Mapping[str, str]) -> list[Path]:
    """The files by which a program believes servers, and knows itself to them."""
    return [
        Path(place) for name in _CERTIFICATES for place in variables.get(name, "").split(os.pathsep) if place
    ]


def _nothing() -> bytes:
    """The image as a tar archive."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for folder in ("dev", "etc", "proc", "sys", "tmp", "usr", "var"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        for name, text in (("passwd", "root:x:0:0:root:/:/bin/sh\n"), ("group", "root:x:0:\n")):
            entry = tarfile.TarInfo(f"etc/{name}")
            entry.size, entry.mode = len(text), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return file.getvalue()
