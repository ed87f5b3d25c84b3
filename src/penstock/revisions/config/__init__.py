"""`penstock.toml`: what its owner says about delivery, as typed values."""

from penstock.revisions.config.automatic import AUTOMATIC, TestsConfig, Waiver
from penstock.revisions.config.conditions import (
    CHANGE,
    EVER,
    ArrivalCondition,
    Condition,
    DriftCondition,
    Quiet,
    ScheduleCondition,
    SignalCondition,
    SkewCondition,
    SweepConfig,
    Then,
    TriggerConfig,
    WorseCondition,
    budget,
)
from penstock.revisions.config.environments import RESERVED
from penstock.revisions.config.freezes import Freeze, Frozen, frozen
from penstock.revisions.config.notify import EVENTS, ChannelConfig
from penstock.revisions.config.outputs import ImageConfig, OutputsConfig
from penstock.revisions.config.previews import preview_name
from penstock.revisions.config.read import parse_config
from penstock.revisions.config.rollouts import RolloutConfig
from penstock.revisions.config.types import (
    PROOFS,
    SKEW,
    EnvironmentConfig,
    ModelConfig,
    ProjectConfig,
)

__all__ = [
    "AUTOMATIC",
    "CHANGE",
    "EVENTS",
    "EVER",
    "PROOFS",
    "RESERVED",
    "SKEW",
    "ArrivalCondition",
    "ChannelConfig",
    "Condition",
    "DriftCondition",
    "EnvironmentConfig",
    "Freeze",
    "Frozen",
    "ImageConfig",
    "ModelConfig",
    "OutputsConfig",
    "ProjectConfig",
    "Quiet",
    "RolloutConfig",
    "ScheduleCondition",
    "SignalCondition",
    "SkewCondition",
    "SweepConfig",
    "TestsConfig",
    "Then",
    "TriggerConfig",
    "Waiver",
    "WorseCondition",
    "budget",
    "frozen",
    "parse_config",
    "preview_name",
]
