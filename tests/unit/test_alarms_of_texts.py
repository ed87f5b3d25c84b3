"""Alarms of columns of text: what they are about, beside what they were about in training."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from penstock.adapters.formats.publish import make_candidate
from penstock.adapters.formats.values import write
from penstock.datasets.days import Days, daily
from penstock.datasets.profiles import merge, profile, profile_like, unnamed
from penstock.datasets.texts import SIZE
from penstock.models.types import Signature, Version
from penstock.monitoring.alarms import Alarms
from penstock.monitoring.drift import IDENTIFIES, Judgement, calibrated, judged, shares, watched
from penstock.monitoring.service import Monitoring
from penstock.monitoring.types import Alarm, Window
from penstock.serving.types import LogRecord
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from tests.unit.test_monitoring import MemoryLog

DAY = timedelta(days=1)
BEGIN = datetime(2013, 1, 1, tzinfo=UTC)
COMMON = np.array([f"common{index}" for index in range(400)])
SUBJECTS = np.array([[f"subject{one}word{index}" for index in range(30)] for one in range(5)])
CHANCE = 1 / 90


def rows(
    random: np.random.Generator, day: int = 0, count: int = 300, new: float = 0.0, words: int = 10
) -> pl.DataFrame:
    """A day's reviews of four subjects, which are not asked for alike on all days, and of a fifth that is
    `new`.
    """
    shares = np.exp(0.2 * random.normal(size=4))
    of = random.choice(4, count, p=shares / shares.sum())
    of[random.random(count) < new] = 4
    lengths = np.maximum(3, random.poisson(words, count))
    which = np.repeat(of, lengths)
    said = np.where(
        random.random(len(which)) < 0.5,
        SUBJECTS[which, random.integers(0, 30, len(which))],
        COMMON[(400 * random.random(len(which)) ** 3).astype(int)],
    )
    texts = [" ".join(each) for each in np.split(said, np.cumsum(lengths)[:-1])]
    return pl.DataFrame({"review": texts, "late": of % 2 == 0}).with_columns(at=pl.lit(BEGIN + DAY * day))


def trained(random: np.random.Generator, days: int = 40) -> Days:
    past = pl.concat([rows(random, day) for day in range(days)])
    return daily(past, "at", profile(past, ["review"]))


def found(days: Days, windows: list[pl.DataFrame], **influence: float) -> list[Judgement]:
    columns, aside, unsaid = watched(days, ["review"])
    assert (aside, unsaid) == ({}, "")
    known = calibrated(columns, windows[0].height)
    seen = [profile_like(window, days.profile) for window in windows]
    return [
        judged(known, {c.name: c for c in each.columns}, days, influence, CHANCE, texts=each.texts)
        for each in seen
    ]


def test_a_text_becomes_the_same_bounded_numbers_everywhere() -> None:
    reference = profile(rows(np.random.default_rng(1), count=200), ["review"])
    [seen] = profile_like(pl.DataFrame({"review": ["Refund, REFUND 💥!"]}), reference).texts
    bits = np.unpackbits(np.frombuffer(blake2b(b"refund", digest_size=SIZE // 8).digest(), np.uint8))
    assert seen.sums[:SIZE] == pytest.approx((bits * 2.0 - 1) / np.sqrt(SIZE))
    assert seen.sums[SIZE] == pytest.approx(np.log(3))
    assert (seen.length, seen.new, set(seen.words.values())) == (2, {"refund": 1}, {0})
    odd = pl.DataFrame({"review": [None, "", "?!", "word " * 10_000]}, schema={"review": pl.String})
    [seen] = profile_like(odd, reference).texts
    assert (seen.rows, seen.length, seen.new) == (4, 400, {"word": 1}), "what is beyond 2,000 characters"
    assert np.abs(seen.sums[:SIZE]).max() <= 1


def test_statistics_of_parts_are_those_of_the_whole_in_whatever_order_they_merge() -> None:
    random = np.random.default_rng(2)
    parts = [rows(random, count=150, new=0.3) for _ in range(3)]
    reference = profile(parts[0], ["review"])
    whole = profile_like(pl.concat(parts), reference)
    each = [profile_like(part, reference) for part in parts]
    for merged in (reduce(merge, each), merge(each[0], merge(each[1], each[2]))):
        [text], [of_all] = merged.texts, whole.texts
        assert (text.rows, text.length, text.words) == (of_all.rows, of_all.length, of_all.words)
        assert text.sums == pytest.approx(of_all.sums)
    kept = msgspec.json.decode(msgspec.json.encode(whole), type=type(whole))
    assert kept == whole


def test_texts_are_told_from_categories_identifiers_and_what_people_may_not_see() -> None:
    count = 400
    frame = rows(np.random.default_rng(3), count=count).with_columns(
        order=pl.Series([f"A-{n} 2013" for n in range(count)]),
        carrier=pl.Series(["United Air Lines", "Jet Blue"] * (count // 2)),
        code=pl.Series([f"code{n}" for n in range(count)]),
        comment=pl.col("review"),
    )
    reference = profile(frame, ["review", "order", "carrier", "code", "comment"])
    assert [text.name for text in reference.texts] == ["review", "comment"]
    assert [text.name for text in unnamed(reference, ["comment"]).texts] == ["review"]


def test_of_an_identifier_nothing_is_said_beside_texts_that_are_watched() -> None:
    random = np.random.default_rng(4)
    past = pl.concat([rows(random, day, count=50) for day in range(30)]).with_row_index("order")
    past = past.with_columns(pl.col("order").cast(pl.String))
    days = daily(past, "at", profile(past, ["order", "review"]))
    columns, aside, _ = watched(days, ["order", "review"])
    assert (list(columns), aside) == (["review"], {"order": IDENTIFIES})
    old = replace(days, texts={}, profile=replace(days.profile, texts=()))
    assert watched(old, ["order", "review"])[1].keys() == {"order", "review"}, "of a version before this"


def test_texts_about_something_else_are_found_and_others_alarm_no_more_often_than_stated() -> None:
    false = total = 0
    for seed in range(4):
        random = np.random.default_rng(seed)
        days = trained(random)
        still = [rows(random) for _ in range(60)]
        other = [rows(random, new=0.5) for _ in range(5)]
        short = [rows(random, words=6) for _ in range(5)]
        false += sum(bool(each.moved) for each in found(days, still))
        total += len(still)
        assert all(each.moved for each in found(days, other + short))
    assert false <= 6, f"of {total} that one in ninety may"


def test_an_alarm_names_the_column_and_the_words_that_came_and_went() -> None:
    random = np.random.default_rng(5)
    days = trained(random)
    [many] = found(days, [rows(random, count=2_000, new=0.9)])
    [other, short, gone] = found(
        days,
        [
            rows(random, new=0.8),
            rows(random, words=4),
            rows(random).with_columns(review=pl.when(pl.int_range(300) % 3 > 0).then("review")),
        ],
    )
    [moved] = other.moved
    assert (moved.column, moved.distance, moved.psi) == ("review", None, None)
    assert "times as far from training as days are, more often: subject4word" in moved.how
    assert moved.how.count("subject4word") == 3
    assert "less often: " in many.moved[0].how
    assert "subject4" not in many.moved[0].how.partition("less often: ")[2]
    assert "words in a text from 10." in short.moved[0].how
    assert "values are missing in 100 of 300 rows, in training in none" in gone.moved[0].how
    [spared] = found(days, [rows(random, new=0.8)], review=0.001)
    assert (spared.moved, "answers hardly heed it" in spared.aside["review"]) == ((), True)


def test_a_model_of_reviews_is_watched_from_publishing_to_the_alarm() -> None:
    random = np.random.default_rng(6)
    past = pl.concat([rows(random, day, count=60) for day in range(30)])
    store, blobs, clock, log = MemoryStore(), MemoryBlobs(), FixedClock(BEGIN), MemoryLog()
    reference = profile(past, ["review"])
    schema: dict[str, Any] = {
        "columns": [{"name": "review", "dtype": "string", "nullable": False}],
        "label": "late",
        "examples": {"review": past["review"].head(300).to_list()},
        "profile": msgspec.to_builtins(reference),
        "days": msgspec.to_builtins(daily(past, "at", reference)),
        "time": "at",
    }
    words = ColumnTransformer([("words", TfidfVectorizer(), "review")])
    model = Pipeline([("words", words), ("fit", LogisticRegression())]).fit(past[["review"]], past["late"])
    candidate = make_candidate(
        name="delay", model=model, metrics={}, schema=schema, holdout=write(past, blobs), blobs=blobs
    )
    version = Delivered(store, blobs, clock).version()
    with store.begin() as tx:
        version = replace(
            version,
            signature=msgspec.convert(candidate.signature, Signature),
            profile=reference,
            days=candidate.days,
            influence=candidate.influence,
        )
        tx.put(version)
    assert candidate.influence == {"review": 1.0}
    monitoring, judge = Monitoring(store, blobs, log, clock), Alarms(store, blobs)
    for day, new in enumerate((0.0, 0.0, 0.9)):
        for part in range(2):
            asked = rows(random, count=100, new=new)
            log.files["a"].append(
                LogRecord(
                    ids=tuple(f"{day}/{part}/{index}" for index in range(100)),
                    time=clock.now(),
                    model="delay",
                    environment="production",
                    version=version.number,
                    variant="champion",
                    inputs={"review": asked["review"].to_list()},
                    score=(0.5,) * 100,
                    label=("",) * 100,
                )
            )
            monitoring.tick(clock.now())
        judge.tick(clock.advance(DAY))
    with store.read() as reader:
        [alarm], windows = reader.find(Alarm, what="inputs"), reader.find(Window, order="start")
        version = reader.get(Version, version.id)
    assert [moved.column for moved in alarm.columns] == ["review"]
    assert alarm.since == windows[-1].start
    assert "since 2013-01-03: review: what it is about is " in alarm.why
    [shown] = shares(version, windows[-1], alarm.columns)
    at = shown["cells"].index(next(cell for cell in shown["cells"] if cell.startswith("subject4")))
    assert shown["window"][at] > shown["training"][at]
    assert not any(" " in cell for cell in shown["cells"]), "words and no whole texts"
