"""Tables as uncompressed Arrow IPC files: pyarrow maps them when it reads them, Polars and pandas copy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from penstock.adapters.formats.kinds import Kind, wanted
from penstock.adapters.formats.needs import needing
from penstock.adapters.formats.parts import is_a
from penstock.core.errors import StepFailed
from penstock.lineage.ports import Blobs
from penstock.runs.lists import PARTS, read_list, write_list
from penstock.runs.types import Artifact

_NEEDED = "tables of pandas and pyarrow pass between steps as the files that it writes"
_WIDEST = 64
"""Bits of the widest values that are numbers or times."""
_REGULAR = ("DatetimeIndex", "TimedeltaIndex")
_UNNAMED_INDEX = "__index_level_"

Beside = Mapping[str, Any]
Reader = Callable[[str, Beside], Any]


class Tables:
    """Polars tables; a lazy one is computed while it is written and never held as a whole."""

    name = "arrow"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return is_a(value, "polars", "DataFrame", "LazyFrame")

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        import polars as pl

        from penstock.datasets.tables import write_table

        try:
            with blobs.writing() as file:
                write_table(value, file)
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise _cannot_be_kept(error) from error
        rows, columns = _shape(value, lambda: pl.scan_ipc(blobs.path(file.digest)))
        meta = {"rows": rows, "columns": columns}
        return Artifact(digest=file.digest, format=self.name, size=file.size, meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:
        """See `Format.read`."""
        reader = _READERS.get(wanted(annotation)) or _BY_FORMAT[self.name]
        return reader(blobs.path(artifact.digest), artifact.meta.get("beside", {}))


class ArrowTables(Tables):
    """Tables and record batches of pyarrow."""

    name = "pyarrow"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return is_a(value, "pyarrow", "Table", "RecordBatch")

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        import pyarrow as pa

        batch = is_a(value, "pyarrow", "RecordBatch")
        return self._write(pa.Table.from_batches([value]) if batch else value, {"batch": batch}, blobs)

    def _write(self, table: Any, beside: Beside, blobs: Blobs) -> Artifact:
        import pyarrow as pa

        try:
            whole = _canonical(table).combine_chunks()
            with blobs.writing() as file, pa.ipc.new_file(file, whole.schema) as writer:
                writer.write_table(whole)
        except pa.ArrowException as error:
            raise _cannot_be_kept(error) from error
        meta = {"rows": table.num_rows, "columns": table.column_names, "beside": beside}
        return Artifact(digest=file.digest, format=self.name, size=file.size, meta=meta)


class PandasTables(ArrowTables):
    """Data frames and series of pandas, with index, categories and types, as pyarrow writes them."""

    name = "pandas"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return is_a(value, "pandas", "DataFrame", "Series")

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        with needing("pyarrow", _NEEDED):
            import pyarrow as pa

        series = is_a(value, "pandas", "Series")
        frame = value.to_frame("0" if value.name is None else value.name) if series else value
        beside = {
            "series": series,
            "named": series and value.name is not None,
            "freq": value.index.freqstr if is_a(value.index, "pandas", *_REGULAR) else None,
            "objects": [
                place
                for place, dtype in enumerate(frame.dtypes)
                if dtype.kind == "O" and dtype.name == "object"
            ],
            "object_index": bool(frame.index.dtype == object) and frame.index.nlevels == 1,
        }
        _refuse_categories(frame)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # what would not come back as it was
                table = pa.Table.from_pandas(frame)
        except (pa.ArrowException, ValueError, TypeError, UserWarning) as error:
            raise _cannot_be_kept(error) from error
        return self._write(table, beside, blobs)


class Parts:
    """Tables that are kept as several files, one after another, such as training rows in partitions."""

    name = PARTS

    def takes(self, value: object) -> bool:
        """See `Format.takes`: no step returns such a table."""
        del value
        return False

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        return Tables().write(value, blobs)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:
        """See `Format.read`; of a lazy table nothing is read before it is asked for."""
        paths = [blobs.path(part.digest) for part in read_list(blobs.get(artifact.digest))]
        asked = wanted(annotation)
        if asked in {("pyarrow", "Table"), ("pandas", "DataFrame")}:
            with needing("pyarrow", _NEEDED):
                import pyarrow as pa

            table = pa.concat_tables([_table(path, {}) for path in paths])
            return table.to_pandas() if asked[0] == "pandas" else table
        import polars as pl

        lazy = pl.concat([pl.scan_ipc(path) for path in paths])
        return lazy if asked == ("polars", "LazyFrame") else lazy.collect()


def write_parts(parts: Sequence[Artifact], blobs: Blobs) -> Artifact:
    """Keep tables of the same columns, which are kept already, as one."""
    kept = write_list(parts, blobs)
    meta = {"rows": sum(part.meta["rows"] for part in parts), "columns": parts[0].meta["columns"]}
    return replace(kept, format=PARTS, meta=meta)


def _shape(table: Any, kept: Callable[[], Any]) -> tuple[int, list[str]]:
    """Rows and columns; of a lazy table, which is nowhere in memory, as it was `kept`."""
    if not is_a(table, "polars", "LazyFrame"):
        return table.height, table.columns
    import polars as pl

    lazy = kept()
    return lazy.select(pl.len()).collect().item(), lazy.collect_schema().names()


def _refuse_categories(frame: Any) -> None:
    for label, dtype in frame.dtypes.items():
        if is_a(getattr(dtype, "categories", None), "pandas", "IntervalIndex", "PeriodIndex"):
            raise StepFailed(
                what=f"It returned a table whose column {label!r} has {dtype.categories.dtype} as categories",
                expected="categories that are text, numbers or times",
                fix="Give them names, such as pd.cut(..., labels=[...]).",
            )


def _cannot_be_kept(error: Exception) -> StepFailed:
    return StepFailed(what="It returned a table that cannot be kept", found=" ".join(map(str, error.args)))


def _canonical(table: Any) -> Any:
    """The table without the values that lie unseen beneath its nulls."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        column, dtype = table.column(place), field.type
        if not column.null_count:
            continue
        if pa.types.is_dictionary(dtype):  # pandas has -1 there, which other readers take for a code
            coded = column.combine_chunks()
            codes = _zeroed(coded.indices)
            clean = pa.DictionaryArray.from_arrays(codes, coded.dictionary, ordered=dtype.ordered)
        elif pa.types.is_primitive(dtype) and dtype.bit_width <= _WIDEST:
            clean = _zeroed(column)
        else:
            continue
        table = table.set_column(place, field, clean)
    return table


