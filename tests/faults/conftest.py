"""What tests that kill whole systems need to see: which processes there are."""

from collections.abc import Callable
from pathlib import Path

import pytest

ProcessesOf = Callable[..., list[int]]


@pytest.fixture(scope="session")
def processes_of() -> ProcessesOf:
    """`processes_of(home, *words)`: processes whose command line names a home and all the words."""
    return living


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
