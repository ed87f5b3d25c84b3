"""Predictions of whole files: what fits is answered, what does not is told apart, nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from math import exp, isnan
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
import pytest
from msgspec.structs import replace

from penstock.adapters.batch import job, lookups, served
from penstock.adapters.batch.job import Batch, plan, work
from penstock.adapters.batch.lookups import Online
from penstock.adapters.batch.reading import chunks_of
from penstock.adapters.batch.served import ServedRuntime
from penstock.adapters.remote import PredictionClient
from penstock.core.errors import Conflict, InvalidValue, NotFound
from penstock.datasets.types import Column
from penstock.features.types import Computed, OnlineView, Origins
from penstock.models.types import Signature
from penstock.serving.encode import encode_answer, row_ids
from penstock.serving.feast import NEVER, Told, ToldFeatures
from penstock.serving.types import Answer
from penstock.testing.prediction import SigmoidRuntime

SIGNATURE = Signature(
    task="binary",
    inputs=(
        Column(name="wind", dtype="float", nullable=True),
        Column(name="stops", dtype="int"),
        Column(name="carrier", dtype="string", nullable=True),
        Column(name="wet", dtype="bool", nullable=True),
    ),
    classes=("false", "true"),
)
VERSION: dict[str, Any] = {
    "id": "delay@3", "artifact": "a" * 64, "signature": msgspec.to_builtins(SIGNATURE), "format": "onnx",
    "training": {},
}  # fmt: skip


class Plain:
    """Answers by the wind; what it was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def predict(self, columns: Any) -> tuple[list[float], list[str], list[list[float]]]:
        plain = {
            name: [None if isinstance(value, float) and isnan(value) else value for value in values]
            for name, values in columns.items()
        }
        self.asked.append(plain)
        score = [min(1.0, (wind or 0.0) / 10) for wind in plain["wind"]]
        return score, [str(s > 0.5).lower() for s in score], [[1 - s, s] for s in score]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "CHUNK", 3)


