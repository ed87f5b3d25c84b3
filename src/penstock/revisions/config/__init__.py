"""`penstock.toml`: what its owner says about delivery, as typed values."""

from penstock.revisions.config.read import parse_config
from penstock.revisions.config.types import (
    PROOFS,
    EnvironmentConfig,
    ModelConfig,
    ProjectConfig,
    ScheduleCondition,
    TriggerConfig,
    WorseCondition,
)

__all__ = [
    "PROOFS",
    "EnvironmentConfig",
    "ModelConfig",
    "ProjectConfig",
    "ScheduleCondition",
    "TriggerConfig",
    "WorseCondition",
    "parse_config",
]
