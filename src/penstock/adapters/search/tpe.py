"""Optuna's search: a tree-structured Parzen estimator, and pruning by the median of earlier trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.core.errors import Unavailable
from penstock.runs.ports import Axis, Range

STARTUP = 5
"""Trials that are drawn at random before the search follows what it has learned, and before any is pruned."""


class OptunaSearch:
    """A `runs.ports.Search` whose study lives in memory: what became of trials is in the store of runs.

    The estimator is that of Bergstra et al. 2011 (Algorithms for Hyper-Parameter Optimization).
    Raises Unavailable when Optuna is not installed.
    """

    def __init__(self, space: Mapping[str, Axis], *, maximize: bool, seed: int) -> None:
        try:
            import optuna
        except ImportError as error:
            raise Unavailable(
                what="A sweep needs Optuna, which is not installed.", fix="pip install 'penstock[sweep]'"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._states = optuna.trial.TrialState
        self._distributions = {
            name: _distribution(optuna.distributions, axis) for name, axis in space.items()
        }
        self._study = optuna.create_study(
            direction="maximize" if maximize else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, constant_liar=True),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
        )
        self._trials: dict[int, Any] = {}
        self._reported: set[tuple[int, int]] = set()

    def suggest(self, params: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """See `Search.suggest`."""
        if params is not None:
            self._study.enqueue_trial(dict(params))
        trial = self._study.ask(self._distributions)
        self._trials[trial.number] = trial
        return trial.number, dict(trial.params)

    def hopeless(self, trial: int, index: int, value: float) -> bool:
        """See `Search.hopeless`."""
        if (trial, index) in self._reported:
            return False
        self._reported.add((trial, index))
        self._trials[trial].report(value, index)
        return bool(self._trials[trial].should_prune())

    def tell(self, trial: int, value: float | None, *, pruned: bool) -> None:
        """See `Search.tell`."""
        if value is None:
            self._study.tell(trial, state=self._states.PRUNED if pruned else self._states.FAIL)
        else:
            self._study.tell(trial, value)


def _distribution(kinds: Any, axis: Axis) -> Any:
    if not isinstance(axis, Range):
        return kinds.CategoricalDistribution(axis.values)
    if axis.whole:
        return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return kinds.FloatDistribution(axis.low, axis.high, log=axis.log)
