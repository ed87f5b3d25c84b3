"""The table `[tests]` of `penstock.toml`: how a build tests, and which automatic tests are waived."""

from __future__ import annotations

import msgspec

from penstock.revisions.config.tables import Table

AUTOMATIC = {
    "end_to_end": "The pipeline runs on a sample, from its rows to a model that can be published.",
    "artifacts": "Each step gives what it promises: the annotated type, some rows, one per key, no NaN.",
    "unique_keys": "The key of a source tells its rows apart.",
    "steady": "No column of a source becomes another at one moment, or is of another order in one group.",
    "no_future": "A feature is the same whether later rows are there or not, and without its row's label.",
    "own_rows": "A feature is made of the rows of its entity, not of those of others.",
    "same_moment": "A feature does not depend on the order of rows of one moment.",
    "lost_values": "No text stays unread, no difference and no gap is lost on the way into a feature.",
    "finite": "Empty, constant, null, unseen or huge values make no NaN or infinity of features and answers.",
    "arrives": "The features of a view reach the rows that they are joined to, and are not stale.",
    "unused": "Each feature that is made is an input of some model.",
    "learns": "Training on a tiny batch finds a signal that was planted there, and answers vary.",
    "every_input": "Each input of the model can change its answers, and none is the copy of another.",
    "determinism": "Training twice on the same rows, at two dates and as two processes, gives the same.",
    "unseen_holdout": "What the model learned does not depend on the rows of the holdout.",
    "shuffled_labels": "With shuffled labels the quality is gone, and the model is another.",
    "leaked_target": "No input alone tells the label.",
    "fitted_rows": "The rows that the model is fitted on are not chosen by what is in them.",
    "fitted_values": "The values and labels that the model is fitted on are those of its rows.",
    "all_rows": "Of more rows more reach the fit: no limit was left in.",
    "own_answers": "No estimator learns from what another answers to the rows that it was fitted on.",
    "weights": "Rows do not weigh the less the newer they are.",
    "chosen": "A step that chooses among models gives the best of them on its rows.",
    "sentinels": "No constant far from all other values reaches an estimator that weighs columns by scale.",
    "honest_metrics": "The metrics reported are what the model earns on the holdout as requests bring it.",
    "beats_constant": "On the holdout the model is surely better than one answer to all rows.",
    "unbiased": "The answers of a regression to its training rows lie around their labels.",
    "alone": "A row gets the same answer alone, in any batch and in any order.",
    "parity": "The saved model answers in the serving runtime as it did where it was trained.",
}
"""The automatic tests by name, and what each of them holds a project to."""
LONGEST = "10m"


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """An automatic test that may fail, `of` one view, step, pipeline or model (of all if empty), and why."""

    test: str
    reason: str
    of: str = ""


class TestsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the automatic tests are done: on at most `rows` rows to train on, and half as many in the holdout.

    They are read below the project's data root, or where `sample` is set below that folder of the project.
    A test of the project is given up after `longest`, a duration. The project's tests have to run
    `coverage` percent of the lines of each module with feature views.
    """

    __test__ = False

    rows: int = 2000
    sample: str = ""
    waive: tuple[Waiver, ...] = ()
    longest: str = LONGEST
    coverage: int = 0


def read_tests(table: Table) -> TestsConfig:
    """Read the table. Raises InvalidProject with the line, and the test that was perhaps meant."""
    table.allow("rows", "sample", "waive", "longest", "coverage")
    sample = table.get("sample", str, "")
    if sample.startswith("/") or ".." in sample.split("/"):
        table.refuse(
            "sample", "'sample' leaves the project", expected="a folder of the project", found=repr(sample)
        )
    waivers = tuple(_waiver(item) for item in table.tables("waive"))
    rows, longest = table.number("rows", 2000, least=200), table.span("longest", LONGEST)
    coverage = table.number("coverage", 0, least=0)
    if coverage > 100:
        table.refuse(
            "coverage", "'coverage' has an impossible value", expected="a percentage", found=str(coverage)
        )
    return TestsConfig(rows=rows, sample=sample, waive=waivers, longest=longest, coverage=coverage)


def _waiver(table: Table) -> Waiver:
    table.allow("test", "of", "reason")
    test, reason = table.choice("test", AUTOMATIC), table.get("reason", str)
    if not reason.strip():
        table.refuse(
            "reason", f"the waiver of {test!r} gives no reason", expected="why it may fail, in a sentence"
        )
    return Waiver(test=test, of=table.get("of", str, ""), reason=reason.strip())
