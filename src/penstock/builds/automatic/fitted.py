"""Whether a model was fitted on the rows it was given: all kinds of them, with their values and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from penstock.builds.automatic.evidence import dependence
from penstock.builds.automatic.ports import Asked, Fit, Floats
from penstock.builds.automatic.rehearsal import Published
from penstock.builds.automatic.verdicts import NotJudged

OTHER = 0.05
"""Which share of the rows may be left out, or have other values than the row that they come from."""
FALSE_ALARM = 1e-3
"""How often rows that are left out at random may look as if they were chosen, over all columns of a model."""
_LEAST = 50
_SLICES = 40
_ENTITIES = 10
_LABEL, _ROW, _TIMES = "_label", "_row", "_times"


class _Met(NamedTuple):
    """Rows as they were fitted, beside the training rows that they come from."""

    columns: list[str]
    """By which they were told: the columns whose values are those of the training rows."""
    others: list[str]
    """The columns whose values are not."""
    fitted: pl.DataFrame
    train: pl.DataFrame


def fitted_values(published: Published, asked: Asked) -> None:
    """Compare the values and labels that the model was fitted on with those of the training rows.

    Whatever is done to them between `training_rows` and `fit` is not done to the rows of requests.
    Raises AssertionError.
    """
    met, name = _met(published, asked), published.name
    label = str(published.schema["label"])
    for column in met.others:
        values, own = met.fitted[column], met.train[column]
        strange = values.filter(~_among(values, own))
        example = _shown(strange[0]) if strange.len() else ""
        raise AssertionError(
            f"The model {name} is fitted on other values of `{column}` than its rows have"
            + (
                f": {strange.len() / values.len():.0%} are like {example}, which none of them holds"
                if example
                else ""
            )
            + f". Expected values such as {_shown(own.drop_nulls().first())}, which requests will bring: do "
            "inside the model's Pipeline, or in a feature view, what is done to the rows between "
            "`training_rows` and `fit`."
        )
    pairs = _pairs(met)
    if pairs.height < _LEAST:
        return
    labels = published.rows.train[label]
    wrong = _wrong_labels(pairs, labels, asked.classes)
    if wrong.mean() > OTHER:
        place = int(np.argmax(wrong))
        raise AssertionError(
            f"The model {name} is fitted on other labels than its rows have: {wrong.mean():.0%} differ, such "
            f"as {_shown(pairs['fitted'][place])} where `{label}` is "
            f"{_shown(labels[int(pairs['own'][place])])}. Expected the "
            "label of each row: look for a clip, a scale or a fill of the target that the model does not "
            "take "
            "back, and for rows and labels in different orders."
        )


def fitted_rows(published: Published, asked: Asked) -> None:
    """Ask whether the training rows that reach `fit` are chosen by what is in them.

    Leaving out spans of time, single entities as a whole, a random part, or more of one class than of the
    other is lawful. Otherwise rows left out, or taken more than once, must not depend on any column: a
    chi-squared test for each, within the classes of the label, of which together one in a thousand is wrong.
    Raises AssertionError.
    """
    met = _met(published, asked)
    source_label = str(published.schema["label"])
    rows = _times_taken(met, published.rows.train)
    rows = _whole_spans_aside(rows, published.time)
    times = rows[_TIMES].to_numpy()
    missing, doubled = (
        float((times == 0).sum() / max(1, len(times))),
        float((times > 1).sum() / max(1, len(times))),
    )
    if rows.height < _LEAST or max(missing, doubled) <= OTHER:
        return
    rows, entity = _whole_entities(rows)
    taken = rows[_TIMES].to_numpy().astype(np.float64)
    if rows.height < _LEAST or np.ptp(taken) == 0:
        return
    label = rows[source_label]
    within = label.cast(pl.String).to_numpy() if asked.classes else np.zeros(rows.height)
    names = [
        name
        for name in rows.columns
        if name not in {_TIMES, entity} and not (asked.classes and name == source_label)
    ]
    found = [(dependence(rows[name], taken, within), name) for name in names]
    (chance, where, share, usual), name = min(found, key=lambda each: each[0][0])
    if chance * len(names) < FALSE_ALARM and abs(share - usual) > OTHER:
        what = "left out" if missing >= doubled else "taken more than once"
        raise AssertionError(
            f"The model {published.name} is not fitted on rows like those that it will be asked: "
            f"{max(missing, doubled):.0%} of the training rows are {what}, and it depends on `{name}` which "
            f"({where}: each counts {share:.2f} times, on average {usual:.2f}). Expected all rows, or "
            "some at "
            "random: look for a filter, a join or a drop of duplicates before `fit`."
        )


def places(published: Published, asked: Asked, values: Floats) -> pl.DataFrame:
    """What belongs to each fitted row, as `fitted`, beside the place of its training row, `own`.

    Only rows are there that can be told by their values. Raises NotJudged.
    """
    met = _met(published, asked)
    return _pairs(met._replace(fitted=met.fitted.with_columns(pl.Series(_LABEL, values))))


def _met(published: Published, asked: Asked) -> _Met:
    fit = asked.fit
    if fit is None:
        raise NotJudged("How it was fitted was not seen: only a model fitted by one call of its `fit` is.")
    train = published.rows.train
    names = [name for name in fit.rows.columns if name in train.columns]
    if not names or fit.rows.is_empty():
        raise NotJudged("It is fitted on columns that the training rows do not have.")
    fitted, own = _comparable(fit, train, names)
    strange = {name: 1 - _among(fitted[name], own[name]).mean() for name in names}  # type: ignore[operator]
    others = [name for name in names if strange[name] > OTHER]
    columns = [name for name in names if name not in others]
    while columns and _found(fitted, own, columns) < 1 - OTHER:
        worst = max(columns, key=lambda out: _suspicion(fitted, own, columns, out))
        columns.remove(worst)
        others.append(worst)
    return _Met(columns, others, fitted, own)


def _comparable(fit: Fit, train: pl.DataFrame, names: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables with columns of one type each; numbers as 32-bit floats, NaN as null."""
    tables: tuple[list[pl.Series], list[pl.Series]] = ([], [])
    for name in names:
        pair = fit.rows[name], train[name]
        numbers = all(each.dtype.is_numeric() or each.dtype == pl.Boolean for each in pair)
        for table, each in zip(tables, pair, strict=True):
            if numbers:
                table.append(each.cast(pl.Float32).fill_nan(None).alias(name))
            else:
                table.append(each.cast(pl.String, strict=False).alias(name))
    fitted, own = (pl.DataFrame(table) for table in tables)
    return fitted.with_columns(fit.labels.alias(_LABEL)), own


