"""Requests row by row: our own, those of MLflow's scoring server, and those of KServe's first protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from penstock.core.errors import InvalidRequest
from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.columns import (
    Question,
    by_column,
    columns_of,
    not_json,
    require_rows,
    shortly,
    wants_explanation,
)
from penstock.serving.lookups import Keyed, ages, inputs_of, lacks_features
from penstock.serving.types import Answer, ServedVersion

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
"""What a request to MLflow's scoring server holds exactly one of."""


def read_rows(body: bytes, served: ServedVersion) -> Question | Keyed:
    """`{"rows": [{column: value}, …]}`, where a row may give an entity in place of features, and with
    `"explain": true` where the answers are to be explained.

    Raises InvalidRequest.
    """
    given = _object(body, "rows")
    explain = wants_explanation(given)
    given.pop("explain", None)
    rows = require_rows(_only(given, "rows"))
    if lacks_features(rows, served):
        return Keyed(rows, served, explain)
    question = inputs_of(rows, served)
    return msgspec.structs.replace(question, explain=True) if explain else question


def read_invocation(body: bytes, signature: Signature) -> Question:
    """A JSON request as MLflow's scoring server takes it, whose `params` may want the answers explained.
    Columns that the model does not know are left out, as they are there. Raises InvalidRequest.
    """
    given = _object(body, *FORMS)
    forms = [name for name in FORMS if name in given]
    if len(forms) != 1 or set(given) - {*forms, "params"}:
        raise InvalidRequest(
            expected=f"exactly one of {', '.join(FORMS)}", found=", ".join(sorted(given)) or "nothing"
        )
    params = given.get("params") or {}
    if not isinstance(params, dict) or set(params) - {"explain"}:
        raise InvalidRequest(
            what="The model takes no such params",
            expected='none but {"explain": true}',
            found=shortly(params),
        )
    question = _FORMS[forms[0]](given[forms[0]], signature)
    return msgspec.structs.replace(question, explain=wants_explanation(params))


def read_instances(body: bytes, signature: Signature) -> Question:
    """`{"instances": [row, …]}`, each row an object or the values in the order of the columns."""
    return _instances(_only(_object(body, "instances"), "instances"), signature)


def read_table(columns: Mapping[str, Sequence[Any]], signature: Signature) -> Question:
    """A table with the model's columns and perhaps others, which are left out. Raises InvalidRequest."""
    known = {column.name: column for column in signature.inputs}
    whole = {name for name, column in known.items() if column.dtype == "int"}
    return columns_of(
        {
            name: [_whole(value) for value in values] if name in whole else list(values)
            for name, values in columns.items()
            if name in known
        },
        signature,
    )


def read_texts(columns: Mapping[str, Sequence[str]], signature: Signature) -> Question:
    """A table of texts, such as CSV has them; an empty one is null. Raises InvalidRequest."""
    known = {column.name: column for column in signature.inputs}
    return read_table(
        {
            name: [_read(text, known[name]) for text in texts]
            for name, texts in columns.items()
            if name in known
        },
        signature,
    )


def predictions(answer: Answer, signature: Signature) -> list[Any]:
    """What the model's own `predict` gives for each row: the label, true or false where these are the labels,
    or the number of a regression.
    """
    if not signature.classes:
        return list(answer.score)
    if set(signature.classes) <= {"false", "true"}:
        return [label == "true" for label in answer.label]
    return list(answer.label)


def encode_rows(answer: Answer, question: Question, signature: Signature) -> bytes:
    """Our own answer: for each row its id, prediction, score and probabilities, and what was read online."""
    rows: list[dict[str, Any]] = [
        {"id": name, "prediction": predicted, "score": score}
        for name, predicted, score in zip(
            answer.ids, predictions(answer, signature), answer.score, strict=True
        )
    ]
    for row, chances in zip(rows, answer.probabilities, strict=False):
        row["probabilities"] = dict(zip(signature.classes, chances, strict=True))
    for at, row in enumerate(rows if question.lookups else ()):
        row["features"] = ages(question.lookups, at)
    for row, attribution in zip(rows, question.explained, strict=False):
        row["explanation"] = attribution
    about = {"model": answer.model, "version": answer.version, "variant": answer.variant}
    return msgspec.json.encode({**about, "rows": rows})


def encode_predictions(answer: Answer, question: Question, signature: Signature) -> bytes:
    """`{"predictions": […]}`, as MLflow and KServe have it, with the ids of the predictions beside, and the
    explanations where they were asked for.
    """
    told = {"predictions": predictions(answer, signature), "prediction_ids": answer.ids}
    more = {"explanations": question.explained} if question.explained else {}
    return msgspec.json.encode(told | more)


def _split(given: Any, signature: Signature) -> Question:
    try:
        split = msgspec.convert(given, _Split)
    except msgspec.ValidationError as error:
        raise InvalidRequest(expected='{"columns": […], "data": [[…], …]}', found=str(error)) from None
    return _lists(split.data, split.columns, signature)


def _instances(given: Any, signature: Signature) -> Question:
    if isinstance(given, list) and given and isinstance(given[0], list):
        return _lists(given, [column.name for column in signature.inputs], signature)
    return _records(given, signature)


def _inputs(given: Any, signature: Signature) -> Question:
    if isinstance(given, dict):
        columns = {name: values if isinstance(values, list) else [values] for name, values in given.items()}
        return read_table(columns, signature)
    return _instances(given, signature)


def _records(given: Any, signature: Signature) -> Question:
    return read_table(by_column(given, signature), signature)


def _lists(rows: Any, names: Sequence[str], signature: Signature) -> Question:
    odd = next((row for row in rows if not isinstance(row, list) or len(row) != len(names)), None)
    if odd is not None:
        raise InvalidRequest(expected=f"rows of {len(names)} values", found=shortly(odd))
    return read_table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=False)), signature)


class _Split(msgspec.Struct):
    columns: list[str]
    data: list[list[Any]]
    index: list[Any] = []


_FORMS: dict[str, Callable[[Any, Signature], Question]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}


def _object(body: bytes, *expected: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(body, error, "The request is not a JSON object", " or ".join(expected)) from None


def _only(given: dict[str, Any], name: str) -> Any:
    if set(given) != {name}:
        raise InvalidRequest(
            expected=f"{name!r} and nothing else", found=", ".join(sorted(given)) or "nothing"
        )
    return given[name]


def _read(text: str, column: Column) -> Any:
    """A text as a value of the column's type; one that is none stays a text, which is then refused."""
    if not text:
        return None if column.nullable else text
    try:
        match column.dtype:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                return {"true": True, "false": False}.get(text.lower(), text)
    except ValueError:
        pass
    return text


def _whole(value: Any) -> Any:
    """A whole number that a table of numbers and nulls has made a float of."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
