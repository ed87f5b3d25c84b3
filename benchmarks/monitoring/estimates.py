"""How long an estimate without labels takes, and how far it is from the truth."""

from __future__ import annotations

import json
import sys

from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import Failed, version_of
from benchmarks.frame.measure import Samples, surroundings, timed
from benchmarks.frame.results import Bar
from benchmarks.monitoring.contenders import PROGRAMS, TIMEOUT, nannyml


def estimates(bench: Bench) -> None:
    """A million answers, learnt from a hundred thousand with labels."""
    file, rows = bench.folder / "task.json", 50_000 if bench.quick else 1_000_000
    file.write_text(json.dumps({"seed": 500, "rows": rows, "rounds": bench.rounds}))
    took, off = {}, {}
    for name in ("penstock", "nannyml"):
        try:
            python = nannyml().python if name == "nannyml" else sys.executable
            command = [python, f"{name}_estimate.py", str(file)]
            _, said = timed(command, folder=PROGRAMS, env=surroundings(bench.folder, {}), timeout=TIMEOUT)
            found = json.loads(next(line for line in said.splitlines()[::-1] if line.startswith("{")))
        except Failed as error:
            took[name] = off[name] = Samples(error=str(error))
            continue
        took[name] = Samples(values=found["took"])
        off[name] = Samples(values=[abs(found["told"]["accuracy"] - found["accuracy"])])
    version = version_of("nannyml", nannyml)
    bench.results.add(
        f"estimate without labels, {rows:,} answers",
        "s",
        took["penstock"],
        took["nannyml"],
        "NannyML",
        version,
        bar=Bar(times=5),
        note="four metrics with bands; NannyML: ROC-AUC and accuracy",
    )
    bench.results.add(
        "estimate without labels, accuracy off by", "", off["penstock"], off["nannyml"], "NannyML", version
    )
