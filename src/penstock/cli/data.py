"""Tables: what is in them, and how two of them differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.face import Api, prints, project_folder
from penstock.cli.help import group
from penstock.cli.pages import Page, Table, written
from penstock.cli.rows import moment
from penstock.core.errors import InvalidValue
from penstock.core.human import exact
from penstock.core.words import meant

RefArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE|FILE|SNAPSHOT", help="A source of the project here, a file, or a snapshot's id."
    ),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Where the project's sources lie, if not in this folder.")
]
AsOfOption = Annotated[
    str,
    typer.Option(
        "--as-of", metavar="TIME", help="What was known of a source at this time (UTC); now if not said."
    ),
]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a file with pictures as well.")
]
COLUMNS = ("snapshot=id", "source", "as of=as_of", "rows", "left out=quarantined", "first", "last")
PROFILED = ("column", "type", "missing", "distinct", "low", "mean", "median", "high", "shape")
COMPARED = ("column", "apart", "how", "type", "missing", "shape")
VIOLATIONS = ("severity", "column", "rule", "count", "of rows=rows", "such as=examples")
LEFT_OUT = ("file", "line", "column", "value", "why")
MOST, MOST_LEFT_OUT = 200, 20
"""Columns and left out rows that a terminal shows."""
BLOCKS = "▁▂▃▄▅▆▇█"

data = group(help="What sources hold: snapshots that were read, profiles, and how two tables differ.")


def register(app: typer.Typer) -> None:
    """Add the commands of data."""
    data.callback(invoke_without_command=True)(listed)
    for command in (show, diff, expect, check):
        data.command()(command)
    app.add_typer(data, name="data", rich_help_panel="Project")


@prints
def listed(
    api: Api,
    source: Annotated[str, typer.Option("--source", help="Only of this source.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many; 0 for all.")] = 20,
) -> Page:
    """What sources hold: snapshots that were read, profiles, and how two tables differ."""
    items = api.items("/snapshots", source=source, limit=limit)
    told = [{**item, "as_of": exact(item["as_of"])} for item in items]
    none = "Nothing was read of a source yet."
    if source and not items:
        known = {each["source"] for each in api.items("/snapshots", limit=0)}
        none = f"Nothing was read of a source {source!r}. {meant(source, known)}".rstrip()
    table = Table(told, COLUMNS, none)
    hints = (f"penstock data show {items[0]['id']}",) if items else ("penstock data show FILE",)
    return Page({"items": items}, (table,), hints)


@prints
def show(
    api: Api,
    table: RefArgument,
    data_root: DataOption = None,
    as_of: AsOfOption = "",
    html: HtmlOption = None,
) -> Page:
    """The profile of a table: counts, ranges, commonest values and shapes, and the rows left out."""
    from penstock.app.data.html import as_file, profile_html
    from penstock.cli.tables import looked_at
    from penstock.datasets.portraits import portrait

    found = looked_at(api, table, data_root, moment(as_of))
    told = portrait(found.sketch)
    rows = [_row(column) for column in told["columns"]]
    says = f"{found.name}: {told['rows']:,} rows of {len(rows):,} columns"
    if found.malformed:
        says += f", {found.malformed:,} malformed rows left out"
    parts: list[Table | str] = [Table(rows[:MOST], PROFILED, "It has no columns."), f"{says}."]
    if len(rows) > MOST:
        parts.append(f"The first {MOST} columns are shown; --json tells all.")
    if told["error"]:
        parts.append(f"Medians and shapes come of a sample: shares are right within {told['error']:.1%}.")
    if found.left_out:
        parts.insert(1, Table(found.left_out[:MOST_LEFT_OUT], LEFT_OUT, ""))
    if html:
        written(html, as_file(found.name, f"{says}.", profile_html(told, found.left_out)))
        parts.append(f"{html} has it with pictures.")
    answer = {"name": found.name, **told, "malformed": found.malformed, "left_out": found.left_out}
    hints = () if html else (f"penstock data show {table} --html FILE",)
    return Page(answer, tuple(parts), hints)


@prints
def diff(
    *,
    api: Api,
    a: RefArgument,
    b: RefArgument,
    data_root: DataOption = None,
    as_of: AsOfOption = "",
    html: HtmlOption = None,
) -> Page:
    """Two tables side by side, the columns that differ most first."""
    from penstock.app.data.html import as_file, difference_html
    from penstock.cli.tables import looked_at
    from penstock.datasets.portraits import difference

    left, right = (looked_at(api, name, data_root, moment(as_of)) for name in (a, b))
    told = difference(left.sketch, right.sketch)
    rows = [
        {
            "column": each["column"],
            "apart": each["apart"],
            "how": each["how"] + ("" if each["sure"] or not each["apart"] else " (not sure)"),
            **_both(*(_row(side) if side else {} for side in (each["a"], each["b"]))),
        }
        for each in told["columns"]
    ]
    says = f"a is {left.name} with {told['rows'][0]:,} rows, b is {right.name} with {told['rows'][1]:,}."
    parts: list[Table | str] = [Table(rows[:MOST], COMPARED, "They have no columns."), says]
    if html:
        look = difference_html(told, (left.name, right.name))
        written(html, as_file(f"{left.name} and {right.name}", says, look))
        parts.append(f"{html} has them with pictures.")
    hints = () if html else (f"penstock data diff {a} {b} --html FILE",)
    return Page({"a": left.name, "b": right.name, **told}, tuple(parts), hints)


@prints
def expect(
    *,
    api: Api,
    source: RefArgument,
    data_root: DataOption = None,
    as_of: AsOfOption = "",
    name: Annotated[
        str,
        typer.Option(
            "--name", help="The source or feature view that it is for, if the rows are another table."
        ),
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Write over a file that is there.")] = False,
) -> Page:
    """Write what rows like these are expected to be into expectations/SOURCE.toml, to tighten by hand."""
    from penstock.cli.tables import expectations_file, is_file, looked_at
    from penstock.datasets.expectation_files import as_toml, inferred
    from penstock.datasets.expectations import rules_in
    from penstock.pipelines.loading import redacted

    named = name or (Path(source).stem if is_file(source) else source.partition(":")[0])
    file = expectations_file(named, new=not again)
    found = looked_at(api, source, data_root, moment(as_of))
    if not found.sketch.rows:
        raise InvalidValue(what=f"{found.name} has no rows.", fix="Name a table whose rows are good.")
    expected = inferred(found.sketch, () if name else found.key(), redacted(project_folder()))
    said = f"Inferred by `penstock data expect` from {found.sketch.rows:,} rows of {found.name}."
    file.parent.mkdir(exist_ok=True)
    written(file, as_toml(expected, named, said))
    told = {"file": str(file), "rules": rules_in(expected), "rows": found.sketch.rows}
    lines = (
        f"{file} has {told['rules']} rules for {len(expected.columns)} columns.",
        "Runs hold rows against it from now on; commit it with the project.",
    )
    return Page(told, lines, (f"penstock data check {source}",))


@prints
def check(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE|FILE", help="A source of the project here, or a file.")
    ],
    data_root: DataOption = None,
    as_of: AsOfOption = "",
    name: Annotated[
        str,
        typer.Option("--name", help="The file in expectations/ to hold it against, if not that of its name."),
    ] = "",
) -> Page:
    """Hold rows against what they are expected to be; fails where an error is found."""
    import msgspec

    from penstock.cli.tables import checked
    from penstock.datasets.expectations import refuse

    named, rules, found = checked(source, name, data_root, moment(as_of))
    warnings = refuse(found, f"The rows of {source}", named)
    items = [{**msgspec.to_builtins(each), "examples": list(each.examples)} for each in warnings]
    said = f"{source} is as expectations/{named}.toml says, by {rules} rules" + (
        f", but for {len(items)} that only warn." if items else "."
    )
    return Page({"items": items, "rules": rules}, (*([Table(items, VIOLATIONS, "")] if items else []), said))


def _row(column: dict[str, Any]) -> dict[str, Any]:
    """A column as the terminal shows it."""
    missing = column["null_share"]
    odd = f"{column['odd']} odd" if column["odd"] else ""
    return {
        "column": column["column"],
        "type": column["type"],
        "missing": ", ".join(filter(None, (f"{missing:.1%}" if missing else "", odd))),
        "distinct": column["distinct"],
        "low": column.get("low"),
        "mean": column.get("mean"),
        "median": column.get("quantiles", {}).get("0.5"),
        "high": column.get("high"),
        "shape": _shape(column),
    }


def _shape(column: dict[str, Any]) -> str:
    if bars := column.get("bars"):
        highest = max(bars)
        return "".join(BLOCKS[min(len(BLOCKS) - 1, n * len(BLOCKS) // (highest + 1))] for n in bars)
    top = list(column.get("top", {}).items())
    shown = [f"{name[:16] or repr(name)} {count / max(1, column['count']):.0%}" for name, count in top[:3]]
    return ", ".join([*shown, *(["…"] if column.get("others") or len(top) > 3 else [])])


def _both(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """What is the same of both once, what is not one under the other."""
    return {
        name: a.get(name, "") if a.get(name) == b.get(name) else f"{a.get(name, '')}\n{b.get(name, '')}"
        for name in ("type", "missing", "shape")
    }
