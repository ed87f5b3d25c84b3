"""The registry, predictions, labels and monitoring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.face import Api, ProjectOption, prints
from penstock.cli.help import group
from penstock.cli.importing import import_model
from penstock.cli.pages import Facts, Page, Table
from penstock.cli.registry import register_on
from penstock.cli.rows import as_wanted, read_rows
from penstock.core.errors import InvalidValue, Unavailable
from penstock.core.human import exact
from penstock.models.types import FILES

PANEL = "Models"
ModelArgument = Annotated[str, typer.Argument(help="The model's name.")]

EVIDENCE = (
    "version=version.id",
    "stage",
    "project=version.project",
    "registered in=version.environment",
    "added=version.added",
    "metrics=version.metrics",
    "answered=runtime.predictions",
    "truths known=runtime.labelled",
    "live metrics=runtime.metrics",
    "requests since start=service.requests",
    "ms at p50=service.p50",
    "ms at p95=service.p95",
    "ms at p99=service.p99",
    "refused=service.refused",
    "run=version.run",
    "intended use=version.governance.intended_use",
    "risk=version.governance.risk",
    "owners=version.governance.owners",
    "expires=version.expires",
    "protected",
    "tags",
    "by=version.governance.actor",
    "release=version.governance.release",
    "commit=version.governance.commit",
    "author=version.governance.author",
    "approvals=version.governance.approvals",
    "imported from=version.governance.imported.from",
    "imported as=version.governance.imported.as",
    "imported digest=version.governance.imported.digest",
    "served as a pickle because=version.governance.unsafe_pickle",
    "pickle read because=version.governance.imported.unsafe",
    "trained as of=trained",
    "training rows=version.training.rows",
    "snapshots=snapshots",
    "labels=version.prior.counts",
    "format=version.format",
    "bytes=version.size",
    "remote path=version.location",
    "artifact=version.artifact",
    "parity=version.parity",
    "metadata=version.metadata",
)
NOT_SERVED = (
    "It is kept as a client uploaded it, and not served: nobody has converted it and proved the outcome.\n"
    "Publish the model from a pipeline to have it served."
)
ROLES = ("time", "environment", "version=number", "role", "actor", "why")

ALARM = ("alarm=id", "raised", "environment", "about=what", "since", "ended", "why")
UNSAID = ("nothing is said of=what", "column", "environment", "version", "day", "because=why")
SLICED = ("day", "environment", "slice", "predictions", "labelled", "metrics", "95 %=bands")
SCORED = ("estimates of=metric", "windows", "truth in the band=inside", "truth above by=above")
SKEW = ("read online of=view", "day=start", "environment", "version", "wrong=skew", "stale", "failed")

models = group(help="Models, their versions and champions; or one of them.")


def register(app: typer.Typer) -> None:
    """Add the commands of models."""
    models.callback(invoke_without_command=True)(listed)
    models.command()(show)
    models.command("import")(import_model)
    register_on(models)
    app.add_typer(models, name="models", rich_help_panel=PANEL)
    for command in (predict, labels, monitor):
        app.command(rich_help_panel=PANEL)(command)


@prints
def listed(api: Api, project: ProjectOption = "") -> Page:
    """Models, their versions and champions; or one of them."""
    items = api.items("/models", project=project)
    columns = ("model=id", "project", "versions", "champions", "newest=metrics", "created")
    table = Table(items, columns, "There are no models yet: a run that publishes makes one.")
    return Page({"items": items}, (table,), (f"penstock models show {items[0]['id']}",) if items else ())


@prints
def show(
    api: Api,
    ref: Annotated[str, typer.Argument(help="NAME, NAME@3 or NAME@production.")],
) -> Page:
    """A version (of a name alone, the newest) with its evidence, its gates and the model's history."""
    found = api.get(f"/models/{ref}")
    version = found["version"]
    name, number = version["model"], version["number"]
    history = api.items(f"/models/{name}/history")
    gates = [gate for gate in api.items("/gates", model=name) if gate["number"] == number]
    verdicts = [{**verdict, "in": gate["environment"]} for gate in gates for verdict in gate["verdicts"]]
    waived = ("waived",) if any(verdict["waived"] for verdict in verdicts) else ()
    if version["format"] == FILES:
        facts = Facts(found, (*EVIDENCE, "withdrawn=version.withdrawn"))
        run = version["run"]
        return Page(found, (facts, NOT_SERVED), (f"penstock run show {run}",) if run else ())
    parts: tuple[Table | Facts, ...] = (
        Facts(
            {
                **found,
                "snapshots": [snapshot["id"] for snapshot in version["training"]["snapshots"]],
                "trained": exact(version["training"]["as_of"]),
            },
            EVIDENCE,
        ),
        Table(
            version["signature"]["inputs"], ("input=name", "type=dtype", "nullable"), "It takes no inputs."
        ),
        Table(
            verdicts,
            ("environment=in", "check", "passed", *waived, "why"),
            "No gate has judged this version yet.",
        ),
        *_quality(gates),
        Table(history, ROLES, "No version has had a role yet."),
    )
    return Page(
        {**found, "gates": gates, "history": history},
        parts,
        (
            f"penstock models card {name}@{number}",
            f"penstock why {name}@{number}",
            f"penstock run show {version['run']}",
            f"penstock monitor {name}",
        ),
    )


