"""Policies by name and from files, and the `penstock.toml` in which each of them is an environment."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.app.simulation.types import Policy, Wanted
from penstock.checks import is_load, is_sign_off
from penstock.core.errors import Conflict, InvalidValue, NotFound
from penstock.core.words import meant
from penstock.revisions.config import RESERVED
from penstock.revisions.config.fragments import read_fragment
from penstock.revisions.names import check_name

SCHEDULES = {
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "quarterly": "0 0 1 1,4,7,10 *",
}
"""Policies that have a name of their own: the hours at which they train, in UTC."""
NEVER, OWN = "never", "own"
USUAL = (NEVER, "weekly", "monthly", "quarterly", OWN)
"""What is tried where no policy is named; `own` is what the project does already."""


def policies(
    named: Sequence[str], config: str, environment: str, pipeline: str, pipelines: Sequence[str]
) -> tuple[Policy, ...]:
    """The policies that are meant by their names or files, in that order; the usual ones where none is.

    Raises NotFound, Conflict for two of one name, InvalidProject for a file that is none, and InvalidValue
    for one that waits for what there is not in a simulation.
    """
    own = own_trigger(config, environment, pipeline)
    usual = tuple(name for name in USUAL if name != OWN or own)
    found = tuple(_policy(name, own, pipeline, pipelines) for name in named or usual)
    names = [policy.name for policy in found]
    for name in names:
        if names.count(name) > 1:
            raise Conflict(what=f"Two policies are called {name!r}.", fix="Call their files differently.")
    for policy in found:
        trained = _trained(policy.trigger)
        if any("skew" in condition for key in ("any", "all") for condition in trained.get(key, ())):
            raise InvalidValue(
                what=f"The policy {policy.name!r} starts runs on skew, and nothing is read online in a "
                "simulation",
                fix="Leave it out by naming others with --policy, or write a file without this condition.",
            )
    return found


def own_trigger(config: str, environment: str, pipeline: str) -> dict[str, Any] | None:
    """The trigger that a pipeline has in an environment, as it is written; None where it has none."""
    values = tomllib.loads(config)
    shared: dict[str, Any] | None = None
    for trigger in values.get("triggers", ()):
        if trigger["pipeline"] == pipeline and environment in trigger["environments"]:
            shared = {key: each for key, each in trigger.items() if key not in {"pipeline", "environments"}}
    table = values.get("environments", {}).get(environment, {})
    own = table.get("triggers", {}).get(pipeline)
    return {**(shared or {}), **own} if own else shared


def world_config(wanted: Wanted) -> str:
    """A `penstock.toml` with an environment for each policy, and the model as the project declares it.

    What a gate asks of this machine is left out, load and infrastructure; so are rollouts: a version
    that passes its gate answers at once.
    """
    values = tomllib.loads(wanted.config)
    place = values.get("environments", {}).get(wanted.environment, {})
    everywhere, there = (each.get("models", {}).get(wanted.model, {}) for each in (values, place))
    model = {
        key: value for key, value in {**everywhere, **there}.items() if key in {"gate", "monitor", "slices"}
    }
    gate = [
        text
        for text in model.get("gate", ())
        if text != "infrastructure" and not is_load(text) and not is_sign_off(text)
    ]
    if model:
        model["gate"] = gate or ["contract"]
    kept = {"params": place["params"]} if "params" in place else {}
    environments = {
        policy.name: {
            "deploy": {"on": "push", "branch": policy.name},
            "serve": True,
            **kept,
            **({"triggers": {wanted.graph.pipeline: trained}} if trained else {}),
        }
        for policy, trained in ((each, _trained(each.trigger)) for each in wanted.policies)
    }
    world = {"project": {"name": wanted.project}, "environments": environments}
    return as_toml(world | ({"models": {wanted.model: model}} if model else {}))


def _trained(trigger: dict[str, Any] | None) -> dict[str, Any]:
    """What of a trigger starts runs: nobody is told of anything in a simulation."""
    kept = {key: each for key, each in (trigger or {}).items() if key not in {"then", "notify", "sweep"}}
    usual = (trigger or {}).get("then", "run")
    runs = [each for each in kept.get("any", ()) if "run" in each.get("then", usual)]
    kept["any"] = [{key: each for key, each in item.items() if key != "then"} for item in runs]
    if "run" not in usual:
        kept.pop("all", None)
    return kept if kept["any"] or kept.get("all") else {}


def as_toml(table: Mapping[str, Any]) -> str:
    """A table as lines of TOML, everything inside on one line."""
    return "".join(f"{_key(key)} = {inline(value)}\n" for key, value in table.items())


def inline(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else json.dumps(key)


def _policy(name: str, own: dict[str, Any] | None, pipeline: str, pipelines: Sequence[str]) -> Policy:
    if name == NEVER:
        return Policy(name=name, trigger=None)
    if name in SCHEDULES:
        return Policy(name=name, trigger={"any": [{"schedule": SCHEDULES[name]}]})
    if name == OWN:
        if own is None:
            raise NotFound(
                what=f"penstock.toml has no trigger for {pipeline} there.",
                fix="Name another policy, or a file.",
            )
        return Policy(name=name, trigger=own)
    path = Path(name)
    known = (NEVER, *SCHEDULES, OWN)
    if not path.is_file():
        raise NotFound(
            what=f"There is no policy {name!r}",
            expected=f"one of {', '.join(known)}, or a file with [[triggers]]",
            fix=meant(name, known),
        )
    stem = check_name(path.stem.lower().replace(" ", "-").replace(".", "-"), "policy")
    if stem in RESERVED or stem in known:
        raise InvalidValue(what=f"A file of a policy cannot be called {path.name}", fix="Call it otherwise.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(what=f"{path} cannot be read as text", found=str(error)) from error
    triggers = read_fragment(text, str(path), pipelines)
    if pipeline not in triggers:
        raise NotFound(what=f"{path} has no trigger for {pipeline}", found=", ".join(triggers))
    return Policy(name=stem, trigger=triggers[pipeline])
