"""From the text of `penstock.toml` to a `ProjectConfig`, or to one clear refusal."""

from __future__ import annotations

from typing import Literal, cast

from penstock.core.errors import InvalidValue
from penstock.revisions.config.automatic import read_tests
from penstock.revisions.config.environments import read_environments, with_own
from penstock.revisions.config.models import read_models
from penstock.revisions.config.notify import read_notify
from penstock.revisions.config.outputs import read_outputs
from penstock.revisions.config.tables import Document, Table
from penstock.revisions.config.triggers import read_triggers
from penstock.revisions.config.types import ProjectConfig
from penstock.revisions.names import check_folder


def parse_config(text: str, file: str = "penstock.toml") -> ProjectConfig:
    """Read a `penstock.toml`.

    Raises InvalidProject that tells file and line, what was perhaps meant, and what is allowed.
    """
    document = Document(text, file)
    top = Table(document, (), document.values)
    top.allow("project", "environments", "triggers", "models", "tests", "builds", "notify")
    project = top.table("project")
    project.allow("name", "builds", "depends")
    environments = read_environments(top)
    triggers, models = read_triggers(top, [e.name for e in environments]), read_models(top)
    return ProjectConfig(
        name=project.plain("name", project.get("name", str), "project"),
        environments=tuple(with_own(environment, top) for environment in environments),
        builds=cast("Literal['newest', 'each']", project.choice("builds", ("newest", "each"), "newest")),
        depends=_depends(project),
        outputs=read_outputs(top.table("builds")),
        triggers=triggers,
        models=models,
        tests=read_tests(top.table("tests")),
        channels=read_notify(top),
    )


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
