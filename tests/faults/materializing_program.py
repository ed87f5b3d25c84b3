"""A feature view whose run is done, brought to the online store by a process that may kill itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from penstock import files
from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.online.choice import open_online
from penstock.adapters.storage import open_store
from penstock.core.clock import SystemClock
from penstock.datasets.tables import write_table
from penstock.features import service
from penstock.features.latest import EVENT, KNOWN
from penstock.features.ports import Computed, Start
from penstock.features.service import Features
from penstock.features.types import Placed, ViewSettings
from penstock.lineage.ports import Reader

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ROWS, PART = 700, 100
VISITS = files("visits", event_time="at")


FOOTFALL = ViewSettings(name="footfall", target="kiosk.views:footfall", entity=("shop",), source=VISITS)
PLACED = Placed(project="kiosk", environment="production", view=FOOTFALL, version="1", release="r")


class Done:
    """The `Work` of a run that has ended already."""

    def __init__(self, blobs: FolderBlobs) -> None:
        shops = pl.int_range(ROWS, eager=True)
        moment = pl.lit(NOON).cast(pl.Datetime("us", "UTC"))
        table = pl.DataFrame({"shop": shops}).with_columns(
            moment.alias(EVENT), moment.alias(KNOWN), visitors=shops * 2
        )
        with blobs.writing() as file:
            write_table(table, file)
        self._computed = Computed(as_of=NOON, table=file.digest)

    def views(self, reader: Reader) -> list[Placed]:  # noqa: ARG002 - the port's
        return [PLACED]

    def waits(self, placed: Placed) -> bool:  # noqa: ARG002 - the port's
        return False

    def ready(self, placed: Placed) -> Start:  # noqa: ARG002 - the port's
        return lambda _tx, _actor: "1"

    def outcome(self, run: str) -> Computed:  # noqa: ARG002 - the port's
        return self._computed


class Bench:
    """The feature store on a folder."""

    def __init__(self, folder: Path, address: str) -> None:
        service.AT_ONCE = PART
        self.store = open_store(folder / "penstock.db")
        self.online = open_online(address, folder / "online.db")
        blobs = FolderBlobs(folder / "blobs")
        self.features = Features(self.store, blobs, self.online, Done(blobs), SystemClock())

    def materialize(self) -> None:
        self.features.materialize("kiosk", "production", [], full=False, actor="ada")
        self.settle()

    def settle(self) -> None:
        while self.features.tick(NOON):
            pass

    def there(self) -> list[int]:
        """The shops that have the right number of visitors."""
        values = [self.features.values(PLACED, {"shop": str(shop)}) for shop in range(0, ROWS, 7)]
        numbers = [value["features"]["visitors"]["value"] for value in values]
        return [shop for shop, number in zip(range(0, ROWS, 7), numbers, strict=True) if number == shop * 2]

    def close(self) -> None:
        self.online.close()
        self.store.close()


def main(folder: Path, address: str, fatal: int) -> None:
    """Materialise, and be killed when the part of this number is written and nobody knows yet."""
    bench = Bench(folder, address)
    write, parts = bench.online.write, []

    def deadly(view: str, rows: Sequence[tuple[bytes, bytes]]) -> int:
        kept = write(view, rows)
        parts.append(kept)
        if len(parts) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return kept

    bench.online.write = deadly  # type: ignore[method-assign]
    bench.materialize()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
