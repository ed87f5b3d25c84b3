"""The little of git that commands do in a person's own folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

from penstock.core.errors import Conflict


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and give what it printed. Raises Conflict with git's own words."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Conflict(
            what=f"git {arguments[0]} in {folder.resolve()} failed: {done.stderr.strip()}",
            fix="Put that right and run the command again.",
        )
    return done.stdout


def folder_in_repository(folder: Path) -> str:
    """Where a folder lies in the repository that holds it; empty for its top, and outside of one."""
    known = ["git", "rev-parse", "--show-prefix"]
    done = subprocess.run(known, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip().rstrip("/") if done.returncode == 0 else ""


def set_remote(folder: Path, name: str, url: str) -> None:
    """Let the remote `name` stand for `url`. Raises Conflict where there is no repository."""
    known = git(folder, "remote").split()
    git(folder, "remote", "set-url" if name in known else "add", name, url)