def _among(values: pl.Series, others: pl.Series) -> pl.Series:
    return values.is_in(others.unique().implode(), nulls_equal=True)


def _found(fitted: pl.DataFrame, own: pl.DataFrame, columns: list[str]) -> float:
    if not columns:
        return 1.0
    return (
        fitted.join(own.select(columns).unique(), on=columns, how="semi", nulls_equal=True).height
        / fitted.height
    )


def _suspicion(
    fitted: pl.DataFrame, own: pl.DataFrame, columns: list[str], out: str
) -> tuple[float, float, int]:
    """How much better rows are found without a column; then how much oftener some values of it are there."""
    shares = [part[out].value_counts(normalize=True, name="share") for part in (fitted, own)]
    both = shares[0].join(shares[1], on=out, how="left", nulls_equal=True).fill_null(0.0)
    oftener = float((both["share"] - both["share_right"]).clip(lower_bound=0).sum())
    rest = [name for name in columns if name != out]
    return _found(fitted, own, rest), round(oftener, 2), -own[out].n_unique()


def _pairs(met: _Met) -> pl.DataFrame:
    """Labels as fitted beside the places of the rows that can be told by their values alone."""
    if not met.columns:
        return pl.DataFrame({"fitted": [], "own": []})
    once = met.train.with_row_index(_ROW).filter(pl.struct(met.columns).is_unique())
    joined = met.fitted.join(once.select(*met.columns, _ROW), on=met.columns, nulls_equal=True)
    return joined.select(pl.col(_LABEL).alias("fitted"), pl.col(_ROW).alias("own"))


def _wrong_labels(pairs: pl.DataFrame, label: pl.Series, classes: Sequence[str]) -> Floats:
    """Whether each label is another than that of its row; classes may have other names."""
    own, fitted = label.gather(pairs["own"]), pairs["fitted"]
    if not classes:
        if not (own.dtype.is_numeric() or own.dtype == pl.Boolean) or not fitted.dtype.is_numeric():
            return np.zeros(pairs.height)
        first, second = (each.cast(pl.Float64).to_numpy() for each in (own, fitted))
        differ: Floats = (np.abs(first - second) > 1e-5 * np.maximum(1e-9, np.abs(first))).astype(np.float64)
        return differ
    usual = (
        pl.DataFrame({"own": own, "fitted": fitted})
        .group_by("own", "fitted")
        .len()
        .sort("len", descending=True)
        .unique("own", keep="first", maintain_order=True)
        .select("own", usual="fitted")
    )
    wrong: Floats = (
        pl.DataFrame({"own": own, "fitted": fitted})
        .join(usual, on="own", how="left", maintain_order="left", nulls_equal=True)
        .select(pl.col("fitted").ne_missing(pl.col("usual")))
        .to_series()
        .to_numpy()
        .astype(np.float64)
    )
    return wrong


def _times_taken(met: _Met, train: pl.DataFrame) -> pl.DataFrame:
    """The training rows with how often each reached `fit`; rows that are alike share."""
    if not met.columns:
        return train.head(0).with_columns(pl.lit(0.0).alias(_TIMES))
    same = pl.len().over(met.columns)
    reached = met.fitted.group_by(met.columns).agg(pl.len().alias(_TIMES))
    taken = (
        met.train.with_columns(same.alias("_same"))
        .join(reached, on=met.columns, how="left", nulls_equal=True, maintain_order="left")
        .select((pl.col(_TIMES).fill_null(0) / pl.col("_same")).alias(_TIMES))
    )
    return train.with_columns(taken.to_series())


def _whole_spans_aside(rows: pl.DataFrame, time: str) -> pl.DataFrame:
    """The rows without the spans of time that are left out as a whole, and without those beside them."""
    if time not in rows.columns or rows.height < 2 * _SLICES:
        return rows
    rows = rows.sort(time, maintain_order=True)
    part = (np.arange(rows.height) * _SLICES) // rows.height
    times = rows[_TIMES].to_numpy()
    empty = np.array([not times[part == place].any() for place in range(_SLICES)])
    near = empty | np.r_[empty[1:], False] | np.r_[False, empty[:-1]]
    return rows.filter(pl.Series(~near[part]))


def _whole_entities(rows: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """One row for each entity, and by what they are told, where entities are taken or left out as a whole."""
    for name, dtype in rows.schema.items():
        if name == _TIMES or not (dtype == pl.String or dtype.is_integer()):
            continue
        count = rows[name].n_unique()
        if rows[name].null_count():
            continue  # rows without a name are no entity
        if _ENTITIES <= count <= rows.height / 2:
            spread = pl.col(_TIMES).max().over(name) - pl.col(_TIMES).min().over(name)
            if rows.select((spread == 0).mean()).item() > 1 - OTHER / 5:
                return rows.unique(name, keep="first", maintain_order=True), name
    return rows, ""


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
