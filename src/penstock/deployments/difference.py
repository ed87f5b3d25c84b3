"""What a promotion would change: the release that comes held against the one that is there."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec.structs import replace

from penstock.builds.types import Release
from penstock.core.digests import digest_value
from penstock.pipelines.types import Node, Parameter
from penstock.revisions.config import ProjectConfig, TriggerConfig


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """A release opened: what it says of an environment, the text of its lock, and the bytes of its wheel."""

    release: Release
    config: ProjectConfig
    environment: str
    lock: str
    size: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that would be otherwise; `before` or `after` is empty for what is added or goes."""

    part: str
    name: str
    before: str
    after: str


def difference(before: Contents | None, after: Contents) -> list[Change]:
    """Every change, by part: steps, parameters, dependencies, gates, rollouts, triggers, rule, size."""
    aspects: dict[str, Callable[[Contents], dict[str, str]]] = {
        "step": _steps,
        "parameter": _parameters,
        "dependency": _dependencies,
        "gate": _gates,
        "rollout": _rollouts,
        "trigger": _triggers,
        "environment": _environment,
        "wheel": lambda contents: {"bytes": str(contents.size)},
    }
    found: list[Change] = []
    for part, told in aspects.items():
        found += _compared(part, told(before) if before else {}, told(after))
    return found


def _compared(part: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[Change]:
    for name in dict.fromkeys((*before, *after)):
        then, now = before.get(name, ""), after.get(name, "")
        if then != now:
            yield Change(part=part, name=name, before=then, after=now)


def _steps(contents: Contents) -> dict[str, str]:
    """Each step by what it runs and how; code only by the first digits of its digest."""
    return {
        f"{graph.pipeline}.{node.name}": ", ".join(
            filter(None, (node.target or node.kind, _code(node.code), _told(node.options), _wires(node)))
        )
        for graph in contents.release.graphs
        for node in graph.nodes
    }


def _code(digest: str) -> str:
    return f"code {digest[:12]}" if digest else ""


def _wires(node: Node) -> str:
    """What a node takes, and the digest of everything else that belongs to it."""
    takes = ", ".join(node.inputs)
    rest = [node.inputs, node.outputs, node.settings, node.over, node.when]
    return f"takes {takes or 'nothing'} ({digest_value(msgspec.to_builtins(rest))[:6]})"


def _parameters(contents: Contents) -> dict[str, str]:
    """The parameters of pipelines: by default, and what the environment gives in place of that."""
    given = contents.config.environment(contents.environment).params
    return {
        f"{graph.pipeline}.{each.name}": _parameter(each, given.get(graph.pipeline, {}))
        for graph in contents.release.graphs
        for each in graph.parameters
    }


def _parameter(parameter: Parameter, given: Mapping[str, object]) -> str:
    usual = (
        f"{parameter.type}, required" if parameter.required else f"{parameter.type} = {parameter.default!r}"
    )
    return f"{usual}, here {given[parameter.name]!r}" if parameter.name in given else usual


def _dependencies(contents: Contents) -> dict[str, str]:
    packages = tomllib.loads(contents.lock).get("package", []) if contents.lock else []
    found: dict[str, list[str]] = {}
    for package in packages:
        found.setdefault(package["name"], []).append(package.get("version", "unversioned"))
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _gates(contents: Contents) -> dict[str, str]:
    return {
        name: "; ".join([*model.gate, f"watched by {model.monitor}"])
        for name, model in contents.config.models.items()
    }


def _rollouts(contents: Contents) -> dict[str, str]:
    return {name: _told(model.rollout) for name, model in contents.config.models.items() if model.rollout}


def _triggers(contents: Contents) -> dict[str, str]:
    return {
        trigger.pipeline: "; ".join(
            [*(_told(condition) for condition in trigger.conditions), *_bounds(trigger)]
        )
        for trigger in contents.config.triggers
    }


def _bounds(trigger: TriggerConfig) -> list[str]:
    """What all conditions must hold for, and what holds the trigger back."""
    both = " and ".join(_told(condition) for condition in trigger.together)
    bounds = {"at most": trigger.at_most, "quiet": trigger.quiet and _told(trigger.quiet)}
    return [*([both] if both else []), f"cooldown {trigger.cooldown}"] + [
        f"{name} {value}" for name, value in bounds.items() if value
    ]


def _environment(contents: Contents) -> dict[str, str]:
    """The rule of the environment itself; what it gives in place of others is told with these."""
    rule = contents.config.environment(contents.environment)
    return {rule.name: _told(replace(rule, params={}, triggers=(), models={}))}


def _told(value: msgspec.Struct) -> str:
    """What a value says beyond its defaults."""
    fields = value.__struct_fields__
    defaults = dict(zip(reversed(fields), reversed(value.__struct_defaults__), strict=False))
    said = {name: getattr(value, name) for name in fields if getattr(value, name) != defaults.get(name)}
    told = {name: msgspec.to_builtins(each) for name, each in said.items()}
    return ", ".join(f"{name} {each}" for name, each in told.items() if each not in ("", [], {}))
