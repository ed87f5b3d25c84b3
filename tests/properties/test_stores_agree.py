"""The fake store and the SQL store give the same answers, whatever is done to them in any order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.adapters.storage import open_store
from penstock.core.errors import PenstockError
from penstock.lineage.ports import Between, Reader, Store, Transaction
from penstock.lineage.service import Ledger
from penstock.monitoring.types import Prediction
from penstock.runs.types import Run
from penstock.testing.contracts.examples import NOON, Changed, firing, happened, prediction
from penstock.testing.fakes import MemoryStore
from penstock.triggers.types import Firing

keys = st.sampled_from("abcd")
moments = st.integers(-2, 2).map(lambda hours: NOON + timedelta(hours=hours))
truths = st.none() | st.sampled_from([0.0, 0.5, 1.0]) | st.floats()
predictions = st.builds(
    prediction, keys, time=moments, truth=truths, version=st.integers(1, 3), label=st.text()
)
firings = st.builds(
    firing, keys, st.sampled_from(["monday", "tuesday", "friday"]), events=st.tuples(st.integers())
)
nouns = st.lists(predictions | firings, max_size=3)
events = st.lists(
    st.builds(
        happened,
        st.sampled_from(["run.queued", "run.failed"]),
        minutes=st.integers(0, 3),
        evidence=st.dictionaries(st.text(), st.none() | st.integers() | st.floats() | st.text(), max_size=2),
        cause=st.none() | st.integers(1, 3),
    ),
    max_size=3,
)
some_keys = st.lists(keys, max_size=3).map(tuple)
finite = st.floats(allow_nan=False, allow_infinity=False)
questions = st.fixed_dictionaries(
    {},
    optional={
        "id": keys | some_keys,
        "version": st.integers(1, 3) | st.tuples(st.integers(1, 3)),
        "truth": st.none()
        | st.tuples(st.none(), finite)
        | st.builds(Between, st.none() | finite, st.none() | finite),
        "time": moments | st.builds(Between, st.none() | moments, st.none() | moments),
        "label": st.text(),
    },
)
orders = st.sampled_from(
    ["", "id", "-id", "time", "-time", "truth", "-truth", "version", "-version", "label", "-label"]
)


class StoresAgree(RuleBasedStateMachine):
    """The fake store and a SQL store, empty, to both of which the same is done."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.stores: list[Store] = [MemoryStore(), self.empty()]
        self.transactions: list[Transaction] = []
        self.held: list[ExitStack] = []

    def empty(self) -> Store:
        """A SQL store in which nothing is."""
        folder = self.open.enter_context(tempfile.TemporaryDirectory())
        return self.open.enter_context(closing(open_store(Path(folder) / "penstock.db")))

    def teardown(self) -> None:
        if self.transactions:
            self.end(commit=False)
        self.open.close()

    def both(self, ask: Callable[[Any], Any]) -> None:
        """Ask both stores, inside the open transaction if there is one, and compare answers and errors."""
        if self.transactions:
            answers = [answer(ask, tx) for tx in self.transactions]
        else:
            answers = []
            for store in self.stores:
                with store.read() as reader:
                    answers.append(answer(ask, reader))
        assert answers[0] == answers[1]

    @precondition(lambda self: not self.transactions)
    @rule()
    def begin(self) -> None:
        self.held = [ExitStack() for _ in self.stores]
        self.transactions = [
            stack.enter_context(store.begin()) for stack, store in zip(self.held, self.stores, strict=True)
        ]

    @precondition(lambda self: self.transactions)
    @rule(commit=st.booleans())
    def end(self, commit: bool) -> None:
        changed = None if commit else Changed()
        for stack in self.held:
            taken_back = stack.__exit__(type(changed) if changed else None, changed, None)
            assert not taken_back
        self.transactions = []

    @precondition(lambda self: self.transactions)
    @rule(some=nouns)
    def add(self, some: list[Any]) -> None:
        self.both(lambda tx: written(tx.add, some))

    @precondition(lambda self: self.transactions)
    @rule(some=nouns)
    def put(self, some: list[Any]) -> None:
        self.both(lambda tx: written(tx.put, some))

    @precondition(lambda self: self.transactions)
    @rule(some=events)
    def publish(self, some: list[Any]) -> None:
        self.both(lambda tx: tx.publish(*some))

    @precondition(lambda self: self.transactions)
    @rule(kind=st.sampled_from([Run, Firing]))
    def mint(self, kind: type[Any]) -> None:
        self.both(lambda tx: tx.mint(kind))

    @rule(key=keys, kind=st.sampled_from([Prediction, Firing]))
    def get(self, key: str, kind: type[Any]) -> None:
        self.both(lambda reader: reader.get(kind, key))

    @rule(where=questions, order=orders, limit=st.integers(0, 3))
    def find(self, where: dict[str, Any], order: str, limit: int) -> None:
        self.both(lambda reader: reader.find(Prediction, order=order, limit=limit, **where))
        self.both(lambda reader: reader.count(Prediction, **where))

    @rule(
        after=st.integers(0, 5),
        limit=st.integers(0, 3),
        kind=st.sampled_from(["run.queued", ("run.failed",)]),
    )
    def ask_for_events(self, after: int, limit: int, kind: Any) -> None:
        self.both(lambda reader: reader.events(after=after, limit=limit, kind=kind))

    @invariant()
    def everything_is_the_same(self) -> None:
        self.both(lambda reader: [reader.find(Prediction), reader.find(Firing), reader.events()])

    @precondition(lambda self: not self.transactions)
    @invariant()
    def the_ledger_is_whole(self) -> None:
        assert all(Ledger(store).verify().ok for store in self.stores)


def written(write: Callable[..., None], nouns: list[Any]) -> str:
    """Whether several nouns were taken; which of several refusals comes first is not promised."""
    try:
        write(*nouns)
    except PenstockError:
        if len(nouns) > 1:
            return "refused"
        raise
    return "written"


def answer(ask: Callable[[Any], Any], reader: Reader) -> Any:
    """What came back, or the kind of refusal."""
    try:
        return ask(reader)
    except PenstockError as refusal:
        return type(refusal)


TestStoresAgree = StoresAgree.TestCase
TestStoresAgree.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_on_postgresql_as_well(on_postgres: Callable[..., None]) -> None:
    on_postgres(StoresAgree, examples=8, steps=25)
