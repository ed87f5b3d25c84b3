"""What a model card says, section by section: the same in Markdown and on pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from penstock.core.human import exact, human

SHOWN = 8
"""Slices, and values of a text column, that a card shows; all of them stand in its data."""
UNKNOWN = "It was made elsewhere: who trained it from what is not on record here."
Card = Mapping[str, Any]
"""As `/models/{ref}/card` answers; see `penstock.models.cards.Card`."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A heading, a sentence, names with values, and rows by what stands above their columns."""

    title: str
    says: str = ""
    facts: dict[str, str] = {}
    rows: tuple[dict[str, str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of those columns that hold anything."""
        return tuple(
            name for name in (self.rows[0] if self.rows else ()) if any(row[name] for row in self.rows)
        )


def sections_of(card: Card) -> list[Section]:
    """The sections of a card, without those that would be empty."""
    parts = (*_made(card), *_measured(card), *_judged(card), *_lived(card))
    return [section for section in parts if section.says or section.facts or section.columns]


def _made(card: Card) -> Iterable[Section]:
    training = card["training"]
    rows = "the examples" if card["governance"].get("imported") else "training"
    yield Section(
        title="Identity",
        facts=_facts(
            card["identity"],
            (
                "identifier=id",
                "name=model",
                "version=number",
                "date added=added",
                "stage",
                "roles",
                "project",
            ),
            ("registered in=environment", "remote path=location", "digest=artifact", "format", "bytes=size"),
            ("tags", "protected"),
        ),
    )
    yield Section(
        title="Intended use",
        facts=_facts(card["use"], ("use=intended_use", "risk", "owners", "may go live until=expires")),
    )
    yield Section(
        title="Training data",
        facts=_facts(
            training | training["labels"] | {"rows": training["rows"], "as_of": exact(training["as_of"])},
            ("as of=as_of", "rows", "label", "labels=counts", "mean label=mean", "median label=median"),
            ("feature views=features", "parameters"),
        ),
        rows=_rows(
            [{**each, "as_of": exact(each["as_of"])} for each in training["snapshots"]],
            ("source", "rows", "left out=quarantined", "from=first", "to=last", "known at=as_of", "digest"),
        ),
    )
    yield Section(
        title="Schema and signature",
        facts=_facts(card, ("task", "classes")),
        rows=_rows(
            [_input(card, column) for column in card["inputs"]],
            ("input=name", "type=dtype", "nullable", f"nulls in {rows}=nulls", f"in {rows}=held"),
        ),
    )


def _measured(card: Card) -> Iterable[Section]:
    rows, largest = card["measured_on"], sorted(card["slices"], key=lambda part: -part["rows"])[:SHOWN]
    yield Section(
        title="Metrics",
        says=f"Measured by the gate on {rows} rows of the holdout." if rows else "",
        rows=_rows(
            [
                {
                    **score,
                    "sure": _between(score, "low", "high"),
                    "gained": _between(score, "gain_low", "gain_high"),
                }
                for score in card["scores"]
            ],
            (
                "metric",
                "by the run=recorded",
                "on the holdout=holdout",
                "95 %=sure",
                "best constant=constant",
            ),
            ("gain over the champion=gain", "95 % of the gain=gained"),
        ),
    )
    none = "No slice is answered worse than the rest by more than chance."
    yield Section(
        title="Worst slices",
        says=none if rows and not card["worst"] else "",
        rows=_rows(card["worst"], ("slice", "rows", "loss", "elsewhere=rest", "by chance=chance")),
    )
    yield Section(
        title="Largest slices",
        rows=_rows(
            [part | part["metrics"] for part in largest],
            ("slice", "rows", *dict.fromkeys(name for part in largest for name in part["metrics"])),
        ),
    )
    yield Section(
        title="Calibration",
        facts=_facts(card, ("expected calibration error=calibration_error",)),
        rows=_rows(card["reliability"], ("rows", "answered on average=answered", "happened")),
    )


def _judged(card: Card) -> Iterable[Section]:
    yield Section(
        title="Gate",
        says="" if card["verdicts"] else "No gate has judged this version yet.",
        rows=_rows(card["verdicts"], ("environment", "time", "check", "passed", "waived", "why")),
    )
    yield Section(
        title="Sign-offs and waivers",
        rows=_rows(
            [{**each, "what": "sign-off", "since": each["time"]} for each in card["sign_offs"]]
            + [{**each, "what": f"waiver of {each['check']}"} for each in card["waivers"]],
            ("what", "environment", "by=actor", "time=since", "until", "why"),
        ),
    )
    said = card["governance"]
    if said.get("imported"):
        yield Section(
            title="Governance",
            says=UNKNOWN,
            facts=_facts(
                said | said["imported"],
                ("imported by=actor", "imported from=from", "as", "digest of what was imported=digest"),
                ("read though it is a pickle, because=unsafe", "release", "run"),
            ),
        )
        return
    yield Section(
        title="Governance",
        facts=_facts(
            said,
            ("author", "approvals", "trained by=actor", "commit", "release", "run"),
            ("served as a pickle, because=unsafe_pickle",),
        ),
    )


def _lived(card: Card) -> Iterable[Section]:
    ever = card["runtime"].get("predictions") or card["service"]
    yield Section(
        title="In service",
        says="" if ever else "It has not answered as champion yet.",
        facts=_facts(
            card["runtime"] | card["service"] if ever else {},
            ("answered as champion=predictions", "truths known=labelled", "first day=first", "last day=last"),
            ("metrics of the newest day=metrics", "drift of the newest day=drift"),
            ("requests since start=requests", "ms at p50=p50", "ms at p95=p95", "ms at p99=p99", "refused"),
        ),
    )
    yield Section(
        title="Example requests",
        rows=_rows(
            [
                {**each["inputs"], "answer": each["label"], "with score": each["score"]}
                for each in card["examples"]
            ],
            (*(column["name"] for column in card["inputs"]), "answer", "with score"),
        ),
    )
    yield Section(
        title="History of roles",
        rows=_rows(card["history"], ("time", "environment", "role", "by=actor", "why")),
    )
    yield Section(title="Conversion", facts=_facts(card["parity"], card["parity"]))
    yield Section(title="Dependencies", facts=_facts(card["dependencies"], sorted(card["dependencies"])))


def _input(card: Card, column: Mapping[str, Any]) -> dict[str, Any]:
    """An input with what its column held in training."""
    known = next((each for each in card["profile"] if each["name"] == column["name"]), None)
    if not known or not known["count"]:
        return dict(column)
    if known["edges"]:
        held = f"{human(known['low'])} to {human(known['high'])}, {human(known['mean'])} on average"
    else:
        held = ", ".join([*list(known["top"])[:SHOWN], *(["…"] if len(known["top"]) > SHOWN else [])])
    return {**column, "nulls": known["nulls"], "held": held}


def _between(score: Mapping[str, Any], low: str, high: str) -> str:
    return "" if score[low] is None else f"{human(score[low])} to {human(score[high])}"


def _facts(of: Mapping[str, Any], *columns: Iterable[str]) -> dict[str, str]:
    """What there is of some values, in words; a column is a key, or `heading=key`."""
    return {heading: text for heading, text in _told(of, columns) if text}


def _rows(of: Sequence[Mapping[str, Any]], *columns: Iterable[str]) -> tuple[dict[str, str], ...]:
    return tuple(dict(_told(row, columns)) for row in of)


def _told(of: Mapping[str, Any], columns: Iterable[Iterable[str]]) -> Iterable[tuple[str, str]]:
    for column in (name for names in columns for name in names):
        heading, _, key = column.partition("=")
        yield heading, human(of.get(key or heading))
