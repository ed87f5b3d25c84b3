"""Which of the calls that MLflow's client knows Penstock answers: a new client shows what it adds."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from penstock.web.mlflow.mount import CALLS, FILES

pytest.importorskip("mlflow", reason="MLflow's client is not installed: it is in the group `dev`")
FILE_CALLS = {("GET", FILES)} | {
    (method, f"{FILES}/{{artifact_path}}") for method in ("GET", "PUT", "DELETE")
}


def known_to_the_client() -> Iterator[tuple[str, str]]:
    """The methods and paths of every service that the client's protobuf describes."""
    from mlflow.protos import databricks_pb2, mlflow_artifacts_pb2, model_registry_pb2, service_pb2

    services: tuple[Any, ...] = (service_pb2, model_registry_pb2, mlflow_artifacts_pb2)
    for module in services:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                for endpoint in method.GetOptions().Extensions[databricks_pb2.rpc].endpoints:
                    path = re.sub(r"<path:(\w+)>", r"{\1}", endpoint.path.strip("/"))
                    yield endpoint.method, path


def test_the_calls_that_are_answered(golden: Callable[[str, str], None]) -> None:
    answered = {(call.method, call.path) for call in CALLS} | FILE_CALLS
    known = sorted(set(known_to_the_client()), key=lambda each: each[::-1])
    assert answered <= set(known), answered - set(known)
    lines = [f"{'answers' if each in answered else '   -   '} {each[0]:<6} {each[1]}\n" for each in known]
    golden("mlflow_calls.txt", "".join(lines))
