"""Projects: making one, checking one, connecting one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.face import (
    DEFAULT_HOME,
    ActorOption,
    HomeOption,
    ServerOption,
    opened,
    prints,
    project_folder,
)
from penstock.cli.pages import Page, Table
from penstock.core.errors import InvalidProject, NotFound

if TYPE_CHECKING:
    from penstock.revisions.config import ProjectConfig

PANEL = "Project"
FolderArgument = Annotated[Path | None, typer.Argument(help="The project's folder, if not this one.")]


def register(app: typer.Typer) -> None:
    """Add the commands of projects."""
    for command in (new, check, connect):
        app.command(rich_help_panel=PANEL)(command)


@prints
def new(
    name: Annotated[
        str, typer.Argument(help="The project's name: a lower-case letter, then letters, digits, - or _.")
    ],
) -> Page:
    """Make a project that passes its own checks, in a new folder of that name."""
    from penstock.cli.new import make_project

    folder = make_project(name, Path.cwd())
    package = folder.name.replace("-", "_")
    lines = (f"Made {folder}: a package, its penstock.toml, tests and a first commit on the branch dev.",)
    hints = (
        f"cd {name}",
        f"python -m {package}.data data      # made-up rows to begin with",
        "penstock check",
        f"penstock run {package}.pipeline:train_returns",
        "penstock connect && git push penstock dev",
    )
    return Page({"project": name, "folder": str(folder), "package": package}, lines, hints)


@prints
def check(folder: FolderArgument = None) -> Page:
    """Check penstock.toml and draw the pipelines, without a server."""
    from penstock.builds.decide import dangling
    from penstock.cli.drawing import draw_pipelines

    folder = folder or project_folder()
    config = configuration(folder)
    graphs = draw_pipelines(folder)
    if wrong := dangling(config, graphs) if graphs else ["The project has no pipeline."]:
        raise InvalidProject(what=" ".join(wrong))
    environments = [
        {
            "environment": environment.name,
            "deploy": environment.on,
            "branch": environment.branch or f"after {environment.after}",
            "serves": environment.serve,
        }
        for environment in config.environments
    ]
    pipelines = [
        {"pipeline": g.pipeline, "target": g.target, "steps": [n.name for n in g.nodes]} for g in graphs
    ]
    parts = (
        Table(environments, ("environment", "deploy", "branch", "serves"), ""),
        Table(pipelines, ("pipeline", "target", "steps"), "It has no pipelines."),
        f"{config.name} can be delivered.",
    )
    data = {"project": config.name, "environments": environments, "pipelines": pipelines}
    return Page(data, parts, ("penstock connect",))


@prints
def connect(
    url: Annotated[str, typer.Argument(help="The server, if not the home of this machine.")] = "",
    data_root: Annotated[
        Path | None, typer.Option("--data", help="Where the project's sources lie, if not in this folder.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    server: ServerOption = "",
    actor: ActorOption = "",
) -> Page:
    """Register the project in this folder, and add the git remote `penstock`."""
    from penstock.cli.git import set_remote

    folder = project_folder()
    name = configuration(folder).name
    with opened(home, url or server, create=True) as api:
        found = api.post("/projects", name=name, data_root=str((data_root or folder).resolve()), actor=actor)
        base = url or server or api.get("/status")["url"]
    remote = f"{base.rstrip('/')}{found['url']}" if base else str(found["path"])
    set_remote(folder, "penstock", remote)
    lines = (f"{name} is connected; the git remote penstock is {remote}.",)
    return Page({**found, "remote": remote}, lines, ("git push penstock dev", "penstock builds"))


def configuration(folder: Path) -> ProjectConfig:
    """The `penstock.toml` of a folder. Raises NotFound and InvalidProject."""
    from penstock.revisions.config import parse_config

    path = folder / "penstock.toml"
    if not path.exists():
        raise NotFound(
            what=f"There is no penstock.toml in {folder.resolve()}.",
            fix="Go to the project's folder, or make a project with penstock new NAME.",
        )
    return parse_config(path.read_text(encoding="utf-8"), str(path))
