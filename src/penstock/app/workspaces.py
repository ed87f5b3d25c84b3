"""Where runs of releases work: what is gone of it is made anew beside the loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from penstock.builds.types import Release
from penstock.core.errors import Busy
from penstock.runs.types import Workspace

PATIENCE = 2.0
"""Seconds within which a workspace of which nothing is gone is found, also on a machine with much to do."""


class Workspaces:
    """Gives ticks the workspaces of releases, and holds none of them up while an environment is made."""

    def __init__(
        self,
        find: Callable[[Release, str], Workspace],
        *,
        found: Callable[[], Any],
        patience: float = PATIENCE,
    ) -> None:
        """`find` makes what is gone, which may take minutes; `found` hears when what took long has ended."""
        self._find = find
        self._found = found
        self._patience = patience
        self._threads = ThreadPoolExecutor(thread_name_prefix="penstock-workspace")
        self._begun: dict[tuple[str, str], Future[Workspace]] = {}

    def of(self, release: Release, environment: str) -> Workspace:
        """The workspace of a release in an environment.

        Raises Busy while it is made, and what `find` raises, after which it is begun anew when asked for.
        """
        key = (release.id, environment)
        known = self._begun.pop(key, None)
        begun = known or self._threads.submit(self._find, release, environment)
        try:
            return begun.result(0 if known else self._patience)
        except TimeoutError:
            if begun.done():  # just now
                return begun.result()
        self._begun[key] = begun
        if not known:
            begun.add_done_callback(lambda _: self._found())
        name = f"release {release.number} of {release.project}"
        raise Busy(what=f"The environment of {name} is gone and is made anew, which takes a while.")

    def close(self) -> None:
        """Begin nothing more; what is being made ends with the programs that make it."""
        self._threads.shutdown(wait=False, cancel_futures=True)
