"""What all commands share: their options, the API that they speak to, and how they answer and fail."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.pages import Page, Stream, terminal
from penstock.core.errors import PenstockError

DEFAULT_HOME = Path(".penstock")


def project_folder() -> Path:
    """The nearest folder, from here upwards, with a penstock.toml; else this one."""
    here = Path.cwd()
    return next((f for f in (here, *here.parents) if (f / "penstock.toml").exists()), here)


def _home(given: Path) -> Path:
    """The home that is meant: where none is named, the one beside the project's penstock.toml."""
    return project_folder() / given if given == DEFAULT_HOME else given


HomeOption = Annotated[
    Path,
    typer.Option(
        "--home", envvar="PENSTOCK_HOME", callback=_home, help="The directory that holds everything."
    ),
]
ServerOption = Annotated[
    str,
    typer.Option(
        "--server", envvar="PENSTOCK_SERVER", help="Ask the server at this URL instead of the home."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ProjectOption = Annotated[str, typer.Option("--project", help="The project, where the home has several.")]
OnOption = Annotated[
    str,
    typer.Option("--on", metavar="WHERE", help="Where steps run: inline, local, ray or ray://HOST:PORT."),
]
ActorOption = Annotated[str, typer.Option("--as", help="Who does this, if not the user of this machine.")]


class Api:
    """The routes of `app.api`, wherever they are answered."""

    def __init__(
        self, call: Callable[[str, str, dict[str, Any]], Any], pieces: Callable[[str], Iterator[bytes]]
    ) -> None:
        self._call = call
        self.pieces = pieces
        """The bytes at a path, piece by piece."""

    def get(self, path: str, **query: Any) -> Any:
        """What there is; an empty value in the query asks for nothing."""
        return self._call(
            "GET", path, {name: value for name, value in query.items() if value not in {"", None}}
        )

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The items of a list."""
        found: list[dict[str, Any]] = self.get(path, **query)["items"]
        return found

    def post(self, path: str, **body: Any) -> Any:
        """Do something; an empty value in the body says nothing."""
        return self._call(
            "POST", path, {name: value for name, value in body.items() if value not in ("", None)}
        )


@contextmanager
def opened(home: Path, server: str, *, create: bool = False) -> Iterator[Api]:
    """The API of the server that is named or runs on the home, else of the home in this process."""
    from penstock.app.home import Home

    running = Home(home).server()
    if server or running:
        from penstock.adapters.remote import RemoteApi

        at_home = running is not None and server in {"", running.url}
        token = os.environ.get("PENSTOCK_TOKEN") or (Home(home).key() if at_home else "")
        remote = RemoteApi(server or (running.url if running else ""), token=token)
        try:
            yield Api(remote.call, remote.pieces)
        finally:
            remote.close()
    else:
        from penstock.cli.here import Here

        with ExitStack() as stack:
            here = Here(home, stack, create=create)
            yield Api(here.call, here.pieces)


def prints(function: Callable[..., Page | Stream]) -> Callable[..., None]:
    """Make a command of a function that gives a page.

    The command gets `--json`; where the function takes an `api`, also `--home` and `--server`.
    On a group it answers only when no command of the group is named. An error becomes one
    sentence on standard error (with `--json`, the error as JSON) and exit 1.
    """
    signature = inspect.signature(function, eval_str=True)
    added = [_option("context", typer.Context), _option("as_json", JsonOption, default=False)]
    asks = "api" in signature.parameters
    if asks:
        added += [
            _option("home", HomeOption, default=DEFAULT_HOME),
            _option("server", ServerOption, default=""),
        ]

    @functools.wraps(function)
    def command(*, context: typer.Context, as_json: bool, **options: Any) -> None:
        if context.invoked_subcommand:
            return
        with failing_plainly(as_json=as_json):
            if asks:
                home, server = options.pop("home"), options.pop("server")
                with opened(home, server) as api:  # a stream goes on asking it
                    answer(function(api=api, **options), as_json=as_json)
            else:
                answer(function(**options), as_json=as_json)

    kept = [parameter for parameter in signature.parameters.values() if parameter.name != "api"]
    parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in kept), *added]
    shown = signature.replace(parameters=parameters, return_annotation=None)
    vars(command)["__signature__"] = shown
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def answer(page: Page | Stream, *, as_json: bool) -> None:
    """Print a page, or its data; of a stream, each item when it comes."""
    if not as_json:
        page.show(terminal())
        return
    import msgspec

    if isinstance(page, Stream):
        for item in page.items:
            sys.stdout.write(msgspec.json.encode(item).decode() + "\n")
            sys.stdout.flush()
    else:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(page.data)).decode() + "\n")


@contextmanager
def failing_plainly(*, as_json: bool = False) -> Iterator[None]:
    """Turn Penstock's errors into a sentence and an exit code."""
    try:
        yield
    except PenstockError as error:
        if as_json:
            import msgspec

            sys.stderr.write(msgspec.json.encode(error.as_dict()).decode() + "\n")
        else:
            sys.stderr.write(f"{error}\n")
        raise typer.Exit(error.exit_code) from None


def _option(name: str, annotation: Any, *, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
