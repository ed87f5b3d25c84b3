"""Finds and draws the pipelines of a project folder, inside the environment of that project."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock import datasets
from penstock.core.errors import InvalidPipeline, PenstockError
from penstock.core.targets import resolve
from penstock.core.words import meant
from penstock.features.views import FeatureView
from penstock.pipelines.authoring import Pipeline
from penstock.pipelines.sources import import_from_source
from penstock.pipelines.types import Graph, Node

EXPECTATIONS = "expectations"
"""The folder of what a project expects of its sources and feature views (`datasets.expectation_files`)."""
_NOT_THE_PROJECT = {"tests", "test", "docs", "benchmarks"}


def draw_target(target: str, folder: str | Path, params: Mapping[str, Any] | None = None) -> Graph:
    """Import `package.module:name` from the project in `folder` and draw it.

    Raises InvalidPipeline when there is no such module or name, when importing it fails, or
    when it is no pipeline or cannot be drawn; InvalidValue for wrong params.
    """
    make_importable(folder)
    try:
        found = resolve(target)
    except PenstockError:
        raise
    except Exception as error:
        raise _cannot_import(target.partition(":")[0], Path(folder), error) from error
    if not isinstance(found, Pipeline):
        raise InvalidPipeline(
            what=f"{target} is not a pipeline", found=repr(found), fix="Decorate the function with @pipeline."
        )
    return _with_expectations(found.draw(**(params or {})), Path(folder))


def _with_expectations(graph: Graph, folder: Path) -> Graph:
    """The graph with what the project's files expect of each source, and of training rows and their features.

    So they travel with the release, and a change of theirs is a change of what depends on them. What tells
    of people by a feature view, or is redacted, is shown in no example.
    """
    if not Path(folder, EXPECTATIONS).is_dir():
        return graph
    personal = {name for node in graph.nodes for name in _personal(node)}
    hidden = {*personal, *redacted(folder)}
    found = datasets.of_project(folder, hidden)
    expected = {name: datasets.as_data(each) for name, each in found.items()}
    return msgspec.structs.replace(graph, nodes=tuple(_expecting(node, expected) for node in graph.nodes))


def _personal(node: Node) -> list[str]:
    views = [*node.settings.get("views", ()), node.settings.get("view", {})]
    return [name for view in views for name in view.get("pii", ())]


def redacted(folder: Path) -> set[str]:
    """The columns that the `penstock.toml` of a project has any model redact, in any environment.

    What is wrong in that file is told by those who read the whole of it.
    """
    try:
        told = tomllib.loads(Path(folder, "penstock.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    above = [told, *_tables(told.get("environments"))]
    models = [model for each in above for model in _tables(each.get("models"))]
    lists = [model["redact"] for model in models if isinstance(model.get("redact"), list)]
    return {name for names in lists for name in names if isinstance(name, str)}


def _tables(told: object) -> list[dict[str, Any]]:
    return [each for each in told.values() if isinstance(each, dict)] if isinstance(told, dict) else []


def _expecting(node: Node, expected: Mapping[str, Any]) -> Node:
    own = {name: expected[name] for name in _held_against(node) if name in expected}
    return msgspec.structs.replace(node, settings={**node.settings, "expectations": own}) if own else node


def _held_against(node: Node) -> list[str]:
    """The sources and feature views by whose expectations the rows of a node are asked."""
    if node.kind not in {"snapshot", "rows"}:
        return []
    return [node.settings["source"]["name"], *(view["name"] for view in node.settings.get("views", ()))]


def require_asked(graphs: Iterable[Graph], folder: Path) -> None:
    """Raises InvalidPipeline for a file of expectations that no rows of these pipelines are held against."""
    known = {name for graph in graphs for node in graph.nodes for name in _held_against(node)}
    for file in sorted((folder / EXPECTATIONS).glob("*.toml")):
        if file.stem not in known:
            raise InvalidPipeline(
                what=f"Nothing is held against {EXPECTATIONS}/{file.name}: no pipeline reads a source or "
                "feature view of that name.",
                fix=meant(file.stem, known),
            )


def find_pipelines(folder: str | Path) -> list[str]:
    """The targets of all pipelines of the packages in a project folder, importing every module of them.

    Raises InvalidPipeline when a module cannot be imported.
    """
    make_importable(folder)
    found = []
    for name in sorted(_modules(Path(folder))):
        try:
            module = importlib.import_module(name)
        except Exception as error:
            raise _cannot_import(name, Path(folder), error) from error
        found += [each.target for each in vars(module).values() if isinstance(each, Pipeline)]
    return list(dict.fromkeys(found))


def find_features(folder: str | Path) -> list[str]:
    """The modules of a project folder that hold feature views, of those that were imported."""
    held = (
        vars(sys.modules[name]).values() for name in sorted(_modules(Path(folder))) if name in sys.modules
    )
    views = (each for values in held for each in values if isinstance(each, FeatureView))
    return list(dict.fromkeys(view.settings.target.partition(":")[0] for view in views))


def make_importable(folder: str | Path) -> None:
    """Put a project's folder, and its `src` if it has one, first on the path of imports."""
    for place in _roots(Path(folder)):
        if str(place) not in sys.path:
            import_from_source(place)
            sys.path.insert(0, str(place))


def _roots(folder: Path) -> list[Path]:
    folder = folder.resolve()
    source = folder / "src"
    return [folder, source] if source.is_dir() else [folder]


def package_folders(folder: Path) -> list[Path]:
    """The folders of the project's packages."""
    return [
        package
        for root in _roots(folder)
        for package in root.iterdir()
        if (package / "__init__.py").is_file() and package.name not in _NOT_THE_PROJECT
    ]


def _modules(folder: Path) -> Iterator[str]:
    """The names of the modules of the project's packages."""
    for package in package_folders(folder):
        for file in package.rglob("*.py"):
            parts = file.relative_to(package.parent).with_suffix("").parts
            if parts[-1] != "__main__" and all(part.isidentifier() for part in parts):
                yield ".".join(parts).removesuffix(".__init__")


def _cannot_import(module: str, folder: Path, error: Exception) -> InvalidPipeline:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and (missing == module or module.startswith(f"{missing}.")):
        there = [*_modules(folder), *(file.stem for root in _roots(folder) for file in root.glob("*.py"))]
        return InvalidPipeline(what=f"There is no module {module} in {folder}.", fix=meant(module, there))
    return InvalidPipeline(
        what=f"The module {module} cannot be imported",
        found=f"{type(error).__name__}: {error}",
    )
