"""The code in a person's folder as it is: the commit, and what is not committed yet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

MOST = 1 << 20
"""Bytes of a new file above which only its name is kept: what is larger is data, not code."""

_TIMEOUT = 60.0


def commit_and_changes(folder: Path, home: Path) -> tuple[str, str]:
    """The commit of a folder and its uncommitted changes as a patch that `git apply` takes.

    Files that git does not know yet are in the patch, unless git ignores them; those that are large or
    not text are named above it, and what lies in `home` is no code. Both are empty where
    there is no git, no repository or no commit.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD").strip()
    if not commit:
        return "", ""
    changed = _git(folder, "diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", "--relative", "--", ".")
    unknown = _git(
        folder, "ls-files", "-z", "--others", "--exclude-standard", "--", ".", *_but(home, folder)
    ).split("\0")
    notes, patches = [], [changed]
    for name in sorted(filter(None, unknown)):
        text = _text(folder / name)
        if text is None:
            notes.append(f"# not kept, because it is large or not text: {name}\n")
        else:
            patches.append(_new_file(name, text))
    return commit, "".join([*notes, *patches])


def _but(home: Path, folder: Path) -> tuple[str, ...]:
    inside = home.resolve().is_relative_to(folder.resolve())
    return (f":(exclude,literal){home.resolve().relative_to(folder.resolve())}",) if inside else ()


def _text(path: Path) -> str | None:
    """The text of a file that can stand in a patch; None for what cannot."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST:
            return None
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _new_file(name: str, text: str) -> str:
    head = f"diff --git a/{name} b/{name}\nnew file mode 100644\n"
    if not text:
        return head
    lines = text.removesuffix("\n").split("\n")
    body = "".join(f"+{line}\n" for line in lines)
    end = "" if text.endswith("\n") else "\\ No newline at end of file\n"
    return f"{head}--- /dev/null\n+++ b/{name}\n@@ -0,0 +1,{len(lines)} @@\n{body}{end}"


def _git(folder: Path, *arguments: str) -> str:
    """What git prints, nothing where it fails: a run does not need it."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="surrogateescape") if done.returncode == 0 else ""
