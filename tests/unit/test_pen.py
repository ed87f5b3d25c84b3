"""What a pen writes for many at once is what is written for each alone."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.answers import Scored, answer_of, record_of, taken_apart
from penstock.serving.columns import Question, Row, whole
from penstock.serving.encode import encode_answer
from penstock.serving.pen import Pen

NOW = datetime(2013, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
CLASSES = {(): "regression", ("false", "true"): "binary", ('a"b', "100 %", "ü"): "multiclass"}


def question(rows: int, name: str) -> Question:
    columns = {"wind": [1.5, None, -3e30][:rows], "100 %": ["ü", "a,b", '"'][:rows]}
    return Question(columns, rows, name, written=tuple(map(msgspec.json.encode, columns.values())))


def row(name: str) -> Row:
    columns = {"wind": 1.5, "100 %": "ü"}
    return Row(
        tuple(columns), tuple(columns.values()), name, tuple(map(msgspec.json.encode, columns.values()))
    )


@pytest.mark.parametrize("redact", [(), ("100 %",)], ids=["whole", "redacted"])
@pytest.mark.parametrize("classes", CLASSES, ids=CLASSES.values())
def test_a_pen_writes_what_is_written_for_each_alone(
    classes: tuple[str, ...], redact: tuple[str, ...]
) -> None:
    inputs = (Column(name="wind", dtype="float", nullable=True), Column(name="100 %", dtype="string"))
    signature = Signature(inputs=inputs, task=CLASSES[classes], classes=classes)
    asked = [question(1, "order-7"), question(3, 'ü"'), question(1, "x" * 32)]
    score = [0.1, 1e-9, 12345.678, 1.0, 2 / 3]
    labels = [*classes, *classes, *classes][:5] or [f"{value:.6g}" for value in score]
    scored: Scored = (
        score,
        labels,
        [[each, 0.5, 1 / 3][: len(classes)] for each in score] if classes else [],
    )
    pen = Pen(signature, redact, place=('de"lay', 3, "champion", "100 %"))
    written = zip(*pen.write(scored, asked, [each.id for each in asked], NOW), strict=True)
    for each, (reply, line), found in zip(asked, written, taken_apart(scored, [1, 3, 1]), strict=True):
        answer = answer_of(found, first_id=each.id, model='de"lay', version=3, variant="champion")
        assert reply == encode_answer(answer)
        assert line == msgspec.json.encode(record_of(answer, each, "100 %", NOW, redact)) + b"\n"
    alone = [row(name) for name in ("order-7", 'ü"', "x", "y", "z")]
    written = zip(*pen.write_rows(scored, alone, [each.id for each in alone], NOW), strict=True)
    for each, (reply, line), found in zip(
        map(whole, alone), written, taken_apart(scored, [1] * 5), strict=True
    ):
        answer = answer_of(found, first_id=each.id, model='de"lay', version=3, variant="champion")
        assert reply == encode_answer(answer)
        assert line == msgspec.json.encode(record_of(answer, each, "100 %", NOW, redact)) + b"\n"


def test_a_pen_writes_nothing_of_what_is_not_finite() -> None:
    signature = Signature(inputs=(Column(name="wind", dtype="float"),), task="regression", classes=())
    pen = Pen(signature, (), place=("delay", 1, "champion", "test"))
    asked = Question({"wind": [1.0]}, 1, written=(b"[1.0]",))
    assert pen.write(([float("nan")], ["nan"], []), [asked], ["a"], NOW) == ([], [])
    assert pen.write_rows(([float("inf")], ["inf"], []), [row("a")], ["a"], NOW) == ([], [])
