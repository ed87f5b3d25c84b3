"""On how many threads the processes of a simulation multiply, and what those that they start inherit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASKED = """
import os
from penstock.app.simulation.alone import THREADS, alone
with alone():
    import penstock.app.simulation.simulate
from threadpoolctl import threadpool_info
[pool] = threadpool_info()
print(pool["num_threads"], os.environ.get(THREADS))
"""


@pytest.mark.parametrize(("said", "found"), [("", "1 None"), ("2", "2 2")])
def test_numbers_have_one_thread_unless_it_is_said_and_steps_inherit_nothing(said: str, found: str) -> None:
    others = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    variables = others | ({"OPENBLAS_NUM_THREADS": said} if said else {})
    done = subprocess.run(
        [sys.executable, "-c", ASKED], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == found
