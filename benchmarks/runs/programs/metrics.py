"""A step that logs numbers, and one that does not, as Penstock pipelines."""

import work

from penstock import log, pipeline, step


@step
def logged(seed: int, count: int) -> int:
    for i in range(count):
        log.metric("loss", seed + 1 / (1 + i), i)
    return work.tell(seed + count)


@pipeline
def log_0(seed: int) -> int:
    return logged(seed, 0)


@pipeline
def log_10000(seed: int) -> int:
    return logged(seed, 10_000)
