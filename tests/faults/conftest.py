"""What tests of whole systems need: one to push to, and to see which processes there are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from delivered import Tiny

ProcessesOf = Callable[..., list[int]]


@pytest.fixture(scope="session")
def processes_of() -> ProcessesOf:
    """`processes_of(home, *words)`: processes whose command line names a home and all the words."""
    return living


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    """A system of its own that knows a small project."""
    tiny = Tiny(tmp_path / "tiny", tmp_path / "home")
    try:
        tiny.begin()
        yield tiny
    finally:
        tiny.system.stop()


def living(home: Path, *words: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_text(errors="replace") if entry.name.isdigit() else ""
        except (FileNotFoundError, ProcessLookupError):
            continue
        if all(word in command for word in (str(home), *words)):
            found.append(int(entry.name))
    return found
