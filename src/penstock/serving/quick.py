"""The usual inference request, read and checked in one go by a decoder made for the model's signature.

It takes what the general way takes and gives the same columns, or it gives nothing: then the general way says
what is wrong, or reads what is unusual (columns in another order, nested data, other datatypes).

Of a form that was read before, the floats of many rows become an array at once, without an object for each
(Langdale and Lemire 2019, "Parsing gigabytes of JSON per second").
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import simdjson

from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.columns import LARGEST_FLOAT, LARGEST_INTEGER, Block, Question, Row
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
    `floats` are the places of columns of floats, which `parser` reads, `others` those that `rest` reads.
    `rows` and `tables` are the forms in which such requests came; finding one was `tried` so often.
    """

    signature: Signature
    names: tuple[str, ...]
    one: Callable[[bytes], Any]
    many: Callable[[bytes], Any]
    values: Callable[[bytes], tuple[list[Any], ...]]
    row: Callable[[bytes], tuple[Any, ...]]
    floats: tuple[int, ...]
    others: tuple[int, ...]
    rest: Callable[[bytes], tuple[list[Any], ...]]
    parser: simdjson.Parser
    rows: list[RowForm] = []
    tables: list[TableForm] = []
    tried: int = 0

    def more(self) -> bool:
        """Whether another form is to be known from now on."""
        self.tried += 1
        return len(self.rows) + len(self.tables) < _MOST_FORMS and self.tried <= _MOST_TRIED


def read_known(body: bytes, signature: Signature) -> Row | Block | None:
    """The request, if it is a usual one in a form that was read before. Not for several threads."""
    reader = _readers.get(id(signature)) or _reader(signature)
    try:
        for form in reader.rows:
            if read := form.read(body):
                name, written = read
                text = b"[%b]" % b",".join(written)
                return None if b"\n" in text else Row(reader.names, reader.row(text), name, written)
        for table in reader.tables:
            if (found := table.read(body)) and found[0] != b"1":
                return _block(reader, *found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return None


def read_usual(body: bytes, signature: Signature) -> Question | None:
    """The request, if it is a usual one: columns in order and nothing asked for but the answer."""
    reader = _readers.get(id(signature)) or _reader(signature)
    try:
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
    text = b"[%b]" % b",".join(written)
    values = reader.values(text)
    if not shape[0] or any(len(each) != shape[0] for each in values):
        return None
    if reader.more() and (form := table_form_of(body, written)):
        reader.tables.append(form)
    columns = dict(zip(reader.names, values, strict=True))
    return Question(columns, shape[0], request.id, written=() if b"\n" in text else written)


def _block(reader: _Reader, told: bytes, written: tuple[bytes, ...]) -> Block | None:
    """The question of these columns; None unless each has as many rows as was told, all on one line.

    Raises DecodeError.
    """
    rows = int(told)
    if not rows or told != b"%d" % rows:
        return None
    array = _array(reader, list(map(written.__getitem__, reader.floats)), rows)
    found: dict[int, Any] = {} if array is None else dict(zip(reader.floats, array, strict=True))
    if len(found) < len(written):
        read, places = (reader.rest, reader.others) if found else (reader.values, range(len(written)))
        text = b"[%b]" % b",".join(map(written.__getitem__, places))
        lists = read(text)
        if b"\n" in text or any(len(each) != rows for each in lists):
            return None
        found |= zip(places, lists, strict=True)
    return Block({name: found[at] for at, name in enumerate(reader.names)}, rows, written)


def _array(reader: _Reader, texts: list[bytes], rows: int) -> npt.NDArray[np.float64] | None:
    """Columns of floats on one line, shape (columns, rows); None where they are something else, which others
    tell.
    """
    if not texts or any(text.rfind(b"[") for text in texts):
        return None  # an array of the parser would take in lists in lists
    text = b"[%b]" % b",".join(texts)
    try:
        parsed: Any = reader.parser.parse(text)
        if b"\n" in text or any(rows != len(each) for each in parsed):
            return None
        array = np.frombuffer(parsed.as_buffer(of_type="d")).reshape(len(texts), rows)
    except (TypeError, ValueError, RuntimeError):  # null, no number, or an integer of more than 64 bits
        return None
    return array if np.abs(array).max() < LARGEST_FLOAT else None


def _reader(signature: Signature) -> _Reader:
    """The reader of a signature; each is made once as long as its model is in use."""
    columns = signature.inputs
    lists = [_list_of(column) for column in columns]
    floats = tuple(at for at, column in enumerate(columns) if column.dtype == "float")
    others = tuple(at for at in range(len(columns)) if at not in floats)
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
        floats,
        others,
        msgspec.json.Decoder(tuple[tuple(lists[at] for at in others)]).decode,  # type: ignore[misc]
        simdjson.Parser(),
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
