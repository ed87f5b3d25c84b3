"""The table `[builds]` of `penstock.toml`: what a release can be had as, beyond what every build makes."""

from __future__ import annotations

import re

import msgspec

from penstock.revisions.config.tables import Table

_REFERENCE = re.compile(r"[a-z0-9][a-z0-9._:/-]*(@sha256:[0-9a-f]{64})?")


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A container image on top of `base`; `push` is the repository that it is pushed to, empty for none."""

    base: str
    push: str = ""


class OutputsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the single-file executable is made, and the container image, if one is wanted."""

    executable: bool = True
    image: ImageConfig | None = None


def read_outputs(table: Table) -> OutputsConfig:
    """Read the table. Raises InvalidProject with the line."""
    table.allow("executable", "image")
    image = _image(table) if "image" in table else None
    executable = table.get("executable", bool, True)
    if image and not executable:
        table.refuse(
            "executable",
            "the image runs the executable, which is not to be made",
            fix="Take `executable = false` or `image` out.",
        )
    return OutputsConfig(executable=executable, image=image)


def _image(builds: Table) -> ImageConfig:
    table = builds.table("image")
    table.allow("base", "push")
    push = table.get("push", str, "")
    image = ImageConfig(base=table.get("base", str), push=push)
    for key, reference in (("base", image.base), ("push", push)):
        if (reference or key == "base") and not _REFERENCE.fullmatch(reference):
            table.refuse(
                key,
                f"{key!r} is not the name of an image",
                expected="such as python:3.11-slim or registry.example.org/team/flights",
                found=repr(reference),
            )
    if ":" in push.rpartition("/")[2]:
        table.refuse(
            "push", "'push' names a tag", expected="a repository: tags are the commits", found=repr(push)
        )
    return image
