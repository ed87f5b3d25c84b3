"""Models as `penstock.toml` has them: their gate, and what they are for."""

from __future__ import annotations

from typing import cast

from penstock.checks import is_load, parse, parse_load
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue
from penstock.revisions.config.tables import Table
from penstock.revisions.config.types import PROOFS, ModelConfig, Risk

_RISKS = ("low", "limited", "high")


def read_model(name: str, table: Table) -> ModelConfig:
    """The table `[models.NAME]`. Raises InvalidProject."""
    if not name.isidentifier() and not name.replace("-", "_").isidentifier():
        table.refuse(
            None,
            "this cannot be the name of a model",
            expected="letters, digits, `-` or `_`",
            found=repr(name),
        )
    table.allow("gate", "monitor", "sign_off", "intended_use", "risk", "owners", "expires_after")
    return ModelConfig(
        gate=_gate(table),
        monitor=table.choice("monitor", METRICS, "roc_auc"),
        sign_off=table.texts("sign_off") if "sign_off" in table else (),
        intended_use=table.get("intended_use", str, ""),
        risk=cast("Risk", table.choice("risk", _RISKS) if "risk" in table else ""),
        owners=table.texts("owners") if "owners" in table else (),
        expires_after=table.span("expires_after") if "expires_after" in table else "",
    )


def _gate(table: Table) -> tuple[str, ...]:
    gate = table.texts("gate")
    for index, text in enumerate(gate):
        try:
            if is_load(text):
                parse_load(text)
            elif text not in PROOFS:
                parse(text)
        except InvalidValue as error:
            others = f'a check such as "roc_auc >= 0.7", a proof ({", ".join(PROOFS)}) or a load (`load: …`)'
            table.document.refuse(
                (*table.path, "gate", index),
                f"the gate asks something unknown: {error.what}",
                expected=error.expected if is_load(text) else others,
                found=repr(text),
                fix=error.fix,
            )
    return gate
