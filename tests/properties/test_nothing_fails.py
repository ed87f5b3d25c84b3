"""Whatever the OpenAPI documents allow, or just do not, is answered or refused in a sentence: never a 500."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from litestar.testing import TestClient
from schemathesis import Case, GenerationMode

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.adapters.predictor.kept import service_key
from penstock.adapters.predictor.process import PredictorProcess
from penstock.app import open_app
from penstock.testing.contracts.prediction import plan
from penstock.testing.tiny_onnx import sigmoid_version
from penstock.web import create_web

HOME = "http://127.0.0.1:4747"
EXAMPLES = int(os.environ.get("FUZZ", "0"))
"""For each operation; without it four for each of the prediction service, and one for every third of the
control plane's, which has many. FUZZ=200 goes further.
"""


def fuzz(
    client: httpx.Client, mode: GenerationMode, examples: int, every: int = 1
) -> tuple[Counter[int], list[str]]:
    """How often each status came, and the requests that failed: always the same ones are made."""
    document = client.get("/openapi.json").raise_for_status().json()
    statuses, failed = Counter[int](), list[str]()
    bounded = settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    operations = list(schemathesis.openapi.from_dict(document).get_all_operations())
    for found in operations[::every]:

        @bounded
        @given(found.ok().as_strategy(generation_mode=mode))
        def ask(case: Case) -> None:
            told = client.send(made(client, case))
            statuses[told.status_code] += 1
            if told.status_code >= 500 and told.status_code != 503:
                failed.append(f"{case.as_curl_command()}: {told.text[:300]}")

        with suppress(Unsatisfiable):  # nothing can be wrong with a request that takes nothing
            ask()
    return statuses, failed


def made(client: httpx.Client, case: Case) -> httpx.Request:
    given = case.as_transport_kwargs(base_url=str(client.base_url))
    known = {name: given[name] for name in ("method", "url", "params", "headers", "json") if name in given}
    return client.build_request(content=given.get("data"), **known)


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home: Path = tmp_path_factory.mktemp("home")
    process = PredictorProcess(home)
    process.start()
    service = HttpPredictionService(process.url, service_key(home))
    service.apply(plan(1, sigmoid_version(FolderBlobs(home / "blobs"), 1)))
    service.close()
    with httpx.Client(base_url=process.url, trust_env=False) as client:
        yield client
    process.stop()


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_prediction_service_answers_or_refuses(predictions: httpx.Client, mode: GenerationMode) -> None:
    statuses, failed = fuzz(predictions, mode, examples=EXAMPLES or 4)
    assert not failed
    assert statuses[200 if mode is GenerationMode.POSITIVE else 400]
    assert predictions.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_control_plane_answers_or_refuses(tmp_path: Path, mode: GenerationMode) -> None:
    with open_app(tmp_path / "home") as app, TestClient(create_web(app), base_url=HOME) as client:
        client.headers["Authorization"] = f"Bearer {app.home.key()}"
        statuses, failed = fuzz(client, mode, examples=EXAMPLES or 1, every=1 if EXAMPLES else 3)
    assert not failed
    assert statuses
