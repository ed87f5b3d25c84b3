"""Predictions for whole files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.face import Api, prints
from penstock.cli.pages import Page
from penstock.core.errors import Corrupt, Unavailable
from penstock.models.types import APART

if TYPE_CHECKING:
    from penstock.adapters.batch.lookups import Online
    from penstock.models.types import Signature
    from penstock.serving.ports import Runtime

PANEL = "Models"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=PANEL)(batch)


@prints
def batch(
    api: Api,
    model: Annotated[str, typer.Argument(help="NAME@3 or NAME@production; of a name alone the champion.")],
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="Rows as .csv, .jsonl or .parquet, of any number.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Where to, of any of these kinds.")],
    *,
    keep: Annotated[
        str, typer.Option("--keep", help="Columns to keep beside the answers, with commas; all if not said.")
    ] = "",
    url: Annotated[
        str,
        typer.Option("--url", help="The prediction service, if it is asked and is not the running one."),
    ] = "",
    ages: Annotated[
        bool,
        typer.Option("--ages", help="Tell of each feature view that is looked up how old its values are."),
    ] = False,
) -> Page:
    """A prediction for every row of a file; after a stop the same command goes on."""
    import msgspec

    from penstock.adapters.batch.job import plan, work

    version = api.get(f"/models/{_meant(api, model)}")["version"]
    kept = tuple(name.strip() for name in keep.split(",")) if keep else None
    asked = plan(version, source, output, kept, ages=ages)
    with _runtime(api, version, asked.signature, url) as runtime, _progress(asked.rows) as advance:
        done = work(asked, runtime, output, advance, _online(api, version["id"]))
    said = f"{done.output}: {done.predicted:,} predictions of {done.version}."
    if done.misfits:
        said += f" Of the rows {done.misfits:,} did not fit: {done.refused} says which, and why."
    said += "".join(f"\nunexpected: {each}" for each in done.unexpected)
    return Page(msgspec.to_builtins(done), (said,), (f"penstock models show {done.version}",))


def _meant(api: Api, model: str) -> str:
    """The version that is asked: of a name alone the champion of the last environment that has one."""
    if "@" in model:
        return model
    return f"{model}@{api.get(f'/models/{model}/home')['environment']}"


def _online(api: Api, version: str) -> Online:
    """The features that a version reads, as the system has them online."""
    import msgspec

    from penstock.adapters.batch.lookups import Online
    from penstock.serving.feast import ToldFeatures

    def ask(features: list[str], entities: Mapping[str, Sequence[Any]]) -> ToldFeatures:
        told = api.post("/get-online-features", feature_service=version, features=features, entities=entities)
        return msgspec.convert(told, ToldFeatures, from_attributes=True)

    return Online(ask, lambda: msgspec.convert(api.get("/status")["now"], datetime))


@contextmanager
def _runtime(api: Api, version: dict[str, Any], signature: Signature, url: str) -> Iterator[Runtime]:
    """What is asked: the model itself, or the prediction service where only its own library answers."""
    from penstock.adapters.batch.served import ServedRuntime
    from penstock.adapters.formats.loading import load
    from penstock.adapters.remote import PredictionClient

    if version["format"] not in APART:
        yield load(version["format"], _serialized(api, version), signature)
        return
    address = url or api.get("/status")["predict_url"]
    if not address:
        raise Unavailable(
            what=f"{version['id']} is answered by its own library, and the prediction service does not run.",
            fix="Start it with penstock up.",
        )
    with closing(PredictionClient(address)) as client:
        yield ServedRuntime(client, version["model"], version["number"], signature)


def _serialized(api: Api, version: dict[str, Any]) -> bytes:
    from penstock.core.digests import digest_bytes

    data = b"".join(api.pieces(f"/models/{version['id']}/serialized"))
    if digest_bytes(data) != version["artifact"]:
        raise Corrupt(what=f"The model {version['id']} did not arrive as it was registered.")
    return data


@contextmanager
def _progress(rows: int) -> Iterator[Callable[[int], None]]:
    """A bar of the rows that are done, where a person sees standard error."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        line = progress.add_task("rows", total=rows)
        yield lambda more: progress.advance(line, more)
