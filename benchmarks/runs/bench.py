"""What a benchmark of this area is given beside what each is: programs to run, and how long a history is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.frame import bench

PROGRAMS = Path(__file__).parent / "programs"


class Bench(bench.Bench, frozen=True, kw_only=True):
    """A run of the benchmarks of runs."""

    @property
    def runs(self) -> int:
        """How many runs a long history has."""
        return 1_000 if self.quick else 10_000

    def state(self, name: str) -> Path:
        """A folder of state by its name, kept for the whole run, with the programs as a git repository."""
        state = self.folder / name.replace(", ", "-").replace(" ", "-")
        if not state.exists():
            shutil.copytree(PROGRAMS, state / "programs", ignore=shutil.ignore_patterns("__pycache__"))
            git = ("git", "-C", str(state / "programs"))
            subprocess.run([*git, "init", "--quiet"], check=True)
            subprocess.run([*git, "add", "."], check=True)
            author = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@penstock.invalid")
            subprocess.run([*git, *author, "commit", "--quiet", "--message", "Programs"], check=True)
        return state
