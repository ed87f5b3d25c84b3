"""The example project simulated from a folder of its own, as a user does it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import ROOT
from benchmarks.frame.measure import Samples, surroundings, timed
from benchmarks.frame.results import Bar

EXAMPLE = ROOT / "examples" / "flights"
POLICIES = ("never", "weekly", "monthly", "quarterly", "own", "worse.toml")
WORSE = """
[[triggers]]
any = [{ worse = "roc_auc", by = 0.03, over = "14d", labels = 1000 }]
cooldown = "14d"
"""
YEAR, MONTH = ("2013-02-01", "2013-12-31"), ("2013-03-01", "2013-03-31")
"""All of 2013 that has a month to learn from before it."""
MINUTES = 1800.0


def simulated(bench: Bench) -> None:
    """From nothing, and again when everything was trained already."""
    folder = bench.folder / "flights"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", ".*"))
    (folder / "worse.toml").write_text(WORSE)
    env = surroundings(bench.folder, {})
    timed([sys.executable, "-m", "flights.data", "data"], folder=folder, env=env)
    start, end = MONTH if bench.quick else YEAR
    command = [
        str(Path(sys.executable).with_name("penstock")),
        "simulate",
        "--json",
        "--from",
        start,
        "--to",
        end,
    ]
    command += [word for name in POLICIES for word in ("--policy", name)]
    days = f"{start} to {end}, {len(POLICIES)} policies"
    for name, bar in (("from nothing", Bar(at_most=300)), ("again, nothing to train", None)):
        took, said = timed(command, folder=folder, env=env, timeout=MINUTES)
        told = json.loads(said)
        trainings = told["trainings"]
        note = (
            f"{days}, {told['predictions']:,} predictions each; {trainings['asked']} trainings, "
            f"{trainings['made']} different"
        )
        bench.results.add(
            f"daily decisions of a year, {name}", "s", Samples(values=[took]), bar=bar, note=note
        )
