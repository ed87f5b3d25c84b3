"""Previews: an environment for each branch that a pattern matches, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from penstock.revisions.config.tables import Table

LONGEST = 40
"""Characters of a table's name that leave room for the branch in the name of an environment."""
_WHOLE = 63
_DIGITS = 8
_PLAIN = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")


def preview_name(environment: str, branches: str, branch: str) -> str:
    """The environment of a branch, empty for one that the pattern `branches` does not match.

    `preview` with `feature/*` calls that of `feature/new-model` `preview-new-model`. What cannot stand
    in an address is written plainly, with a part of the branch's digest after `--`, which no other has.
    """
    start, star, end = branches.partition("*")
    middle = branch[len(start) : len(branch) - len(end)] if star else ""
    if not middle or branch != f"{start}{middle}{end}":
        return ""
    name = f"{environment}-{middle}"
    if _PLAIN.fullmatch(middle) and len(name) <= _WHOLE:
        return name
    digest = sha256(branch.encode(errors="surrogateescape")).hexdigest()[:_DIGITS]
    plain = re.sub(r"[^a-z0-9_]+", "-", middle.lower()).strip("-")
    room = _WHOLE - len(environment) - _DIGITS - len("---")
    return f"{environment}-{plain[:room].strip('-') or 'branch'}--{digest}"


def read_branches(deploy: Table) -> str:
    """The pattern of a `deploy` that is on = "branch". Raises InvalidProject."""
    pattern = deploy.get("branches", str, such_as='"feature/*"')
    if pattern.count("*") != 1 or pattern != pattern.strip():
        deploy.refuse(
            "branches",
            "'branches' has an impossible value",
            expected="a pattern with one star, such as feature/*",
            found=repr(pattern),
        )
    return pattern


def check_previews(tables: Mapping[str, Table], previews: Iterable[str]) -> None:
    """Refuse an environment whose name could be that of a preview. Raises InvalidProject."""
    for preview in previews:
        for name, table in tables.items():
            if name.startswith(f"{preview}-"):
                table.refuse(
                    None,
                    f"{name!r} could be the name of a preview: those of {preview!r} begin with {preview}-",
                    fix="Choose another name.",
                )