def rows(count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "key": [f"k{n}" for n in range(count)],
            "wind": [float(n) for n in range(count)],
            "stops": list(range(count)),
            "carrier": ["UA", None] * (count // 2) + ["B6"] * (count % 2),
            "wet": [True, None] * (count // 2) + [False] * (count % 2),
        }
    )


def write(table: pl.DataFrame, path: Path) -> Path:
    {".csv": table.write_csv, ".jsonl": table.write_ndjson, ".parquet": table.write_parquet}[path.suffix](
        path
    )
    return path


def read(path: Path) -> pl.DataFrame:
    return {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}[path.suffix](path)


@pytest.mark.parametrize("given", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("wanted", [".csv", ".jsonl", ".parquet"])
def test_each_row_is_answered_in_its_place_whatever_the_files_are(
    given: str, wanted: str, tmp_path: Path
) -> None:
    source, output = write(rows(8), tmp_path / f"in{given}"), tmp_path / f"out{wanted}"
    runtime, heard = Plain(), []
    done = work(plan(VERSION, source, output, ("key",)), runtime, output, heard.append)
    assert (done.predicted, done.misfits, done.refused) == (8, 0, "")
    assert [len(asked["wind"]) for asked in runtime.asked] == [3, 3, 2]
    assert runtime.asked[0] == {"wind": [0.0, 1.0, 2.0], "stops": [0, 1, 2], "carrier": ["UA", None, "UA"],
                                "wet": [True, None, True]}  # fmt: skip
    found = read(output)
    answers = "prediction_id prediction score probability_false probability_true model_version"
    assert found.columns == ["key", *answers.split()]
    assert found["key"].to_list() == [f"k{n}" for n in range(8)]
    assert found["score"].to_list() == [n / 10 for n in range(8)]
    assert found["prediction_id"].n_unique() == 8
    assert sum(heard) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in{given}", f"out{wanted}"]


def test_rows_that_do_not_fit_are_told_apart_with_their_reason(tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text(
        "key,wind,stops,carrier,wet\n"
        "a,1,1,UA,true\nb,much,1,UA,0\nc,,1.0,,\nd,1,1.5,UA,1\ne,inf,1,UA,no\nf,1,,UA,false\ng,nan,7,UA,FALSE\n"
    )
    runtime = Plain()
    done = work(plan(VERSION, source, output, None), runtime, output, lambda _: None)
    assert (done.predicted, done.misfits) == (3, 4)
    assert read(output)["key"].to_list() == ["a", "c", "g"]
    told = [json.loads(line) for line in Path(done.refused).read_text().splitlines()]
    assert [(each["row"], each["column"], each["value"], each["why"]) for each in told] == [
        (2, "wind", "much", "expected a number"),
        (4, "stops", "1.5", "expected a whole number"),
        (5, "wind", "inf", "expected a number"),
        (6, "stops", None, "the value is missing"),
    ]
    asked = {name: [v for each in runtime.asked for v in each[name]] for name in ("wind", "stops", "wet")}
    assert asked == {"wind": [1.0, None, None], "stops": [1, 1, 7], "wet": [True, None, False]}


def test_a_line_that_is_no_object_is_told_apart(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    good = json.dumps({"key": "a", "wind": 1, "stops": 2, "carrier": "UA", "wet": None})
    source.write_text(f'{good}\n{{"wind":\n[1]\n{good}\n')
    done = work(plan(VERSION, source, output, ("key",)), Plain(), output, lambda _: None)
    assert (done.predicted, done.misfits) == (2, 2)
    told = [json.loads(line) for line in Path(done.refused).read_text().splitlines()]
    assert [each["row"] for each in told] == [2, 3]
    assert all(each["why"].startswith("the line is no JSON object") for each in told)


def test_what_cannot_be_asked_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    source, output = write(rows(2), tmp_path / "in.csv"), tmp_path / "out.csv"
    with pytest.raises(InvalidValue, match=r"lacks columns of the model.*stops.*Did you mean"):
        plan(VERSION, write(rows(2).rename({"stops": "stop"}), tmp_path / "other.csv"), output, None)
    with pytest.raises(InvalidValue, match=r"no column 'kye' to keep.*key"):
        plan(VERSION, source, output, ("kye",))
    with pytest.raises(InvalidValue, match=r"called as those of the answers.*score.*--keep"):
        plan(VERSION, write(rows(2).rename({"key": "score"}), tmp_path / "score.csv"), output, None)
    with pytest.raises(InvalidValue, match=r"\.csv.*out\.xlsx"):
        plan(VERSION, source, tmp_path / "out.xlsx", None)
    with pytest.raises(InvalidValue, match=r"take the place of .*in\.csv"):
        plan(VERSION, source, source, None)
    with pytest.raises(NotFound, match="no file"):
        plan(VERSION, tmp_path / "none.csv", output, None)
    assert not output.exists()


LOAD = OnlineView(
    name="load", entity=(Column(name="stops", dtype="int"),), features=("wind", "wet"), required=True
)
GALE = Computed(name="gale", text="wind * factor", of=("wind", "factor"))
READING: dict[str, Any] = VERSION | {
    "training": {
        "origins": msgspec.to_builtins(
            Origins(
                views=(LOAD,),
                computed=(GALE,),
                made_of=(Column(name="wind", dtype="float"), Column(name="factor", dtype="float")),
            )
        )
    },
    "signature": msgspec.to_builtins(
        replace(SIGNATURE, inputs=(*SIGNATURE.inputs, Column(name="gale", dtype="float", nullable=True)))
    ),
}


class Shelf:
    """Has the load of even stops, an hour old, as the system tells it."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], Any]] = []

    def ask(self, features: list[str], entities: Any) -> ToldFeatures:
        self.asked.append((features, dict(entities)))
        [keys] = entities.values()
        known = [key is not None and key % 2 == 0 for key in keys]
        values = {"load:wind": [key / 2 if each else None for key, each in zip(keys, known, strict=True)],
                  "load:wet": [None] * len(keys)}  # fmt: skip
        statuses = {"load:wind": "PRESENT", "load:wet": "NULL_VALUE"}
        events = ["2024-05-01T11:00:00Z" if each else NEVER for each in known]
        results = [Told(keys, [], [])] + [
            Told(values[name], [statuses[name] if each else "NOT_FOUND" for each in known], events)
            for name in features
        ]
        return msgspec.convert(
            {"metadata": {"feature_names": features}, "results": msgspec.to_builtins(results)}, ToldFeatures
        )

    def online(self) -> Online:
        return Online(self.ask, lambda: datetime(2024, 5, 1, 12, tzinfo=UTC))


def test_rows_that_name_entities_get_their_features_chunk_by_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "AT_ONCE", 2)
    source, output = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text(
        "key,stops,carrier,factor\na,0,UA,3\nb,1,UA,3\nc,4,,3\nd,x,UA,3\ne,6,UA,much\nf,8,UA,\n"
    )
    shelf, runtime = Shelf(), Plain()
    batch = plan(READING, source, output, ("key",), ages=True)
    done = work(batch, runtime, output, lambda _: None, shelf.online())
    assert shelf.asked[0] == (["load:wind", "load:wet"], {"stops": [None]}), "can it be read at all?"
    assert [asked["stops"] for _, asked in shelf.asked[1:]] == [[0, 1], [4], [None, 6], [8]]
    told = [json.loads(line) for line in Path(done.refused).read_text().splitlines()]
    assert [(each["row"], each["column"], each["why"]) for each in told] == [
        (2, "wind", "nothing of load counts for stops=1: NOT_FOUND"),
        (4, "stops", "expected a whole number"),
        (5, "factor", "expected a number"),
    ]
    assert [asked["gale"] for asked in runtime.asked] == [[0.0, 6.0], [None]]
    assert [asked["wind"] for asked in runtime.asked] == [[0.0, 2.0], [4.0]]
    found = read(output)
    assert found.columns[:2] + found.columns[-2:] == ["key", "prediction_id", "status_load", "age_load"]
    assert found.select("key", "status_load", "age_load").rows() == [
        ("a", "PRESENT", 3600.0), ("c", "PRESENT", 3600.0), ("f", "PRESENT", 3600.0)]  # fmt: skip


def test_a_column_that_a_table_has_is_as_it_is_given_and_only_others_are_looked_up(tmp_path: Path) -> None:
    table = pl.DataFrame({"stops": [2, 4], "carrier": ["UA", "UA"], "wind": [9.0, None], "gale": [1.0, 2.0]})
    source, output = write(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    shelf, runtime = Shelf(), Plain()
    work(plan(READING, source, output, None), runtime, output, lambda _: None, shelf.online())
    assert [features for features, _ in shelf.asked] == [["load:wet"]] * 2
    assert runtime.asked[0]["wind"] == [9.0, None]
    assert runtime.asked[0]["gale"] == [1.0, 2.0]
    assert "age_load" not in read(output).columns


def test_a_table_without_features_and_entities_and_a_view_that_nobody_reads_are_refused_at_once(
    tmp_path: Path,
) -> None:
    def away(*_: Any) -> Any:
        raise NotFound(what="load has no online values in production yet.")

    output = tmp_path / "out.csv"
    lacking = write(rows(2).drop("wind", "stops"), tmp_path / "in.csv")
    with pytest.raises(
        InvalidValue, match=r"neither the features of load.*expected wind; or stops, by which"
    ):
        plan(READING, lacking, output, None)
    plain = write(rows(2), tmp_path / "plain.csv")
    with pytest.raises(
        InvalidValue, match=r"neither gale nor what it is computed of: expected gale; or factor"
    ):
        plan(READING, plain, output, None)
    named = write(rows(2).select("stops", "carrier", factor=pl.lit(1.0)), tmp_path / "named.csv")
    batch = plan(READING, named, output, None)
    with pytest.raises(NotFound, match="no online values in production"):
        work(batch, Plain(), output, lambda _: None, Shelf().online()._replace(ask=away))
    assert not any("out" in path.name for path in tmp_path.iterdir())


def test_a_version_that_only_its_library_answers_is_asked_of_the_service_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "AT_ONCE", 2)
    asked: list[Any] = []

    def service(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v2/models/delay/versions/3/infer"
        inputs = {each["name"]: each["data"] for each in json.loads(request.content)["inputs"]}
        asked.append(inputs["wind"])
        score, label, chances = map(tuple, SigmoidRuntime().predict(inputs))
        ids = row_ids("p", len(score))
        told = {"model": "delay", "version": 3, "variant": "direct", "score": score, "label": label}
        answer = Answer(ids=ids, probabilities=chances, **told)  # type: ignore[arg-type]
        return httpx.Response(200, content=encode_answer(answer))

    source = rows(5).with_columns(wind=pl.Series([1.0, None, 2.0, None, 3.0]))
    output = tmp_path / "out.csv"
    batch = plan(VERSION, write(source, tmp_path / "in.csv"), output, None)
    client = PredictionClient("http://service", transport=httpx.MockTransport(service))
    work(batch, ServedRuntime(client, "delay", 3, SIGNATURE), output, lambda _: None)
    assert asked == [[1.0, None], [2.0], [None, 3.0]]
    expected = [1 / (1 + exp(-wind)) for wind in (1.0, 0.0, 2.0, 0.0, 3.0)]
    assert read(output)["score"].to_list() == pytest.approx(expected)
    assert read(output)["probability_true"].to_list() == pytest.approx(expected)


def test_a_file_without_rows_gives_one_without_answers(tmp_path: Path) -> None:
    source, output = write(rows(0), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    assert work(plan(VERSION, source, output, None), Plain(), output, lambda _: None).predicted == 0
    assert read(output).is_empty()


KILLED = """\
import os, signal, sys
from pathlib import Path
import msgspec
from penstock.adapters.batch import job
from penstock.testing.prediction import SigmoidRuntime

job.CHUNK = 3
strike, replaced = int(sys.argv[3]), Path.rename
def rename(self, target):
    global strike
    strike -= 1
    if strike == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replaced(self, target)
Path.rename = rename
batch = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=job.Batch)
print(msgspec.json.encode(job.work(batch, SigmoidRuntime(1), Path(sys.argv[2]), lambda more: None)).decode())
"""


def test_killed_at_any_point_it_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    source, output = write(rows(8), tmp_path / "in.csv"), tmp_path / "out.csv"
    batch = plan(VERSION, source, output, None)
    work(batch, SigmoidRuntime(1), tmp_path / "whole.csv", lambda _: None)
    (tmp_path / "batch.json").write_bytes(msgspec.json.encode(batch))
    ended, kills = -signal.SIGKILL, 0
    while ended == -signal.SIGKILL and kills < 9:  # each attempt but the first gets one chunk further
        command = [sys.executable, "-c", KILLED, str(tmp_path / "batch.json"), str(output), "4"]
        ended = subprocess.run(command, check=False, env=os.environ, stdout=subprocess.DEVNULL).returncode
        kills += 1
    assert (ended, kills) == (0, 4)
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_killed_while_its_parts_are_removed_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = write(rows(8).with_columns(stops=0.5), tmp_path / "in.parquet"), tmp_path / "out.csv"
    batch, unlink = plan(VERSION, source, output, None), Path.unlink
    removed: list[Path] = []

    for before in range(10):  # three files of each part, and the manifest

        def killed(path: Path, before: int = before) -> None:
            if len(removed) == before:
                raise KeyboardInterrupt
            removed.append(path)
            unlink(path)

        monkeypatch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            work(batch, Plain(), output, lambda _: None)
        monkeypatch.undo()
        monkeypatch.setattr(job, "CHUNK", 3)
        assert work(batch, Plain(), output, lambda _: None).misfits == 8
        removed.clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.parquet",
        "out.csv",
        "out.csv.refused.jsonl",
    ]


def test_another_batch_does_not_go_on_where_one_was_begun(tmp_path: Path) -> None:
    source, output = write(rows(8), tmp_path / "in.csv"), tmp_path / "out.csv"
    batch = plan(VERSION, source, output, None)

    def full(_more: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(Exception, match=r"No space left.*goes on"):
        work(batch, Plain(), output, full)
    other: Batch = msgspec.structs.replace(batch, version="delay@4", artifact="b" * 64)
    with pytest.raises(Conflict, match=r"Another batch was begun in .*out\.csv\.part"):
        work(other, Plain(), output, lambda _: None)
    assert work(batch, Plain(), output, lambda _: None).predicted == 8


def test_large_files_are_read_in_chunks_of_their_rows_in_order(tmp_path: Path) -> None:
    source = write(rows(1000), tmp_path / "in.parquet")
    found = list(chunks_of(source, 300, 1))
    assert [(chunk.first, chunk.rows.height) for chunk in found] == [(300, 300), (600, 300), (900, 100)]
    assert pl.concat([chunk.rows for chunk in found])["stops"].to_list() == list(range(300, 1000))


def test_rows_that_are_not_as_those_of_training_are_answered_and_told_of(tmp_path: Path) -> None:
    rules = {
        "wind": {"at_most": 4.0, "refuse": False},
        "carrier": {"one_of": ["UA"]},
        "stops": {"nulls": 0.3},
    }
    version = {**VERSION, "training": {"expectations": {"columns": rules}}}
    source, output = write(rows(8), tmp_path / "in.parquet"), tmp_path / "out.csv"
    done = work(plan(version, source, output, None), Plain(), output, lambda _: None)
    assert done.predicted == 8
    assert list(map(str, done.unexpected)) == [
        "`wind` at_most 4.0: not so in 3 of 8 rows, such as 5.0 (row 6); 6.0 (row 7); 7.0 (row 8)"
    ]
