"""Questions about numbers: the one word behind validation, gates, rollout guards and alarms."""

from penstock.checks.check import Check, CheckResult
from penstock.checks.grammar import parse, parse_all

__all__ = ["Check", "CheckResult", "parse", "parse_all"]
