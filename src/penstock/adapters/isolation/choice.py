"""How programs are isolated, as an operator says it: `none`, `user:NAME`, `podman …` or `docker …`."""

from __future__ import annotations

from pathlib import Path

from penstock.adapters.isolation.container import ENGINES, Container
from penstock.adapters.isolation.plain import PlainProcess
from penstock.adapters.isolation.program import Isolation
from penstock.adapters.isolation.user import OtherUser
from penstock.core.errors import InvalidValue


def open_isolation(how: str, home: Path) -> Isolation:
    """The isolation that is meant, of the programs of a home. Raises InvalidValue for what names none."""
    kind, _, name = how.partition(":")
    if how == "none":
        return PlainProcess(home)
    if kind == "user" and name:
        return OtherUser(home, name)
    if how.partition(" ")[0] in ENGINES:
        return Container(home, how)
    raise InvalidValue(
        what="Programs cannot be isolated like that",
        expected='none, user:NAME, podman, docker, or one of these with its options, "podman run OPTIONS"',
        found=repr(how),
    )
