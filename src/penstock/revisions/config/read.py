"""From the text of `penstock.toml` to a `ProjectConfig`, or to one clear refusal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast

from cronsim import CronSim, CronSimError
from msgspec.structs import replace

from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue
from penstock.revisions.config.automatic import read_tests
from penstock.revisions.config.freezes import read_freezes
from penstock.revisions.config.models import read_model
from penstock.revisions.config.outputs import read_outputs
from penstock.revisions.config.previews import LONGEST, check_previews, read_branches
from penstock.revisions.config.tables import Document, Table
from penstock.revisions.config.types import (
    EnvironmentConfig,
    ProjectConfig,
    ScheduleCondition,
    TriggerConfig,
    WorseCondition,
)
from penstock.revisions.names import check_folder, check_name

PROTECTED = "main"
PREVIEWS = 5
"""Previews at a time where nothing is said of it."""
_RULES = {
    "push": ("on", "branch"),
    "merge": ("on", "branch", "approvals"),
    "promote": ("on", "after", "successful_runs"),
    "branch": ("on", "branches", "limit"),
}


def parse_config(text: str, file: str = "penstock.toml") -> ProjectConfig:
    """Read a `penstock.toml`.

    Raises InvalidProject that tells file and line, what was perhaps meant, and what is allowed.
    """
    document = Document(text, file)
    top = Table(document, (), document.values)
    top.allow("project", "environments", "triggers", "models", "tests", "builds")
    project = top.table("project")
    project.allow("name", "builds", "depends")
    environments = _environments(top)
    return ProjectConfig(
        name=_name(project, "name", project.get("name", str), "project"),
        environments=environments,
        builds=cast("Literal['newest', 'each']", project.choice("builds", ("newest", "each"), "newest")),
        depends=_depends(project),
        outputs=read_outputs(top.table("builds")),
        triggers=_triggers(top, [e.name for e in environments]),
        models={name: read_model(name, table) for name, table in top.named("models").items()},
        tests=read_tests(top.table("tests")),
    )


def _name(table: Table, key: str | None, name: str, noun: str) -> str:
    try:
        return check_name(name, noun)
    except InvalidValue as error:
        table.refuse(key, error.what, expected=error.expected, found=error.found)


def _depends(project: Table) -> tuple[str, ...]:
    if "depends" not in project:
        return ()
    paths = project.texts("depends")
    for index, path in enumerate(paths):
        try:
            check_folder(path)
        except InvalidValue as error:
            place = (*project.path, "depends", index)
            project.document.refuse(
                place, "'depends' has an impossible item", expected=error.expected, found=error.found
            )
    return paths


def _environments(top: Table) -> tuple[EnvironmentConfig, ...]:
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
    _name(table, None, name, "environment")
    if name == "development":
        table.refuse(
            None, "'development' is where runs outside of any environment belong", fix="Choose another name."
        )
    table.allow("deploy", "serve", "data", "run", "freeze", "params")
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
    branch = deploy.get("branch", str)
    if not branch.strip():
        deploy.refuse("branch", "'branch' is empty", expected="the name of a branch, such as dev")
    return branch


def _triggers(top: Table, environments: Sequence[str]) -> tuple[TriggerConfig, ...]:
    triggers: list[TriggerConfig] = []
    for table in top.tables("triggers"):
        table.allow("pipeline", "environments", "any", "cooldown")
        trigger = TriggerConfig(
            pipeline=table.get("pipeline", str),
            environments=table.choices("environments", environments),
            conditions=tuple(_condition(item) for item in table.tables("any")),
            cooldown=table.span("cooldown", "0s"),
        )
        if not trigger.conditions:
            table.refuse(
                "any",
                "the trigger has no condition",
                expected='any = [...] with items such as { schedule = "0 3 * * *" }',
            )
        for earlier in triggers:
            shared = [e for e in trigger.environments if e in earlier.environments]
            if earlier.pipeline == trigger.pipeline and shared:
                table.refuse(
                    "pipeline",
                    f"{trigger.pipeline!r} already has a trigger in {shared[0]!r}",
                    fix="Put all conditions into one trigger's `any`.",
                )
        triggers.append(trigger)
    return tuple(triggers)


def _condition(table: Table) -> ScheduleCondition | WorseCondition:
    kinds = [kind for kind in ("schedule", "worse") if kind in table]
    if len(kinds) > 1:
        table.refuse(
            "worse",
            "a condition asks one thing",
            expected="either schedule or worse",
            fix="Make two items of it.",
        )
    if not kinds:
        table.allow("schedule", "worse")
        table.refuse(None, "a condition is empty", expected="schedule or worse")
    if kinds == ["schedule"]:
        table.allow("schedule", "missed")
        missed = table.choice("missed", ("once", "skip"), "once")
        return ScheduleCondition(cron=_cron(table), missed=cast("Literal['once', 'skip']", missed))
    table.allow("worse", "by", "over", "labels")
    by = table.get("by", float)
    if not 0 < by < float("inf"):
        table.refuse("by", "'by' has an impossible value", expected="a number above 0", found=str(by))
    return WorseCondition(
        metric=table.choice("worse", METRICS),
        by=by,
        over=table.span("over"),
        labels=table.number("labels", 500, least=1),
    )


def _cron(table: Table) -> str:
    cron = table.get("schedule", str)
    try:
        comes = len(cron.split()) == 5 and any(CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError:
        comes = False
    if not comes:
        table.refuse(
            "schedule",
            "'schedule' has an impossible value",
            expected='minute, hour, day of month, month and day of week in UTC, such as "0 3 * * *"',
            found=repr(cron),
        )
    return cron
