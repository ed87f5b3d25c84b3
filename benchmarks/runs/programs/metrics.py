"""A step that logs numbers and times each call."""

from time import perf_counter

import work

from penstock import log, pipeline, step


@step
def logged(seed: int) -> int:
    taken = []
    for i in range(500):
        started = perf_counter()
        log.metric("loss", seed + 1 / (1 + i), i)
        taken.append(round((perf_counter() - started) * 1000, 5))
    work.tell(taken)
    return seed


@pipeline
def log_metrics(seed: int) -> int:
    return logged(seed)
