"""Programs of projects run as another user of the machine, who cannot read the home."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock.adapters.isolation.plain import forget_work, new_folder
from penstock.adapters.isolation.program import Program, Start
from penstock.core.errors import InvalidValue, Unavailable

OPEN = ("envs", "wheels", "code", "builds", "blobs", "work")
"""What of the home other users may read: environments, code, values. All else is closed to them."""
CLOSED = ("git", "logs", "predictions", "serving")
"""What is made beforehand, so that it is closed from its first day."""
_PROOF = """\
import os, sys
python, *closed = sys.argv[1:]
seen = [path for path in closed if os.access(path, os.R_OK)]
sys.exit(f"it can read {' and '.join(seen)}" if seen else 0)
"""


class OtherUser:
    """An `Isolation` for a system of root: its supervisor lets a program become somebody else.

    All programs are the same other user: they are kept from the home, not from each other.
    """

    shuts = True

    def __init__(self, home: Path, name: str) -> None:
        """Raises InvalidValue for a user that there is not or that is no other, and where root is missing."""
        self._home = home
        self._name = name
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            raise InvalidValue(
                what="Programs cannot run as that user",
                expected="the name of a user of this machine",
                found=repr(name),
                fix=f"Make one: useradd --system --no-create-home {name}",
            ) from None
        if os.geteuid() != 0 or found.pw_uid == 0:
            raise InvalidValue(
                what="Only root can start programs as another user, and that other is not root",
                expected="penstock up started by root, and a user who may do nothing else",
                found=f"it started by {pwd.getpwuid(os.geteuid()).pw_name}, for {name}",
                fix="Start it as root, or take --isolation podman, which needs no root.",
            )
        self._user = (found.pw_uid, found.pw_gid)

    @contextmanager
    def enclosed(self, program: Program) -> Iterator[Start]:
        """See `Isolation.enclosed`: the folders that it writes to are its own meanwhile."""
        for folder in program.writes:
            give(folder, *self._user)
        try:
            yield Start(
                command=program.command,
                folder=program.folder,
                variables={**program.variables, "USER": self._name, "LOGNAME": self._name},
                limits=program.limits,
                user=self._user,
            )
        finally:
            for folder in program.writes:
                give(folder, os.geteuid(), os.getegid())

    @contextmanager
    def place(self) -> Iterator[Path]:
        """See `Isolation.place`."""
        with new_folder(self._home) as folder:
            folder.chmod(0o755)
            yield folder

    def prove(self) -> None:
        """See `Isolation.prove`: closes the home, and has the user try what it must and must not reach."""
        forget_work(self._home)
        close_home(self._home)
        closed = [str(self._home / name) for name in ("penstock.db", "secrets.key", "git", "logs")]
        python = os.path.realpath(sys.executable)
        command = [python, "-IS", "-c", _PROOF, python, *closed]
        with self.place() as folder:
            program = Program(command=command, folder=folder, variables={"PATH": os.defpath})
            with self.enclosed(program) as start:
                process = start.launch(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                said = process.communicate(timeout=60)[0].decode(errors="replace").strip()
        if process.returncode != 0:
            raise Unavailable(
                what=f"Programs cannot run as {self._name}",
                found=(said.splitlines() or ["no message"])[-1],
                fix=f"{self._name} must reach {python} and {self._home}, and must not be in the group "
                f"{grp.getgrgid(os.getegid()).gr_name}.",
            )


def close_home(home: Path) -> None:
    """Let others pass through the home to what is open, and read nothing else of it."""
    home.chmod(0o711)
    for name in CLOSED:
        (home / name).mkdir(exist_ok=True)
    for entry in home.iterdir():
        if entry.name in OPEN:
            entry.chmod(0o755)
        elif not entry.is_symlink():
            with suppress(FileNotFoundError):  # of a journal that was just removed
                entry.chmod(stat.S_IMODE(entry.stat().st_mode) & 0o700)


def give(folder: Path, user: int, group: int) -> None:
    """Make a folder with all that is in it somebody's, without following a link out of it."""
    os.chown(folder, user, group, follow_symlinks=False)
    for _, folders, files, place in os.fwalk(folder):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                os.chown(name, user, group, dir_fd=place, follow_symlinks=False)
