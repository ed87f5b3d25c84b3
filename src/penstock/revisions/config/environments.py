"""The tables `[environments.NAME]` of `penstock.toml`, and what they say in place of the project's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

from msgspec.structs import replace

from penstock.revisions.config.freezes import read_freezes
from penstock.revisions.config.models import read_models
from penstock.revisions.config.previews import LONGEST, check_previews, read_branches
from penstock.revisions.config.tables import Table
from penstock.revisions.config.triggers import read_triggers_of
from penstock.revisions.config.types import EnvironmentConfig

RESERVED = {
    "development": "where runs outside of any environment belong",
    "builds": "where secrets of builds belong",
    "notify": "where secrets of channels and signals belong",
}
"""Names that stand in place of an environment's, and for what."""
PROTECTED = "main"
PREVIEWS = 5
"""Previews at a time where nothing is said of it."""
_RULES = {
    "push": ("on", "branch"),
    "merge": ("on", "branch", "approvals"),
    "promote": ("on", "after", "successful_runs"),
    "branch": ("on", "branches", "limit"),
}


def read_environments(top: Table) -> tuple[EnvironmentConfig, ...]:
    """The environments in the order of promotion, without what is over the project's own.

    Raises InvalidProject.
    """
    tables = top.named("environments")
    if not tables:
        top.refuse(
            "environments",
            "there is no environment",
            expected="at least one table such as [environments.test]",
            fix='Write: [environments.test] and deploy = { on = "push", branch = "dev" }.',
        )
    environments: list[EnvironmentConfig] = []
    for name, table in tables.items():
        environments.append(_environment(name, table, [e.name for e in environments if e.on != "branch"]))
    check_previews(
        {e.name: tables[e.name] for e in environments}, [e.name for e in environments if e.on == "branch"]
    )
    promoted = any(e.on == "promote" for e in environments)
    return tuple(
        replace(e, serve=_serve(tables[e.name], e, default=e.on == "promote" or not promoted))
        for e in environments
    )


def with_own(environment: EnvironmentConfig, top: Table) -> EnvironmentConfig:
    """An environment with what it says in place of the project's own. Raises InvalidProject."""
    table = top.named("environments")[environment.name]
    return replace(
        environment,
        triggers=read_triggers_of(table, environment.name, top),
        models=read_models(table, top),
    )


def _serve(table: Table, environment: EnvironmentConfig, *, default: bool) -> bool:
    preview = environment.on == "branch"
    serve = table.get("serve", bool, default and not preview)
    if serve and preview:
        table.refuse(
            "serve",
            "previews rehearse and serve no models",
            expected="false",
            found="true",
            fix="Serve in an environment that a push, a merge or a promotion brings releases to.",
        )
    return serve


def _environment(name: str, table: Table, earlier: Sequence[str]) -> EnvironmentConfig:
    table.plain(None, name, "environment")
    if name in RESERVED:
        table.refuse(None, f"{name!r} is {RESERVED[name]}", fix="Choose another name.")
    table.allow("deploy", "serve", "data", "run", "freeze", "params", "triggers", "models")
    if "deploy" not in table:
        table.refuse(
            None,
            f"{table.name} does not say what is deployed there",
            expected='such as deploy = { on = "push", branch = "dev" }',
        )
    deploy = table.table("deploy")
    on = cast("Literal['push', 'merge', 'promote', 'branch']", deploy.choice("on", _RULES))
    deploy.allow(*_RULES[on])
    environment = EnvironmentConfig(
        name=name,
        on=on,
        data=table.get("data", str, ""),
        run=table.get("run", bool, True),
        freeze=read_freezes(table),
        params={pipeline: _params(inside) for pipeline, inside in table.named("params").items()},
    )
    if on == "push":
        return replace(environment, branch=_branch(deploy))
    if on == "merge":
        return replace(
            environment,
            branch=deploy.choice("branch", [PROTECTED], PROTECTED),
            approvals=deploy.number("approvals", 1, least=0),
        )
    if on == "branch":
        if len(name) > LONGEST:
            table.refuse(
                None,
                "names of previews would be too long",
                expected=f"at most {LONGEST} characters",
                found=repr(name),
            )
        return replace(
            environment,
            branches=read_branches(deploy),
            limit=deploy.number("limit", PREVIEWS, least=1),
        )
    return replace(
        environment,
        after=deploy.choice("after", earlier),
        successful_runs=deploy.number("successful_runs", 1, least=1),
    )


def _params(table: Table) -> dict[str, Any]:
    for name, value in table.values.items():
        if type(value) not in {str, int, float, bool}:
            table.refuse(
                name,
                f"{name!r} has an impossible value",
                expected="a text, a number, true or false",
                found=repr(value),
            )
    return dict(table.values)


def _branch(deploy: Table) -> str:
    branch = deploy.get("branch", str, such_as='"dev"')
    if not branch.strip():
        deploy.refuse("branch", "'branch' is empty", expected="the name of a branch, such as dev")
    return branch
