"""Questions about numbers: the one word behind validation, gates, rollout guards and alarms."""

from penstock.checks.check import Check, CheckResult
from penstock.checks.grammar import parse, parse_all
from penstock.checks.load import Load, is_load, parse_load
from penstock.checks.signs import is_sign_off, signatures

__all__ = [
    "Check",
    "CheckResult",
    "Load",
    "is_load",
    "is_sign_off",
    "parse",
    "parse_all",
    "parse_load",
    "signatures",
]
