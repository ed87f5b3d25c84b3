"""Versions that are served apart: their environments are made anew where they are gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from penstock.builds.types import Release
from penstock.core.errors import PenstockError, Unavailable
from penstock.lineage.ports import Reader, Store
from penstock.models.types import APART, PICKLE, Placement, Version

ROLES = ("champion", "previous", "challenger", "candidate")
LOOK = 2.0
"""Seconds between looks at what is there."""
AGAIN = 60.0
"""Seconds until what failed is tried again."""
log = logging.getLogger("penstock.apart")


def served_apart(reader: Reader) -> list[Version]:
    """The versions that may have to answer in the environment that made them."""
    keys = tuple(f"{p.model}@{p.number}" for p in reader.find(Placement, role=ROLES))
    return reader.find(Version, id=keys, format=APART) if keys else []


class Apart:
    """Sees to it that the environments of versions are there, beside everything else."""

    def __init__(
        self,
        store: Store,
        home: Path,
        restore: Callable[[Release, str], None],
        *,
        submit: Callable[[Callable[[], None]], Future[Any]],
        made: Callable[[], None] = lambda: None,
    ) -> None:
        """`restore` makes an environment of a release, called so, and takes minutes; `submit` has work done
        beside, and `made` hears when some of it is.
        """
        self._store = store
        self._home = home
        self._restore = restore
        self._submit = submit
        self._made = made
        self._making: dict[str, Future[Any]] = {}
        self._failed: dict[str, tuple[float, Unavailable]] = {}
        self._next = 0.0

    @property
    def making(self) -> bool:
        """Whether an environment is being made."""
        return bool(self._making)

    def tick(self, now: datetime) -> bool:  # noqa: ARG002 - what is there depends on no time
        """Begin to make what is gone. Raises Unavailable as long as that has failed; it is tried again."""
        ended = [name for name, work in self._making.items() if work.done()]
        for name in ended:
            del self._making[name]
        if ended:
            self._made()
        if ended or time.monotonic() >= self._next:
            self._next = time.monotonic() + LOOK
            with self._store.read() as reader:
                gone = {version.runtime: version for version in served_apart(reader) if self._gone(version)}
            self._failed = {name: failed for name, failed in self._failed.items() if name in gone}
            for name, version in gone.items():
                if name not in self._making and self._due(name):
                    log.warning(
                        "the environment of %s is gone and is made anew, which takes a while", version.id
                    )
                    self._making[name] = self._submit(partial(self.ensure, version))
        for _, error in self._failed.values():
            raise error
        return bool(ended)

    def ensure(self, version: Version) -> None:
        """Make the environment of a version unless it is there, or there is nothing to make it of.

        Takes as long as it takes. Raises Unavailable where that fails, or has failed within the last minute.
        """
        if not self._gone(version):
            return
        if not self._due(version.runtime):
            raise self._failed[version.runtime][1]
        with self._store.read() as reader:
            release = reader.get(Release, version.governance["release"])
        try:
            self._restore(release, version.runtime)
        except (PenstockError, OSError) as error:
            failed = Unavailable(
                what=f"The environment of {version.id} is gone and cannot be made anew",
                found=str(error),
                fix="It is tried again every minute.",
            )
            self._failed[version.runtime] = (time.monotonic() + AGAIN, failed)
            raise failed from error

    def _due(self, name: str) -> bool:
        return name not in self._failed or time.monotonic() >= self._failed[name][0]

    def _gone(self, version: Version) -> bool:
        if version.format not in APART or not version.governance.get("release"):
            return False
        needed = [self._home / "envs" / version.runtime / "bin" / "python"]
        if version.format == PICKLE:
            needed.append(self._home / "code" / version.metadata["code"])
        return not all(place.exists() for place in needed)
