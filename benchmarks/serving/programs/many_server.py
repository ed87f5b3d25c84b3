"""Many models on Penstock's prediction process: `many_server.py FOLDER REGISTERED LOADED PORT`.

It begins with one; told "many" it registers so many, of which so many are loaded.
"""

import sys
from pathlib import Path

from msgspec.structs import replace
from penstock_server import version

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.adapters.predictor.kept import service_key
from penstock.adapters.predictor.process import PredictorProcess
from penstock.serving.types import Plan, ServedModel, ServedVersion


def plan(made: ServedVersion, registered: int, loaded: int) -> Plan:
    """Models of one version each, the first ones with a champion."""
    idle = replace(made, resident=False)
    models = (
        ServedModel(
            name=f"m{at}",
            environment="production",
            champion=int(at < loaded),
            versions=(made if at < loaded else idle,),
        )
        for at in range(registered)
    )
    return Plan(clock=None, models=tuple(models))


def main(folder: Path, registered: int, loaded: int, port: int) -> None:
    home = folder / f"home-{port}"
    made = version(folder, "a", 1, home)
    (folder / "a.onnx").write_bytes(FolderBlobs(home / "blobs").get(made.artifact))
    process = PredictorProcess(home, port)
    process.start()
    service = HttpPredictionService(process.url, service_key(home))
    service.apply(plan(made, 1, 1))
    print("up", process.pid, flush=True)
    for _ in sys.stdin:
        print(sum(each.ready for each in service.apply(plan(made, registered, loaded))), flush=True)
    process.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
