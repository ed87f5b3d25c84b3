"""A model on Ray Serve: `ray_server.py PORT`, MODEL_FILE names the model."""

import os
import signal
import sys

import joblib
import pandas as pd
import ray
from ray import serve


@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0.5})
class Rows:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL_FILE"])

    async def __call__(self, request):
        if request.method == "GET":
            return "ok"
        asked = await request.json()
        return {"predictions": self.model.predict_proba(pd.DataFrame(asked["rows"]))[:, 1].tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error")
    serve.start(http_options={"port": int(sys.argv[1])})
    serve.run(Rows.bind(), route_prefix="/")
    signal.pause()
