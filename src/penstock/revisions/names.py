"""Names that stand in URLs, folders and commands, and so must be plain."""

from __future__ import annotations

import re

from penstock.core.errors import InvalidValue

PLAIN = re.compile(r"[a-z][a-z0-9_-]{0,62}")
ALLOWED = "a lower-case letter followed by up to 62 lower-case letters, digits, `-` or `_`"


def check_name(name: str, noun: str) -> str:
    """The name itself, when a `noun` ("project", "environment") may be called so.

    Raises InvalidValue.
    """
    if not PLAIN.fullmatch(name):
        raise InvalidValue(
            what=f"This cannot be the name of {'an' if noun[0] in 'aeiou' else 'a'} {noun}",
            expected=ALLOWED,
            found=repr(name),
            fix="Names stand in addresses and folders.",
        )
    return name


def check_folder(folder: str) -> str:
    """The folder itself, when it is one inside of a repository, written without a dot; empty is the whole.

    Raises InvalidValue.
    """
    parts = folder.split("/")
    if folder and (set(parts) & {"", ".", "..", ".git"} or not folder.isprintable()):
        raise InvalidValue(
            what="This cannot be the folder of a project",
            expected="a path inside the repository such as models/flights",
            found=repr(folder),
        )
    return folder
