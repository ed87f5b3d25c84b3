"""MLflow's model folders, read without MLflow: the flavours that can be served, signature and examples."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from posixpath import dirname, normpath
from typing import Any

import msgspec
import polars as pl

from penstock.adapters.formats.onnx_files import in_one_file
from penstock.core.errors import UnsupportedModel
from penstock.datasets.types import Column
from penstock.models.imports import Kind

_DTYPES = {
    "double": "float",
    "float": "float",
    "long": "int",
    "integer": "int",
    "boolean": "bool",
    "string": "string",
}
_PINNED = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.+!_-]+)")


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A model file, and what stands beside it: its inputs, rows to ask it, and the packages that made it."""

    kind: Kind
    data: bytes
    inputs: tuple[Column, ...] = ()
    examples: pl.DataFrame | None = None
    requirements: dict[str, str] = {}


class _MLmodel(msgspec.Struct, frozen=True, kw_only=True):
    flavors: dict[str, dict[str, Any]]
    signature: dict[str, Any] | None = None
    saved_input_example_info: dict[str, Any] | None = None


class _Input(msgspec.Struct, frozen=True, kw_only=True):
    type: Any
    name: str = ""
    required: bool = True


def open_folder(paths: Sequence[str], read: Callable[[str], bytes]) -> Opened:
    """The model of an MLflow folder. Raises UnsupportedModel for what is no such folder, or not served."""
    try:
        told = msgspec.yaml.decode(read("MLmodel"), type=_MLmodel)
        inputs = _inputs(told.signature or {})
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError) as error:
        raise UnsupportedModel(
            what="The MLmodel of the folder is not MLflow's", found=str(error).split("\n")[0][:200]
        ) from error
    kind, path = _flavour(told.flavors)
    path = normpath(path)
    if path not in paths:
        raise UnsupportedModel(
            what=f"The folder lacks the file {path}, which its MLmodel names", found=", ".join(paths)
        )
    requirements = read("requirements.txt").decode(errors="replace") if "requirements.txt" in paths else ""
    return Opened(
        kind=kind,
        data=_data(kind, path, paths, read),
        inputs=inputs,
        examples=_examples(told.saved_input_example_info or {}, paths, read),
        requirements=dict(_PINNED.findall(requirements)),
    )


def _data(kind: Kind, path: str, paths: Sequence[str], read: Callable[[str], bytes]) -> bytes:
    if kind != "onnx":
        return read(path)
    folder = dirname(path)
    return in_one_file(path, {name: read(name) for name in paths if dirname(name) == folder})


def _flavour(flavors: dict[str, dict[str, Any]]) -> tuple[Kind, str]:
    if found := flavors.get("onnx"):
        return "onnx", str(found.get("data", "model.onnx"))
    if found := flavors.get("sklearn"):
        kind: Kind = "skops" if found.get("serialization_format") == "skops" else "pickle"
        return kind, str(found.get("pickled_model", "model.pkl"))
    raise UnsupportedModel(
        what="The flavours of the MLflow model are not imported",
        expected="sklearn or onnx",
        found=", ".join(name for name in flavors if name != "python_function") or "python_function",
        fix="Log the model as ONNX: mlflow.onnx.log_model.",
    )


def _inputs(signature: dict[str, Any]) -> tuple[Column, ...]:
    """The columns that a signature names; none for one of tensors, or that has types which are not served."""
    told = msgspec.json.decode(signature.get("inputs") or "[]", type=list[_Input])
    if not all(each.name and each.type in tuple(_DTYPES) for each in told):
        return ()
    return tuple(Column(name=e.name, dtype=_DTYPES[e.type], nullable=not e.required) for e in told)


def _examples(
    told: dict[str, Any], paths: Sequence[str], read: Callable[[str], bytes]
) -> pl.DataFrame | None:
    """The input example, where it is a table with names for its columns."""
    path = told.get("artifact_path", "")
    if path not in paths or told.get("type") != "dataframe":
        return None
    found = msgspec.json.decode(read(path))
    if not isinstance(found, dict) or not {"columns", "data"} <= set(found):
        return None
    return pl.DataFrame(found["data"], schema=list(map(str, found["columns"])), orient="row", strict=False)
