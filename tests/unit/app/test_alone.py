"""On how many threads the system and the processes of a simulation multiply, and what others inherit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SIMULATION = """
from penstock.app.alone import alone
with alone():
    import penstock.app.simulation.simulate
"""
SYSTEM = """
import contextlib
from penstock.cli.commands import app
with contextlib.suppress(SystemExit):
    app(["up", "--on", "inline"])  # refused when all is loaded
"""
ASKED = """
import os
from threadpoolctl import threadpool_info
[pool] = threadpool_info()
print(pool["num_threads"], os.environ.get("OPENBLAS_NUM_THREADS"))
"""


@pytest.mark.parametrize("loaded", [SIMULATION, SYSTEM], ids=["simulation", "system"])
@pytest.mark.parametrize(("said", "found"), [("", "1 None"), ("2", "2 2")])
def test_numbers_have_one_thread_unless_it_is_said_and_steps_inherit_nothing(
    loaded: str, said: str, found: str
) -> None:
    others = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    variables = others | ({"OPENBLAS_NUM_THREADS": said} if said else {})
    done = subprocess.run(
        [sys.executable, "-c", loaded + ASKED], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == found
