"""The `git` program, run so that nothing outside of the repository changes what it does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.core.errors import Unavailable

TIMEOUT = 120.0
"""Seconds after which git is given up."""


def clean_environment() -> dict[str, str]:
    """The variables for git: no user's or machine's settings, no questions, plain English."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


def git(
    repository: Path, *arguments: str, also: Mapping[str, str] | None = None, accept: Sequence[int] = (0,)
) -> tuple[int, bytes]:
    """Run git on a repository; gives its exit status and what it wrote to its standard output.

    `also` are further environment variables. Raises Unavailable when git is missing, hangs,
    or ends with a status that is not in `accept`.
    """
    command = ["git", f"--git-dir={repository}", *arguments]
    try:
        done = subprocess.run(
            command,
            env=clean_environment() | dict(also or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise Unavailable(
            what="The program git is not installed.", fix="Install git 2.38 or newer."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(what=f"git {arguments[0]} did not end within {TIMEOUT:.0f} seconds.") from error
    if done.returncode not in accept:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unavailable(
            what=f"git {arguments[0]} failed with status {done.returncode}",
            found=said[-1] if said else "no message",
        )
    return done.returncode, done.stdout
