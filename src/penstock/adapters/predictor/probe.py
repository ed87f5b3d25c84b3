"""A version in a fresh process like the one that serves: `python -m penstock.adapters.predictor.probe BLOBS
ISOLATION`, where a model that answers in a process of its own is isolated as it is there.

It reads a `ServedVersion` as JSON and prints a `Probe`. What a model does to its process it does here
first: it gets no more memory than there is, and where that becomes scarce the system ends it before others.
"""

from __future__ import annotations

import platform
import resource
import sys
from importlib.metadata import version as installed
from pathlib import Path
from time import perf_counter

import msgspec

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.isolation.choice import open_isolation
from penstock.adapters.predictor.native import ChildRuntime, resident
from penstock.adapters.predictor.runtimes import open_runtime
from penstock.core.errors import PenstockError
from penstock.core.sizes import size_text
from penstock.serving.answers import Examples, disagreement
from penstock.serving.types import Probe, ServedVersion


def probe(blobs: Path, version: ServedVersion, how: str = "none") -> Probe:
    """Load a version, ask it its examples, and tell what that took."""
    kept = FolderBlobs(blobs)
    examples = kept.get(version.examples)
    before, began = resident(), perf_counter()
    runtime = open_runtime(version, kept, open_isolation(how, kept.home))
    loaded = perf_counter()
    recorded = msgspec.json.decode(examples, type=Examples)
    wrong = disagreement(runtime, recorded, version.signature)
    answered = perf_counter()
    memory, shut = max(0, resident() - before), dict[str, str]()
    if isinstance(runtime, ChildRuntime):
        memory += runtime.memory
        shut = {"isolation": how}
        runtime.close()
    return Probe(
        error=wrong,
        memory=memory,
        available=_available(),
        seconds=loaded - began,
        answers=(answered - loaded) / max(1, len(recorded.score)),
        runtime={
            "python": platform.python_version(),
            "onnxruntime": installed("onnxruntime"),
            "numpy": installed("numpy"),
            "processor": platform.machine(),
            **shut,
        },
    )


def _available() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def main() -> int:
    """Probe the version that is named on the standard input."""
    version = msgspec.json.decode(sys.stdin.buffer.read(), type=ServedVersion)
    Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_DATA, (_available(), resource.RLIM_INFINITY))
    try:
        found = probe(Path(sys.argv[1]), version, sys.argv[2])
    except MemoryError:
        found = Probe(error=f"it takes more memory than the {size_text(_available())} that there are")
    except (PenstockError, msgspec.DecodeError, ValueError, RuntimeError) as error:
        found = Probe(error=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
