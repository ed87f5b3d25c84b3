"""Finding versions: by tag, metric, stage and text, in the order of a metric."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec

from penstock.checks import Check
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue
from penstock.lineage.ports import Reader
from penstock.lineage.tags import tags_of
from penstock.models.decide import Stage, stage
from penstock.models.types import Model, Placement, Version

NEWEST = "added"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Which versions are wanted; what is empty asks for nothing.

    `text` stands somewhere in the name, the tags, the metadata or what is said of the use; `tags` are by key,
    with an empty value for any; `bounds` hold for the metrics. `order` is `added`, the newest first, or a
    metric, the best first, or with `least` the smallest.
    """

    model: str = ""
    project: str = ""
    text: str = ""
    tags: Mapping[str, str] = {}
    bounds: tuple[Check, ...] = ()
    stage: str = ""
    order: str = NEWEST
    least: bool | None = None
    limit: int = 0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A version that was found: its stage, its roles by environment and its tags."""

    version: Version
    stage: Stage
    roles: dict[str, str]
    tags: dict[str, str]


def search(reader: Reader, question: Question, last_environment: Callable[[str], str]) -> list[Found]:
    """The versions that are wanted, without those that were withdrawn. Raises InvalidValue."""
    where = {name: value for name in ("model", "project") if (value := getattr(question, name))}
    models = {model.id for model in reader.find(Model, withdrawn=None)}
    versions = [v for v in reader.find(Version, withdrawn=None, **where) if v.model in models]
    placed = defaultdict[str, list[Placement]](list)
    for placement in reader.find(Placement, **where):
        placed[f"{placement.model}@{placement.number}"].append(placement)
    subjects = [f"version:{v.id}" for v in versions]
    tags = tags_of(reader, [*subjects, *{f"model:{v.model}" for v in versions}])
    last = {project: last_environment(project) for project in {v.project for v in versions}}
    found = [
        Found(
            version=v,
            stage=stage(placed[v.id], last[v.project]),
            roles={p.environment: p.role for p in placed[v.id]},
            tags=tags[f"model:{v.model}"] | tags[f"version:{v.id}"],
        )
        for v in versions
    ]
    ordered = _ordered([each for each in found if _wanted(each, question)], question)
    return ordered[: question.limit or None]


def _wanted(found: Found, question: Question) -> bool:
    if question.stage and found.stage != question.stage:
        return False
    if any(
        key not in found.tags or value not in {"", found.tags[key]} for key, value in question.tags.items()
    ):
        return False
    if not all(check.evaluate(found.version.metrics).passed for check in question.bounds):
        return False
    return question.text.casefold() in _said(found).casefold()


def _said(found: Found) -> str:
    version = found.version
    said = [version.id, version.metadata, version.governance.get("intended_use", ""), found.tags]
    return msgspec.json.encode(said).decode()


def _ordered(found: list[Found], question: Question) -> list[Found]:
    if question.order == NEWEST:
        return sorted(found, key=lambda each: (each.version.added, each.version.number), reverse=True)
    name = question.order
    measured = [each for each in found if name in each.version.metrics]
    if found and not measured:
        known = sorted({metric for each in found for metric in each.version.metrics})
        raise InvalidValue(
            what=f"No version was measured by {name!r}", expected=", ".join(known) or NEWEST, found=name
        )
    least = question.least
    if least is None:
        least = name in METRICS and not METRICS[name].greater_is_better
    return sorted(measured, key=lambda each: each.version.metrics[name], reverse=not least)


def tag_question(texts: tuple[str, ...]) -> dict[str, str]:
    """Tags as they are asked for: `team=shop`, or `team` for any value. Raises InvalidValue."""
    asked = dict(text.partition("=")[::2] for text in texts)
    if "" in asked:
        raise InvalidValue(expected="a tag written as key=value or key", found=repr(texts))
    return asked
