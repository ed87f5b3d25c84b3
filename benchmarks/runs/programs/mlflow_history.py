"""`mlflow_history.py FOLDER COUNT` gives a SQLite store that many runs, each with metrics and parameters;
`mlflow_history.py FOLDER best` looks for the best of them and prints how many milliseconds it took.
"""

import json
import sqlite3
import sys
from random import Random
from time import perf_counter
from uuid import uuid4

from mlflow import MlflowClient

METRICS = ("score", "loss")


def fill(file: str, count: int) -> None:
    chance = Random(1)
    runs, metrics, latest, params = [], [], [], []
    for i in range(count):
        run, time = uuid4().hex, 1_700_000_000_000 + i
        runs.append(
            (
                run,
                f"run-{i}",
                "benchmark",
                "FINISHED",
                time,
                time + 1,
                "active",
                f"mlflow-artifacts:/0/{run}",
                0,
            )
        )
        for name in METRICS:
            value = chance.random()
            metrics.append((name, value, time, run, 0, 0))
            latest.append((name, value, time, 0, 0, run))
        params += [("seed", str(i), run), ("rate", "0.1", run)]
    filled = {
        "runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri,"
        " experiment_id)": runs,
        "metrics (key, value, timestamp, run_uuid, step, is_nan)": metrics,
        "latest_metrics (key, value, timestamp, step, is_nan, run_uuid)": latest,
        "params (key, value, run_uuid)": params,
    }
    with sqlite3.connect(file) as db:
        for table, rows in filled.items():
            places = ", ".join("?" * len(rows[0]))
            db.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 the tables above


if __name__ == "__main__":
    file = f"{sys.argv[1]}/mlflow.db"
    client = MlflowClient(tracking_uri=f"sqlite:///{file}")
    taken = []
    if sys.argv[2] != "best":
        client.create_experiment("benchmark")  # makes the tables, and the experiment 0
        fill(file, int(sys.argv[2]))
    else:
        started = perf_counter()
        [found] = client.search_runs(["0"], order_by=["metrics.score DESC"], max_results=1)
        taken.append((perf_counter() - started) * 1000)
        assert found.data.metrics["score"] > 0.9, found
    print(json.dumps(taken))
