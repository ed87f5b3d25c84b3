"""What an isolated worker is given: a folder of its own, its code and values to read, plain variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from penstock.adapters.blobs.borrowed import take_in
from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.isolation.limits import limits
from penstock.adapters.isolation.program import Isolation, Program, Start
from penstock.adapters.isolation.variables import plain_variables
from penstock.runs.types import Workspace

OWN_BLOBS = "blobs"
"""Where the values of an isolated worker lie in its own folder."""
_LIFE = 30 * 86_400.0
"""Seconds for which a worker may use all processors at most."""


class Enclosed:
    """The surroundings of one worker, kept until `held` is closed."""

    def __init__(self, isolation: Isolation, held: ExitStack) -> None:
        self._isolation = isolation
        self._held = held
        self._own = held.enter_context(isolation.place())

    def start(
        self, command: Sequence[str], workspace: Workspace, blobs: Path, variables: Mapping[str, str]
    ) -> Start:
        """How the worker is started by a command, which is told its own folder as well."""
        blobs.mkdir(parents=True, exist_ok=True)
        environment = Path(workspace.python).parent.parent
        code, data = Path(workspace.folder), Path(workspace.data_root)
        program = Program(
            command=[*command, str(self._own)],
            folder=code,
            variables=plain_variables(self._own) | dict(variables),
            writes=[self._own],
            reads=[environment, code, data, blobs],
            limits=limits(_LIFE),
        )
        return self._held.enter_context(self._isolation.enclosed(program))

    def take_in(self, blobs: Path) -> None:
        """Move what the worker has made into the store."""
        take_in(self._own / OWN_BLOBS, FolderBlobs(blobs))
