"""Makes the table that is held against expectations: numbers, whole numbers and text, all of them good."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl


def main() -> None:
    file, rows = sys.argv[1], int(sys.argv[2])
    random = np.random.default_rng(7)
    columns: dict[str, object] = {f"x{n}": random.normal(size=rows) for n in range(12)}
    columns |= {f"n{n}": random.integers(0, 10 ** (n + 2), rows) for n in range(4)}
    names = pl.Series([f"category {n}" for n in range(30)])
    columns |= {f"s{n}": names.gather(random.integers(0, 30, rows)) for n in range(4)}
    pl.DataFrame(columns).write_parquet(file)


if __name__ == "__main__":
    main()
