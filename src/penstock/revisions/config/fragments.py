"""A fragment of `penstock.toml` that holds triggers alone: a policy by which a pipeline is trained again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.revisions.config.tables import Document, Table, one_of
from penstock.revisions.config.triggers import read_triggers


def read_fragment(text: str, file: str, pipelines: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The tables `[[triggers]]` of a text by their pipeline, as they are written but for their environments.

    `pipeline` may be left out where a project has one. Raises InvalidProject.
    """
    document = Document(text, file)
    top = Table(document, (), document.values)
    top.allow("triggers")
    tables = top.tables("triggers")
    if not tables:
        top.refuse(None, "a policy has no trigger", expected="[[triggers]] with any = [...]")
    for table in tables:
        table.values["environments"] = ["simulated"]
        if len(pipelines) == 1:
            table.values.setdefault("pipeline", pipelines[0])
    for trigger in read_triggers(top, ("simulated",)):
        if trigger.pipeline not in pipelines:
            top.refuse("triggers", f"there is no pipeline {trigger.pipeline!r}", expected=one_of(pipelines))
    aside = ("pipeline", "environments")
    return {
        table.values["pipeline"]: {key: value for key, value in table.values.items() if key not in aside}
        for table in tables
    }
