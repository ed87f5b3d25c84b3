"""`penstock_history.py HOME COUNT` gives a home that many copies of its last run, each with a score and its
events; `penstock_history.py HOME best` looks for the best of them and prints how many milliseconds it took.
"""

import json
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from time import perf_counter

from msgspec.structs import replace

from penstock.app import App, api, open_app
from penstock.runs.types import Metric, Run, StepRun

TOGETHER = 500
LOOKS = 5


def fill(app: App, count: int) -> None:
    chance = Random(1)
    with app.store.read() as reader:
        [run] = reader.find(Run, order="-created", limit=1)
        steps = reader.find(StepRun, run=run.id)
        events = reader.events(subject=f"run:{run.id}")
    for first in range(0, count, TOGETHER):
        with app.store.begin() as tx:
            for i in range(first, min(first + TOGETHER, count)):
                earlier = timedelta(minutes=count - i)
                number = tx.mint(Run)
                own = [
                    replace(event, subject=f"run:{number}", time=event.time - earlier, cause=None)
                    for event in events
                ]
                last = tx.publish(*own)[-1]
                times = {
                    name: getattr(run, name) - earlier for name in ("as_of", "created", "started", "finished")
                }
                tx.add(replace(run, id=number, event=last, **times))
                for step in steps:
                    key = sha256(f"{number}/{step.key}".encode()).hexdigest()
                    tx.add(
                        replace(
                            step,
                            id=f"{number}/{step.name}",
                            run=number,
                            key=key,
                            finished=step.finished - earlier,
                        )
                    )
                for name in ("score", "loss"):
                    told = Metric(
                        id=f"{number}/{steps[-1].name}/{name}/0", run=number, step=steps[-1].name, name=name,
                        value=chance.random(), index=0, time=times["finished"], final=True,
                    )  # fmt: skip
                    tx.add(told)


def best(app: App) -> dict:
    [found] = api.call(app, "GET", "/runs", {"order": "score", "limit": 1})["items"]
    return api.call(app, "GET", f"/runs/{found['id']}")


if __name__ == "__main__":
    with open_app(Path(sys.argv[1])) as app:
        if sys.argv[2] != "best":
            fill(app, int(sys.argv[2]))
            print([])
        else:
            taken = []
            for _ in range(LOOKS):
                started = perf_counter()
                found = best(app)
                taken.append((perf_counter() - started) * 1000)
            assert found["metrics"], found
            print(json.dumps(taken))
