"""The system itself: starting it, its state, its clock, and the demonstration."""

from __future__ import annotations

import contextlib
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.face import (
    DEFAULT_HOME,
    Api,
    HomeOption,
    JsonOption,
    OnOption,
    answer,
    failing_plainly,
    prints,
)
from penstock.cli.pages import Facts, Page, Table
from penstock.core.errors import InvalidValue
from penstock.core.sizes import size, size_text
from penstock.core.targets import resolve

if TYPE_CHECKING:
    from penstock.app.home import Server

PANEL = "System"
PORT = 4747
PREDICT_PORT = 4748
PAGES = "penstock.web:create_web"
"""The other face, by name: the two do not know each other."""


def register(app: typer.Typer) -> None:
    """Add the commands of the system."""
    for command in (up, demo, status, clock, gc):
        app.command(rich_help_panel=PANEL)(command)


def up(  # noqa: PLR0917 the options of a command
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Pages and git; 0 takes any.")] = PORT,
    predict_port: Annotated[
        int, typer.Option("--predict-port", min=0, max=65535, help="Predictions; 0 takes any.")
    ] = PREDICT_PORT,
    predict_processes: Annotated[
        int, typer.Option("--predict-processes", min=1, max=64, help="How many processes answer there.")
    ] = 1,
    predict_memory: Annotated[
        str, typer.Option("--predict-memory", metavar="SIZE", help="The most that each of them may hold.")
    ] = "",
    origins: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin", metavar="URL", help="A site whose pages may ask for predictions; *: any."
        ),
    ] = None,
    virtual: Annotated[
        str,
        typer.Option("--virtual-clock", metavar="TIME", help="Give a new home a clock that starts there."),
    ] = "",
    cpus: Annotated[
        float, typer.Option("--cpus", min=0, help="For steps together; 0 is all of this machine.")
    ] = 0,
    gpus: Annotated[float, typer.Option("--gpus", min=0, help="The same of its GPUs.")] = 0,
    memory: Annotated[
        str, typer.Option("--memory", metavar="SIZE", help="The same of its memory, such as 8GB.")
    ] = "",
    host: Annotated[
        str,
        typer.Option("--host", help="The address for pages and git; not the loopback: all need a token."),
    ] = "127.0.0.1",
    on: OnOption = "local",
    isolation: Annotated[
        str,
        typer.Option(
            "--isolation",
            envvar="PENSTOCK_ISOLATION",
            metavar="HOW",
            help='Projects kept from the home: none, user:NAME, podman, "podman run OPTIONS", docker.',
        ),
    ] = "none",
    online: Annotated[
        str,
        typer.Option(
            "--online",
            envvar="PENSTOCK_ONLINE",
            metavar="URL",
            help="Online features in Redis or Valkey: redis://HOST:PORT/DATABASE, by default in the home.",
        ),
    ] = "",
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Start the whole system on one home; Ctrl-C stops it with nothing lost."""

    def ready(server: Server) -> None:
        data = {"url": server.url, "predict_url": server.predict_url, "pid": server.pid, "home": str(home)}
        lines = (
            f"Penstock is up: pages and git at {server.url}, predictions at {server.predict_url}.",
            f"Everything is kept in {home.resolve()}. Ctrl-C stops it.",
        )
        answer(Page(data, lines, ("penstock connect",)), as_json=as_json)
        sys.stdout.flush()

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: everything is put away
    with failing_plainly(as_json=as_json), contextlib.suppress(KeyboardInterrupt):
        start = _moment(virtual) if virtual else None
        from penstock.app.alone import alone

        with alone():
            from penstock.app import up as system
        pages = resolve(PAGES)
        system.run(
            home,
            port=port,
            predict_port=predict_port,
            predict_processes=predict_processes,
            predict_memory=size(predict_memory) if predict_memory else 0,
            origins=origins or (),
            make_web=pages,
            on_ready=ready,
            virtual=start,
            on=on,
            isolation=isolation,
            online=online,
            host=host,
            room=system.machine_room(cpus, gpus, size(memory) if memory else 0)
            if cpus or gpus or memory
            else None,
        )


def demo(
    project: Annotated[Path, typer.Option("--project", help="The example project.")] = Path(
        "examples/flights"
    ),
    every: Annotated[
        int, typer.Option("--every", min=1, help="One flight in so many asks for a prediction.")
    ] = 9,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the system up at the end.")] = False,
    home: Annotated[Path, typer.Option("--home", help="A directory for the demonstration.")] = Path(
        "demo-home"
    ),
    as_json: JsonOption = False,
) -> None:
    """The whole loop on real flights, in minutes; the report is also written to demo-report.json."""
    with failing_plainly(as_json=as_json):
        from penstock.cli.demo import run

        run(home, project, keep=keep, every=every, json=as_json)


@prints
def status(api: Api) -> Page:
    """What runs, what is under way, and what is wrong."""
    found = api.get("/status")
    return Page(found, (Facts(found, tuple(found)),), ("penstock environments",))


@prints
def clock(
    api: Api,
    to: Annotated[
        str, typer.Argument(metavar="TIME", help="A moment such as 2013-03-01 or 2013-03-01T06:00Z.")
    ],
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for all consequences.")] = 0.0,
) -> Page:
    """Advance the clock of a home that has a virtual one."""
    found = api.post("/clock", to=_moment(to).isoformat(), wait=wait)
    return Page(found, (Facts(found, ("now", "settled", "active", "problems")),), ("penstock status",))


@prints
def gc(
    api: Api,
    keep: Annotated[str, typer.Option("--keep", metavar="SPAN", help="Keep all of runs this young.")] = "30d",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only what would be removed.")] = False,
) -> Page:
    """Remove bytes, environments and logs that nothing names any more; says what, unless told --yes."""
    found = api.post("/gc", keep=keep, yes=yes)
    items = [{**item, "bytes": size_text(item["bytes"])} for item in found["items"]]
    table = Table(items, ("what", "count", "bytes"), "")
    if not any(item["count"] for item in items):
        return Page(found, (table, "There is nothing to remove."))
    said = "Removed." if yes else "Nothing was removed yet."
    return Page(found, (table, said), () if yes else ("penstock gc --yes",))


def _moment(text: str) -> datetime:
    """A moment in ISO 8601; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValue(expected="a moment such as 2013-03-01T06:00:00+00:00", found=repr(text)) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