def _quality(gates: list[dict[str, Any]]) -> list[Table]:
    """What the newest gate measured on slices: those where the version does worst, and how it does beside the
    champion.
    """
    quality = gates[0]["quality"] if gates else {}
    worst, gains = quality.get("worst", ()), quality.get("gains", {})
    tables = []
    if gains:
        rows = [{"gain over the champion": name, **gain} for name, gain in gains.items()]
        columns = ("gain over the champion", "challenger", "champion", "gain", "low", "high", "rows")
        tables.append(Table(rows, columns, ""))
    if worst:
        tables.append(Table(worst, ("worst slices=slice", "rows", "loss", "elsewhere=rest", "chance"), ""))
    return tables


@prints
def predict(
    api: Api,
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(help="Rows as CSV, as a JSON list, or as JSON lines.")],
    url: Annotated[str, typer.Option("--url", help="The prediction service, if not the running one.")] = "",
) -> Page:
    """Ask the running prediction service for a prediction per row."""
    from penstock.adapters.remote import PredictionClient

    rows = read_rows(file)
    address = url or api.get("/status")["predict_url"]
    if not address:
        raise Unavailable(what="The prediction service is not running.", fix="Start it with penstock up.")
    client = PredictionClient(address)
    try:
        told = client.predict(model, as_wanted(rows, client.columns(model)))
    finally:
        client.close()
    table = Table(told["rows"], _columns_of(told["rows"]), "There were no rows.")
    hint = f"penstock labels FILE --model {model}      # tells later what really happened"
    return Page(told, (table,), (hint,))


def _columns_of(answers: list[dict[str, Any]]) -> tuple[str, ...]:
    """What is told of answers: of a regression the label is its score, a number."""
    numbers = all(type(row["prediction"]) in {int, float} for row in answers)
    return ("prediction=id", "score") if numbers else ("prediction=id", "label=prediction", "score")


@prints
def labels(
    api: Api,
    file: Annotated[
        Path, typer.Argument(help="Rows with the columns `prediction` and `value`, CSV or JSON.")
    ],
    model: Annotated[str, typer.Option("--model", help="The model that predicted.")],
) -> Page:
    """Tell what really happened; all rows are taken, or none."""
    rows = read_rows(file)
    if any(not {"prediction", "value"} <= set(row) for row in rows):
        raise InvalidValue(expected="the columns prediction and value", found=", ".join(rows[0]))
    items = [{"prediction": row["prediction"], "value": _number(row["value"])} for row in rows]
    found = api.post("/labels", model=model, items=items)
    return Page(found, (f"Took {len(items)} labels.",), (f"penstock monitor {model}",))


def _number(value: Any) -> Any:
    """Text from a CSV file as the number that it spells."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


@prints
def monitor(
    api: Api,
    model: ModelArgument,
    days: Annotated[int, typer.Option("--days", min=1, help="How many windows to show.")] = 30,
) -> Page:
    """How the model's answers compare with what really happened, by day."""
    windows = api.items("/windows", model=model, limit=days)
    columns = (
        "day=start",
        "environment",
        "version",
        "variant",
        "predictions",
        "refused",
        "p99 ms=p99",
        "labelled",
        "metrics",
        "estimated=guessed",
        "drift=worst",
    )
    rows = [
        {
            **window,
            "refused": sum((window["traffic"] or {}).get("refused", {}).values()),
            "p99": (window["traffic"] or {}).get("p99"),
            "worst": max(window["drift"].values(), default=None),
            "guessed": {name: figure["value"] for name, figure in window["estimated"].items()},
        }
        for window in windows
    ]
    table = Table(rows, columns, f"Nothing has been measured of {model} yet.")
    alarms = api.items("/alarms", model=model, limit=days)
    alarmed = Table(alarms, ALARM, "No alarm was ever raised.")
    estimates = api.items(f"/models/{model}/estimates", limit=days)
    scored = Table(estimates, SCORED, "")
    unsaid = api.items(f"/models/{model}/unsaid", limit=days)
    silent = Table(unsaid, UNSAID, "")
    skews = api.items("/skews", model=model, limit=days)
    skewed = Table(skews, SKEW, "")
    slices = api.items(f"/models/{model}/slices", limit=days)
    sliced = Table(slices, SLICED, "")
    hints = (f"penstock models show {model}", "penstock triggers explain")
    told = {"slices": slices, "alarms": alarms, "estimates": estimates, "unsaid": unsaid, "skews": skews}
    before, after = ([part for part in parts if part.rows] for parts in ((sliced, scored), (silent, skewed)))
    return Page(
        {"items": windows, **told},
        (table, *before, alarmed, *after),
        hints,
    )
