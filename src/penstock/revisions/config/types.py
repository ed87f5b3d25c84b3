"""What `penstock.toml` says, as frozen values with every default filled in."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from penstock.core.errors import NotFound
from penstock.revisions.config.automatic import TestsConfig
from penstock.revisions.config.conditions import TriggerConfig
from penstock.revisions.config.freezes import Freeze
from penstock.revisions.config.notify import ChannelConfig
from penstock.revisions.config.outputs import OutputsConfig
from penstock.revisions.config.rollouts import RolloutConfig

PROOFS = ("contract", "infrastructure")
SKEW = ("skew", "stale")
"""What can be checked of values that answers read online: shares that were wrong, or no more right."""


Risk = Literal["", "low", "limited", "high"]


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A model's gate (checks, proofs by their bare names, and loads), the metric to watch it by, and how a
    version takes over: at once, or by a rollout.

    What a model is for, how risky that is and who answers for it is taken down with each version, which may
    go live until `expires_after` is over. Predictions are forgotten after `keep_predictions`, if set. The
    prediction log keeps `log_share` percent of the answers, without the columns that it is to `redact`.
    `skew` are checks of what answers read online (see `monitoring.types.Skew`).
    `unsafe_pickle` is the reason for which versions may be pickles, empty where they may not.
    Of an `imported` model versions come from elsewhere, and no pipeline need publish it.
    Live answers are told by the values of the columns `slices`, too.
    """

    gate: tuple[str, ...]
    monitor: str = "roc_auc"
    rollout: RolloutConfig | None = None
    intended_use: str = ""
    risk: Risk = ""
    owners: tuple[str, ...] = ()
    expires_after: str = ""
    keep_predictions: str = ""
    redact: tuple[str, ...] = ()
    log_share: int = 100
    skew: tuple[str, ...] = ("skew <= 0.01",)
    imported: bool = False
    slices: tuple[str, ...] = ()
    unsafe_pickle: str = ""


class EnvironmentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An environment and the rule by which releases reach it.

    `branch` belongs to `push` and `merge`, `approvals` to `merge`, `after` and `successful_runs`
    to `promote`; `branches`, a pattern with one star, and `limit` to `branch`, which stands for as many
    environments: a preview of each branch that matches. `serve` says whether its models answer predictions,
    `run` whether its pipelines run once when a release arrives. `data` overrides the project's data root
    unless it is empty. Nothing new is deployed during a `freeze`. `params` are parameters by pipeline that
    runs there have in place of the pipeline's defaults, `triggers` and `models` what holds there in place of
    the project's own.
    """

    name: str
    on: Literal["push", "merge", "promote", "branch"]
    branch: str = ""
    approvals: int = 0
    after: str = ""
    successful_runs: int = 0
    branches: str = ""
    limit: int = 0
    serve: bool = False
    data: str = ""
    run: bool = True
    freeze: tuple[Freeze, ...] = ()
    params: dict[str, dict[str, Any]] = {}
    triggers: tuple[TriggerConfig, ...] = ()
    models: dict[str, ModelConfig] = {}


class ProjectConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A project's delivery. `environments` stand in the order of promotion.

    `builds` says which commits are built when several come at once: the newest of a branch or each.
    `depends` are paths of the repository whose change builds the project too, beside its own folder.
    """

    name: str
    environments: tuple[EnvironmentConfig, ...]
    builds: Literal["newest", "each"] = "newest"
    depends: tuple[str, ...] = ()
    outputs: OutputsConfig = OutputsConfig()
    triggers: tuple[TriggerConfig, ...] = ()
    models: dict[str, ModelConfig] = {}
    tests: TestsConfig = TestsConfig()
    channels: tuple[ChannelConfig, ...] = ()

    def environment(self, name: str) -> EnvironmentConfig:
        """The environment of this name, that of a preview too. Raises NotFound."""
        return replace(self._table(name), name=name)

    def declared(self, name: str) -> str:
        """The name of the table that declares an environment: for a preview, that of all of them."""
        return self._table(name).name

    def inside(self, name: str) -> ProjectConfig:
        """What holds in an environment: the triggers that are there, and models as it sees them."""
        table = self._table(name)
        own = {trigger.pipeline for trigger in table.triggers}
        shared = (t for t in self.triggers if table.name in t.environments and t.pipeline not in own)
        return replace(self, triggers=(*shared, *table.triggers), models=self.models | table.models)

    def _table(self, name: str) -> EnvironmentConfig:
        for environment in self.environments:
            if environment.on == "branch" and name.startswith(f"{environment.name}-"):
                return environment
            if environment.on != "branch" and environment.name == name:
                return environment
        names = (f"{e.name}-BRANCH" if e.on == "branch" else e.name for e in self.environments)
        raise NotFound(
            what=f"There is no environment {name!r} in the project {self.name!r}",
            expected="one of " + ", ".join(names),
        )

    @property
    def last(self) -> str:
        """The end of the order of promotion; previews have no place in it."""
        path = [e.name for e in self.environments if e.on != "branch"]
        return path[-1] if path else "production"

    def proves(self, name: str) -> bool:
        """Whether runs in this environment are what a promotion to another one rests on."""
        return any(e.after == name for e in self.environments)
