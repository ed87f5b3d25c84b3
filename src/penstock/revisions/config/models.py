"""The tables `[models.NAME]` of `penstock.toml`, and those below an environment."""

from __future__ import annotations

from penstock.checks import is_load, parse, parse_load
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue
from penstock.revisions.config.rollouts import read_rollout
from penstock.revisions.config.tables import Table
from penstock.revisions.config.types import PROOFS, ModelConfig


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
    table.allow("gate", "monitor", "rollout")
    table = table.over(everywhere)
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
    return ModelConfig(
        gate=gate, monitor=table.choice("monitor", METRICS, "roc_auc"), rollout=read_rollout(table)
    )
