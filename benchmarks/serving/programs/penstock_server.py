"""A model on Penstock's prediction process, converted and proved as `publish` does:
`penstock_server.py FOLDER MODEL PORT PERCENT`, of whose answers so many percent are logged.
"""

import sys
import time
from pathlib import Path

import joblib
import msgspec
import polars as pl

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.formats.publish import make_candidate
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.adapters.predictor.kept import service_key
from penstock.adapters.predictor.process import PredictorProcess
from penstock.datasets.profiles import profile
from penstock.models.types import Signature
from penstock.runs.types import Artifact
from penstock.serving.types import Plan, ServedModel, ServedVersion

KINDS = {pl.Float64: "float", pl.String: "string"}


def version(folder: Path, name: str, number: int, home: Path) -> ServedVersion:
    """The model as a version of the registry."""
    blobs = FolderBlobs(home / "blobs")
    rows = pl.read_parquet(folder / "rows.parquet").head(500)
    used = [c for c in rows.columns if name == "b" or c.startswith("x")]
    schema = {
        "columns": [{"name": c, "dtype": KINDS[rows.schema[c]], "nullable": False} for c in used],
        "label": "y",
        "examples": rows.select(used).to_dict(as_series=False),
        "profile": msgspec.to_builtins(profile(rows.select(used), used)),
    }
    candidate = make_candidate(
        name=name,
        model=joblib.load(folder / f"{name}.joblib"),
        metrics={},
        schema=schema,
        holdout=Artifact(digest="", format="arrow", size=0),
        blobs=blobs,
    )
    return ServedVersion(
        number=number,
        artifact=candidate.artifact,
        format=candidate.format,
        signature=msgspec.convert(candidate.signature, Signature),
        examples=candidate.examples,
    )


def plan(name: str, champion: int, log_share: int, *versions: ServedVersion) -> Plan:
    """The model in production."""
    model = ServedModel(
        name=name, environment="production", champion=champion, versions=versions, log_share=log_share
    )
    return Plan(clock=None, models=(model,))


def main(folder: Path, name: str, port: int, log_share: int) -> None:
    home = folder / f"home-{port}"
    first, second = (version(folder, name, number, home) for number in (1, 2))
    process = PredictorProcess(home, port)
    process.start()
    service = HttpPredictionService(process.url, service_key(home))
    service.apply(plan(name, 1, log_share, first, second))
    process.stop()
    began = time.perf_counter()
    process.start()  # it answers with the model that it was last told to have
    print("up", process.pid, time.perf_counter() - began, flush=True)
    turns = 0
    for line in sys.stdin:  # "swap" makes the other version champion
        if line.strip() == "swap":
            turns += 1
            service.apply(plan(name, 1 + turns % 2, log_share, first, second))
            print(turns, flush=True)
    process.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