def _zeroed(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    dtype = column.type
    zero = pa.scalar(0, pa.int32() if dtype.bit_width == 32 else pa.int64()).cast(dtype)
    return pc.if_else(column.is_valid(), pc.fill_null(column, zero), pa.scalar(None, dtype))


def _lazy(path: str, _: Beside) -> Any:
    import polars as pl

    return pl.scan_ipc(path)


def _frame(path: str, _: Beside) -> Any:
    """What a Polars program sees of any table: the columns, and the levels of an index that have names."""
    import polars as pl

    lazy = pl.scan_ipc(path)
    unnamed = [name for name in lazy.collect_schema() if name.startswith(_UNNAMED_INDEX)]
    return lazy.drop(unnamed).collect()


def _table(path: str, _: Beside) -> Any:
    with needing("pyarrow", _NEEDED):
        import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(path)).read_all()


def _batch(path: str, beside: Beside) -> Any:
    import pyarrow as pa

    table = _table(path, beside)
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _arrow(path: str, beside: Beside) -> Any:
    return (_batch if beside["batch"] else _table)(path, beside)


def _data_frame(path: str, beside: Beside) -> Any:
    table = _table(path, beside)
    frame = table.to_pandas()
    for place in beside.get("objects", ()):
        frame.isetitem(place, _objects(table.column(place).to_pylist(), frame.index))
    if beside.get("object_index"):
        frame.index = frame.index.astype(object)
    if beside.get("freq"):
        frame.index.freq = beside["freq"]
    return frame


def _objects(values: list[Any], index: Any) -> Any:
    import pandas as pd

    return pd.Series(values, index=index, dtype=object)


def _series(path: str, beside: Beside) -> Any:
    frame = _data_frame(path, beside)
    if frame.shape[1] != 1:
        return frame
    series = frame.iloc[:, 0]
    return series if beside.get("named", True) else series.rename(None)


def _pandas(path: str, beside: Beside) -> Any:
    return (_series if beside["series"] else _data_frame)(path, beside)


_READERS: dict[Kind, Reader] = {
    ("polars", "LazyFrame"): _lazy,
    ("polars", "DataFrame"): _frame,
    ("pyarrow", "Table"): _table,
    ("pyarrow", "RecordBatch"): _batch,
    ("pandas", "DataFrame"): _data_frame,
    ("pandas", "Series"): _series,
}
"""How the bytes of any table are read as a type; nothing is copied that its library can map."""

_BY_FORMAT: dict[str, Reader] = {"arrow": _frame, "pyarrow": _arrow, "pandas": _pandas}
"""How they are read where nobody says as what."""
