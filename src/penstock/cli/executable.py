"""The program inside the executable of a release: `python -m penstock.cli.executable FILE CODE …`.

FILE is the executable, which has unpacked its code into the folder CODE.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli import runs
from penstock.cli.face import DEFAULT_HOME, HomeOption, opened, prints
from penstock.cli.help import group
from penstock.cli.pages import Page, Table
from penstock.cli.rows import parameters, read_parameters
from penstock.core.errors import InvalidValue
from penstock.core.words import meant


class Released:
    """The release that the executable holds."""

    def __init__(self, code: Path) -> None:
        self.about: dict[str, Any] = json.loads((code / "about.json").read_bytes())
        self.folder = code / "code"

    def target(self, pipeline: str) -> str:
        """The target of a pipeline by its name. Raises InvalidValue."""
        targets = {graph["pipeline"]: str(graph["target"]) for graph in self.about["pipelines"]}
        if pipeline not in targets:
            raise InvalidValue(
                expected=f"a pipeline: {', '.join(targets)}", found=pipeline, fix=meant(pipeline, targets)
            )
        return targets[pipeline]


def program(released: Released) -> typer.Typer:
    """The commands of an executable."""
    about = released.about
    app = group(
        help=f"The pipelines of {about['project']} at commit {about['commit'][:12]}, as they were released.",
        no_args_is_help=True,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @prints
    def run(
        pipeline: Annotated[
            str, typer.Argument(metavar="PIPELINE", help="Its name, or the word `show` and a run's number.")
        ],
        shown: Annotated[str, typer.Argument(metavar="[ID]", help="The run to show.")] = "",
        *,
        params: Annotated[
            list[str] | None,
            typer.Option("-p", "--param", metavar="K=V", help="A parameter of the pipeline."),
        ] = None,
        file: Annotated[
            Path | None,
            typer.Option("--params", metavar="FILE", help="TOML with parameters; -p goes before it."),
        ] = None,
        data: Annotated[
            Path, typer.Option("--data", help="The folder below which sources are read.")
        ] = Path(),
        home: HomeOption = DEFAULT_HOME,
    ) -> Page:
        """Run a pipeline to its end; or show a run."""
        if pipeline == "show" and shown:
            with opened(home, "") as api:
                return runs.show(api.get(f"/runs/{shown}"), Path(sys.argv[0]).name)
        given = {**(read_parameters(file) if file else {}), **parameters(params)}
        return _run(released, pipeline, given, data, home)

    @prints
    def listed() -> Page:
        """The pipelines, with their parameters."""
        rows = [_row(graph) for graph in about["pipelines"]]
        hint = f"{Path(sys.argv[0]).name} run {rows[0]['pipeline']}"
        return Page({"items": rows}, (Table(rows, ("pipeline", "parameters", "steps"), ""),), (hint,))

    app.command()(run)
    app.command("list")(listed)
    for command in (runs.runs, runs.logs):
        app.command()(command)
    return app


def _run(released: Released, pipeline: str, params: dict[str, Any], data: Path, home: Path) -> Page:
    from penstock.app.local import released_place, run_there
    from penstock.app.workbench import open_workbench

    target = released.target(pipeline)
    with open_workbench(home) as bench:
        place = released_place(bench, released.about, released.folder, data)
        return runs.to_its_end(
            bench,
            lambda on_progress: run_there(bench, target, place, params, on_progress),
            program=Path(sys.argv[0]).name,
        )


def _row(graph: dict[str, Any]) -> dict[str, Any]:
    parameters = {each["name"]: each.get("default") for each in graph.get("parameters", [])}
    steps = [node["name"] for node in graph.get("nodes", [])]
    return {"pipeline": graph["pipeline"], "parameters": parameters, "steps": steps}


if __name__ == "__main__":
    _, name, unpacked, *arguments = sys.argv
    sys.argv = [name, *arguments]
    program(Released(Path(unpacked)))(prog_name=Path(name).name)
