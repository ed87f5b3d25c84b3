"""Projects: making one, checking one, connecting one."""

from __future__ import annotations

import os
import sys
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
TOKEN, SECRET = "PENSTOCK_FORGE_TOKEN", "PENSTOCK_WEBHOOK_SECRET"
SECRETS = {TOKEN: "Access token for", SECRET: "Secret of the webhooks of"}
"""Variables of the environment that hold what is never shown, and how else one is asked for it."""
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
            "branch": environment.branch or environment.branches or f"after {environment.after}",
            "serves": environment.serve,
            "params": [
                f"{pipeline}.{name} = {value!r}"
                for pipeline, params in environment.params.items()
                for name, value in params.items()
            ],
        }
        for environment in config.environments
    ]
    pipelines = [
        {"pipeline": g.pipeline, "target": g.target, "steps": [n.name for n in g.nodes]} for g in graphs
    ]
    parts = (
        Table(environments, ("environment", "deploy", "branch", "serves", "params"), ""),
        Table(pipelines, ("pipeline", "target", "steps"), "It has no pipelines."),
        f"{config.name} can be delivered.",
    )
    data = {"project": config.name, "environments": environments, "pipelines": pipelines}
    return Page(data, parts, ("penstock connect",))


@prints
def connect(
    *,
    url: Annotated[str, typer.Argument(help="The server, if not the home of this machine.")] = "",
    forge: Annotated[
        str, typer.Option("--forge", help="Where its repository is: github, gitlab, gitea, or any other git.")
    ] = "",
    repository: Annotated[
        str,
        typer.Option(
            "--repository", help="owner/name there; for git its address; else the project whose it is."
        ),
    ] = "",
    forge_url: Annotated[
        str, typer.Option("--forge-url", help="The forge's address, if not the public one.")
    ] = "",
    data_root: Annotated[
        Path | None, typer.Option("--data", help="Where the project's sources lie, if not in this folder.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    server: ServerOption = "",
    actor: ActorOption = "",
) -> Page:
    """Register the project in this folder: add the git remote `penstock`, or look after its own elsewhere."""
    from penstock.cli.git import folder_in_repository, set_remote

    folder = project_folder()
    name = configuration(folder).name
    about = {"name": name, "data_root": str((data_root or folder).resolve()), "actor": actor}
    where = {"repository": repository, "folder": folder_in_repository(folder)}
    if forge:
        secrets = {"token": _secret(TOKEN, forge), "secret": _secret(SECRET, forge) if forge != "git" else ""}
        with opened(home, url or server, create=True) as api:
            found = api.post("/projects", **about, **where, forge=forge, url=forge_url, **secrets)
            base = url or server or api.get("/status")["url"]
        hint = (
            f"Let the forge send its webhooks of pushes and merges to {base.rstrip('/')}{found['hooks']}."
            if secrets["secret"]
            else f"It is looked at every half minute; with {SECRET} set, webhooks make that at once."
        )
        return Page(
            found, (f"{name} comes from {repository}.", hint), ("penstock revisions", "penstock builds")
        )
    with opened(home, url or server, create=True) as api:
        found = api.post("/projects", **about, **where)
        base = url or server or api.get("/status")["url"]
    remote = f"{base.rstrip('/')}{found['url']}" if base else str(found["path"])
    set_remote(folder, "penstock", remote)
    lines = (f"{name} is connected; the git remote penstock is {remote}.",)
    return Page({**found, "remote": remote}, lines, ("git push penstock dev", "penstock builds"))


def _secret(variable: str, forge: str) -> str:
    """A secret from the environment, else asked of the person at the terminal; empty for none."""
    if variable in os.environ or not sys.stdin.isatty():
        return os.environ.get(variable, "")
    answer: str = typer.prompt(
        f"{SECRETS[variable]} {forge}", default="", hide_input=True, show_default=False
    )
    return answer


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
