"""A recommended policy as a change of `penstock.toml`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from typing import Any

from penstock.app.simulation.policies import inline
from penstock.app.simulation.types import Policy, Wanted
from penstock.core.errors import InvalidValue, PenstockError
from penstock.revisions.config import parse_config
from penstock.revisions.config.lines import key_lines

FILE = "penstock.toml"
LISTS = ("any", "all")
"""Keys of a trigger whose items stand on a line each."""


def patch(wanted: Wanted, policy: Policy) -> str:
    """What `git apply` or `patch -p1` makes of the project's `penstock.toml`; empty where it says so already.

    Raises InvalidValue where the file is written so that it cannot be changed by whole tables.
    """
    before, after = (text.splitlines(keepends=True) for text in (wanted.config, changed(wanted, policy)))
    return "".join(difflib.unified_diff(before, after, f"a/{FILE}", f"b/{FILE}"))


def changed(wanted: Wanted, policy: Policy) -> str:
    """The project's `penstock.toml` with this policy in the environment, and nowhere else."""
    pipeline, place = wanted.graph.pipeline, wanted.environment
    values, blocks = tomllib.loads(wanted.config), list(_blocks(wanted.config))
    kept: list[str] = []
    for path, text in blocks:
        if path[:1] == ("triggers",) and len(path) == 2:
            trigger = values["triggers"][path[1]]
            if trigger["pipeline"] == pipeline and place in trigger["environments"]:
                others = [name for name in trigger["environments"] if name != place]
                kept += [_written({**trigger, "environments": others})] if others else []
                continue
        if path == ("environments", place, "triggers", pipeline):
            continue
        kept.append(text)
    if policy.trigger:
        declared = {"pipeline": pipeline, "environments": [place], **policy.trigger}
        at = next((n for n, (path, _) in enumerate(blocks) if path[:1] == ("triggers",)), len(kept))
        kept.insert(min(at, len(kept)), _written(declared))
    text = "".join(kept)
    try:
        found = parse_config(text).inside(place).triggers
    except PenstockError as error:
        raise _unchangeable(str(error)) from error
    if any(trigger.pipeline == pipeline for trigger in found) != bool(policy.trigger):
        raise _unchangeable("triggers elsewhere than in tables [[triggers]]")
    return text


def _blocks(text: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The tables of a text with their lines, first what stands before; comments belong to what follows."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    places = {
        line: path for path, line in key_lines(text).items() if path and lines[line - 1].lstrip()[:1] == "["
    }
    starts = {0: ()} | {_with_comments(lines, line - 1): path for line, path in sorted(places.items())}
    ends = [*list(starts)[1:], len(lines)]
    for (start, path), end in zip(starts.items(), ends, strict=True):
        yield path, "".join(lines[start:end])


def _with_comments(lines: list[str], at: int) -> int:
    while at and lines[at - 1].lstrip().startswith("#"):
        at -= 1
    return at


def _written(trigger: dict[str, Any]) -> str:
    lines = [
        f"{key} = {_listed(value) if key in LISTS else inline(value)}\n" for key, value in trigger.items()
    ]
    return "".join(("[[triggers]]\n", *lines, "\n"))


def _listed(conditions: list[Any]) -> str:
    return "[\n" + "".join(f"  {inline(condition)},\n" for condition in conditions) + "]"


def _unchangeable(found: str) -> InvalidValue:
    return InvalidValue(
        what=f"{FILE} is written so that the policy cannot be put into it",
        found=found,
        fix="Write its triggers as tables [[triggers]], or take the policy from --json.",
    )
