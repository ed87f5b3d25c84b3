"""The usual inference request, read and checked in one go by a decoder made for the model's signature.

It takes what the general way takes and gives the same columns, or it gives nothing: then the general way says
what is wrong, or reads what is unusual (columns in another order, nested data, other datatypes).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec

from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.columns import LARGEST_FLOAT, LARGEST_INTEGER, Question, Row
from penstock.serving.forms import RowForm, TableForm, row_form_of, table_form_of

_MOST_KEPT = 256
_MOST_FORMS, _MOST_TRIED = 8, 64
_TYPES: dict[str, tuple[Any, Any]] = {
    "float": (Literal["FP64", "FP32"], Annotated[float, msgspec.Meta(ge=-LARGEST_FLOAT, lt=LARGEST_FLOAT)]),
    "int": (Literal["INT64"], Annotated[int, msgspec.Meta(ge=LARGEST_INTEGER[0], le=LARGEST_INTEGER[1] - 1)]),
    "bool": (Literal["BOOL"], bool),
    "string": (Literal["BYTES"], str),
}
"""The datatypes of a column's values as they are usually sent, and the values."""
_ONE, _LONE = tuple[Literal[1]], msgspec.Meta(min_length=1, max_length=1)
"""The shape of a column of one row, and its values."""


class _Reader(msgspec.Struct):
    """What reads the requests to models of a signature, whose columns are `names`: those of `one` row whole,
    those of `many` rows first without their values, which are `values` by column; `row` reads those of one.
    `rows` and `tables` are the forms in which such requests came; finding one was `tried` so often.
    """

    signature: Signature
    names: tuple[str, ...]
    one: Callable[[bytes], Any]
    many: Callable[[bytes], Any]
    values: Callable[[bytes], tuple[list[Any], ...]]
    row: Callable[[bytes], tuple[Any, ...]]
    rows: list[RowForm] = []
    tables: list[TableForm] = []
    tried: int = 0

    def more(self) -> bool:
        """Whether another form is to be known from now on."""
        self.tried += 1
        return len(self.rows) + len(self.tables) < _MOST_FORMS and self.tried <= _MOST_TRIED


def read_row(body: bytes, signature: Signature) -> Row | None:
    """The request, if it is a usual one of one row, in a form that was read before."""
    reader = _readers.get(id(signature)) or _reader(signature)
    try:
        for form in reader.rows:
            if read := form.read(body):
                name, written = read
                return Row(reader.names, reader.row(b"[%b]" % b",".join(written)), name, written)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return None


def read_usual(body: bytes, signature: Signature) -> Question | None:
    """The request, if it is a usual one: columns in order and nothing asked for but the answer."""
    reader = _readers.get(id(signature)) or _reader(signature)
    try:
        for form in reader.tables:
            if read := form.read(body):
                return _filled(reader, "", *read)
        try:
            request = reader.one(body)
        except msgspec.ValidationError:
            return _many(body, reader)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if reader.more() and (form_of_row := row_form_of(body, signature)):
        reader.rows.append(form_of_row)
    return Question(dict(zip(reader.names, map(_data, request.inputs), strict=True)), 1, request.id)


def _many(body: bytes, reader: _Reader) -> Question | None:
    """A request of several rows. Raises DecodeError."""
    request = reader.many(body)
    written = tuple(bytes(tensor.data) for tensor in request.inputs)
    shape = request.inputs[0].shape
    if len(shape) != 1 or any(tensor.shape != shape for tensor in request.inputs):
        return None
    question = _filled(reader, request.id, b"%d" % shape[0], written)
    if reader.more() and (form := table_form_of(body, written)):
        reader.tables.append(form)
    return question


def _filled(reader: _Reader, name: str, told: bytes, written: tuple[bytes, ...]) -> Question | None:
    """The question of these columns, which also stay as they are written; None unless each has as many rows
    as was told. Raises DecodeError.
    """
    text = b"[%b]" % b",".join(written)
    values = reader.values(text)
    rows = len(values[0])
    if not rows or told != b"%d" % rows or len(set(map(len, values))) > 1:
        return None
    texts = () if b"\n" in text else written
    return Question(dict(zip(reader.names, values, strict=True)), rows, name, written=texts)


def _reader(signature: Signature) -> _Reader:
    """The reader of a signature; each is made once as long as its model is in use."""
    columns = signature.inputs
    lists = [_list_of(column) for column in columns]
    ones = [
        _tensor(column, _ONE, Annotated[kind, _LONE]) for column, kind in zip(columns, lists, strict=True)
    ]
    made = _Reader(
        signature,
        tuple(column.name for column in columns),
        _decoder(ones),
        _decoder([_tensor(column, list[int], msgspec.Raw) for column in columns]),
        msgspec.json.Decoder(tuple[tuple(lists)]).decode,  # type: ignore[misc]
        msgspec.json.Decoder(tuple[tuple(map(_value_of, columns))]).decode,  # type: ignore[misc]
    )
    if len(_readers) >= _MOST_KEPT:
        _readers.clear()
    _readers[id(signature)] = made  # which keeps the signature, so that its id stays its own
    return made


_readers: dict[int, _Reader] = {}
_data = attrgetter("data")


def _decoder(tensors: list[type[msgspec.Struct]]) -> Callable[[bytes], Any]:
    """What reads requests of these tensors, in this order."""
    fields: list[Any] = [("inputs", tuple[tuple(tensors)]), ("id", str, "")]  # type: ignore[misc]
    return msgspec.json.Decoder(msgspec.defstruct("Request", fields, forbid_unknown_fields=True)).decode


def _list_of(column: Column) -> Any:
    """The type of a column's values."""
    return list[_value_of(column)]  # type: ignore[misc]


def _value_of(column: Column) -> Any:
    value = _TYPES[column.dtype][1]
    return value | None if column.nullable else value


def _tensor(column: Column, shape: Any, data: Any) -> type[msgspec.Struct]:
    fields: list[Any] = [
        ("name", Literal[column.name]),
        ("shape", shape),
        ("datatype", _TYPES[column.dtype][0]),
        ("data", data),
    ]
    return msgspec.defstruct("Tensor", fields, forbid_unknown_fields=True, gc=False)
