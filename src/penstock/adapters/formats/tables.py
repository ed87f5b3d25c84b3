"""Tables as uncompressed Arrow IPC files, mapped into memory when they are read."""

from __future__ import annotations

import io
from typing import Any

from penstock.adapters.formats.kinds import is_a
from penstock.core.errors import StepFailed
from penstock.lineage.ports import Blobs
from penstock.runs.types import Artifact


class Tables:
    """Polars, pandas and Arrow tables. A pandas index is not kept."""

    name = "arrow"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return (
            is_a(value, "polars", "DataFrame", "LazyFrame")
            or is_a(value, "pandas", "DataFrame")
            or is_a(value, "pyarrow", "Table", "RecordBatch")
        )

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        import polars as pl

        try:
            frame = _frame(value)
            buffer = io.BytesIO()
            # The oldest layout keeps text contiguous; newer ones would also write bytes that no row uses.
            frame.rechunk().write_ipc(
                buffer, compression="uncompressed", compat_level=pl.CompatLevel.oldest()
            )
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise StepFailed(what="It returned a table that cannot be kept", found=str(error)) from error
        data = buffer.getvalue()
        meta = {"rows": frame.height, "columns": frame.columns}
        return Artifact(digest=blobs.put(data), format=self.name, size=len(data), meta=meta)

    def read(self, path: str, annotation: Any) -> Any:
        """See `Format.read`."""
        import polars as pl

        lazy = pl.scan_ipc(path)
        wanted = _wanted(annotation)
        if wanted == ("polars", "LazyFrame"):
            return lazy
        if wanted == ("pandas", "DataFrame"):
            import pandas as pd

            frame = lazy.collect()
            return pd.DataFrame({column.name: column.to_numpy(writable=True) for column in frame})
        return lazy.collect()


def _frame(value: Any) -> Any:
    import polars as pl

    if is_a(value, "polars", "LazyFrame"):
        return value.collect()
    if is_a(value, "pandas", "DataFrame"):
        return pl.DataFrame([_series(str(name), column) for name, column in value.items()])
    return pl.DataFrame(value)


def _series(name: str, column: Any) -> Any:
    """A pandas column; text and categories are read as Python objects, missing ones as null."""
    import polars as pl

    if is_a(column.dtype, "numpy", "dtype") and column.dtype.kind in "biufmM":
        return pl.Series(name, column.to_numpy(), nan_to_null=True)
    return pl.Series(name, column.astype(object).where(column.notna(), None).tolist(), strict=True)


def _wanted(annotation: Any) -> tuple[str, str]:
    module = getattr(annotation, "__module__", "") or ""
    return module.partition(".")[0], getattr(annotation, "__name__", "")
