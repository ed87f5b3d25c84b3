"""`environment.py HOME CHECKOUT`: the seconds in which Penstock makes the environment of a checkout."""

import shutil
import sys
import time
from pathlib import Path

from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.environments import Environments
from penstock.adapters.builders.own_wheel import own_wheel
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.processes import Processes

home, checkout = map(Path, sys.argv[1:])
own_wheel()  # a system that runs has packed itself before, and uv has unpacked that
shutil.rmtree(home / "envs", ignore_errors=True)
environments = Environments(home / "envs", Packages(Processes()))
started = time.perf_counter()
environments.make(Checkout(checkout, checkout), home.with_suffix(".log"), lambda _stage: None)
print(time.perf_counter() - started)
