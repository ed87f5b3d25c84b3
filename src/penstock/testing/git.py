"""A person's clone of a repository, driven by the real git program."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ADA = "Ada <ada@example.org>"
ISOLATED = {
    "HOME": os.devnull,
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
}


def isolated() -> dict[str, str]:
    """The variables for git: nothing of this machine's settings."""
    return {"PATH": os.environ["PATH"]} | ISOLATED


class Clone:
    """A clone in an empty folder, with `remote` (a path or an URL) as its origin."""

    def __init__(self, folder: Path, remote: str) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=dev")
        self.git("remote", "add", "origin", remote)

    def git(self, *arguments: str, author: str = ADA, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run git in the clone as the author; raises CalledProcessError when it fails and `check` is set."""
        name, _, address = author.rstrip(">").partition(" <")
        who = {
            "AUTHOR_NAME": name,
            "AUTHOR_EMAIL": address,
            "COMMITTER_NAME": name,
            "COMMITTER_EMAIL": address,
        }
        return subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=isolated() | {f"GIT_{key}": value for key, value in who.items()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=check,
        )

    def commit(
        self, branch: str, files: Mapping[str, bytes], *, author: str = ADA, message: str = "Work"
    ) -> str:
        """Commit exactly these files on top of the remote's branch, or of its `main`; gives the commit."""
        self.git("fetch", "--quiet", "origin")
        known = self.git("for-each-ref", "--format=%(refname:strip=3)", "refs/remotes/origin").stdout.split()
        start = next((name for name in (branch, "main") if name in known), None)
        if start:
            self.git("checkout", "--quiet", "--force", "-B", branch, f"origin/{start}", "--no-track")
        else:
            self.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}", author=author)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(
        self, branch: str, files: Mapping[str, bytes], *, author: str = ADA, message: str = "Work"
    ) -> str:
        """Commit as `commit` does and push the branch; gives the commit."""
        commit = self.commit(branch, files, author=author, message=message)
        self.git("push", "--quiet", "origin", branch)
        return commit

    def write(self, files: Mapping[str, bytes]) -> None:
        """Make the folder hold exactly these files."""
        for inside in self.folder.iterdir():
            if inside.name == ".git":
                continue
            if inside.is_dir():
                shutil.rmtree(inside)
            else:
                inside.unlink()
        for path, data in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
