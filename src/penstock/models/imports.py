"""Imports: models made elsewhere, as they are handed over to become versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from penstock.pipelines.types import Graph, Node, Options

Kind = Literal["onnx", "skops", "mlflow", "pickle"]
Pieces = tuple[str, ...]
"""The digests of the pieces of a file, in their order."""


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """A model made elsewhere that is to become a version of `model`.

    `source` says where it was, and `digest` is that of the file, or of the list of a folder's files with
    theirs. `files` are by their path in the folder. `examples` is a table of `rows` as the model will be
    asked, in CSV or Parquet, and `label` names the column in it with what really happened, empty where none
    does. `unsafe` is the reason for which a pickle may be read, empty where it may not.
    """

    model: str
    kind: Kind
    source: str
    digest: str
    files: dict[str, Pieces]
    examples: Pieces = ()
    rows: Literal["", "csv", "parquet"] = ""
    label: str = ""
    unsafe: str = ""

    def told(self) -> dict[str, str]:
        """What governance keeps of it."""
        found = {"from": self.source, "digest": self.digest, "as": self.kind, "unsafe": self.unsafe}
        return {name: text for name, text in found.items() if text}


def import_graph(given: Import) -> Graph:
    """The graph that makes a version of it. It has a name that no function has, so that no pipeline is
    taken for it.
    """
    name = f"import:{given.model}"
    node = Node(
        name="import",
        kind="import",
        outputs=("candidate",),
        settings=msgspec.to_builtins(given),
        options=Options(cache=False),
    )
    return Graph(pipeline=name, target=name, nodes=(node,))


def imported_by(graph: Graph) -> Import | None:
    """What a run of this graph imports, None for any other."""
    nodes = [node for node in graph.nodes if node.kind == "import"]
    return msgspec.convert(nodes[0].settings, Import) if nodes else None


def kind_of(files: Mapping[str, object]) -> Kind | None:
    """What files seem to be by their names; None where these do not tell."""
    if "MLmodel" in files:
        return "mlflow"
    ends = {path.rpartition(".")[2].lower() for path in files} if len(files) == 1 else set()
    known: dict[str, Kind] = {
        "onnx": "onnx",
        "skops": "skops",
        "pkl": "pickle",
        "pickle": "pickle",
        "joblib": "pickle",
    }
    return next((known[end] for end in ends if end in known), None)
