"""The tables `[models.NAME]` of `penstock.toml`, and those below an environment."""

from __future__ import annotations

from difflib import get_close_matches
from typing import cast

from penstock.checks import is_load, is_sign_off, parse, parse_load, signatures
from penstock.checks.metrics import METRICS
from penstock.checks.shares import parse_share
from penstock.core.errors import InvalidValue
from penstock.revisions.config.rollouts import read_rollout
from penstock.revisions.config.tables import Table
from penstock.revisions.config.types import PROOFS, SKEW, ModelConfig, Risk

USUAL = ModelConfig(gate=())
"""What holds of a model where nothing is declared."""
_RISKS = ("low", "limited", "high")


def read_models(tables: Table, top: Table | None = None) -> dict[str, ModelConfig]:
    """The models of a project, or those that an environment has of its own, over those at the `top`.

    Raises InvalidProject.
    """
    everywhere = top.named("models") if top else {}
    return {name: _model(name, table, everywhere.get(name)) for name, table in tables.named("models").items()}


def _model(name: str, table: Table, everywhere: Table | None) -> ModelConfig:
    if not name.isidentifier() and not name.replace("-", "_").isidentifier():
        table.refuse(
            None,
            "this cannot be the name of a model",
            expected="letters, digits, `-` or `_`",
            found=repr(name),
        )
    table.allow(
        *("gate", "monitor", "rollout", "intended_use", "risk", "owners", "expires_after"),
        *("keep_predictions", "redact", "log_share", "skew", "imported", "unsafe_pickle", "slices"),
    )
    table = table.over(everywhere)
    return ModelConfig(
        gate=_gate(table),
        monitor=table.choice("monitor", METRICS, "roc_auc"),
        rollout=read_rollout(table),
        intended_use=table.get("intended_use", str, ""),
        risk=cast("Risk", table.choice("risk", _RISKS) if "risk" in table else ""),
        owners=table.texts("owners") if "owners" in table else (),
        expires_after=table.span("expires_after") if "expires_after" in table else "",
        keep_predictions=table.span("keep_predictions") if "keep_predictions" in table else "",
        redact=table.texts("redact") if "redact" in table else (),
        log_share=_log_share(table),
        skew=_skew(table) if "skew" in table else USUAL.skew,
        imported=table.get("imported", bool, False),
        slices=_slices(table),
        unsafe_pickle=table.get("unsafe_pickle", str, ""),
    )


def _slices(table: Table) -> tuple[str, ...]:
    slices = table.texts("slices") if "slices" in table else ()
    hidden = sorted(set(slices) & set(table.texts("redact") if "redact" in table else ()))
    if hidden:
        table.refuse(
            "slices",
            f"{hidden[0]!r} is redacted, so nobody knows which answers belong to its slices",
            fix="Take it out of `redact` or out of `slices`.",
        )
    return slices


def _log_share(table: Table) -> int:
    share = table.get("log_share", int, 100)
    if not 1 <= share <= 100:
        table.refuse(
            "log_share", "no such share of the answers can be logged", expected="1 to 100", found=str(share)
        )
    return share


def _skew(table: Table) -> tuple[str, ...]:
    texts = table.texts("skew")
    for index, text in enumerate(texts):
        try:
            parse_share(text, SKEW)
        except InvalidValue as error:
            place = (*table.path, "skew", index)
            table.document.refuse(place, error.what, expected=error.expected, found=repr(text), fix=error.fix)
    return texts


def _gate(table: Table) -> tuple[str, ...]:
    gate = table.texts("gate")
    for index, text in enumerate(gate):
        try:
            if is_load(text):
                parse_load(text)
            elif is_sign_off(text):
                signatures(text)
            elif text not in PROOFS:
                parse(text)
        except InvalidValue as error:
            near = get_close_matches(text.partition(":")[0], (*PROOFS, "sign_off", "load"), n=1)
            others = (
                f'a check such as "roc_auc >= 0.7", a proof ({", ".join(PROOFS)}), a load (`load: …`) or '
                "people (`sign_off`)"
            )
            table.document.refuse(
                (*table.path, "gate", index),
                f"the gate asks something unknown: {error.what}",
                expected=error.expected if is_load(text) or is_sign_off(text) else others,
                found=repr(text),
                fix=f"Did you mean `{near[0]}`?" if near else error.fix,
            )
    return gate
