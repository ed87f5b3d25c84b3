"""Clients that we did not write speak to a real prediction process, unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.adapters.predictor.kept import service_key
from penstock.adapters.predictor.process import PredictorProcess
from penstock.testing.contracts.prediction import plan
from penstock.testing.tiny_onnx import sigmoid_version


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceServerClient]:
    home: Path = tmp_path_factory.mktemp("home")
    process = PredictorProcess(home)
    process.start()
    service = HttpPredictionService(process.url, service_key(home))
    service.apply(plan(1, sigmoid_version(FolderBlobs(home / "blobs"), 1)))
    client = InferenceServerClient(process.url.removeprefix("http://"))
    yield client
    client.close()
    service.close()
    process.stop()


def inputs(*, binary: bool) -> list[InferInput]:
    wind, carrier = InferInput("wind", [2], "FP64"), InferInput("carrier", [2], "BYTES")
    wind.set_data_from_numpy(np.array([2.0, 0.0]), binary_data=binary)
    carrier.set_data_from_numpy(np.array(["UA", "Ålesund"], dtype=object), binary_data=binary)
    return [wind, carrier]


def test_triton_finds_the_server_and_the_model(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("delay")
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert [put["name"] for put in triton.get_model_metadata("delay")["inputs"]] == ["wind", "carrier"]


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("asked", [True, False])
def test_triton_is_answered_in_json_and_in_bytes(
    triton: InferenceServerClient, sent: bool, asked: bool
) -> None:
    wishes = [InferRequestedOutput(name, binary_data=asked) for name in ("score", "label", "probabilities")]
    told = triton.infer("delay", inputs(binary=sent), outputs=wishes, request_id="r1")
    assert told.as_numpy("score") == pytest.approx([1 / (1 + np.exp(-2)), 0.5])
    assert next(bytes(x).decode() if asked else str(x) for x in told.as_numpy("label")) == "true"
    assert told.as_numpy("probabilities").shape == (2, 2)
    assert told.get_response()["id"] == "r1"


def test_triton_is_told_what_does_not_fit(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="lacks columns of the model"):
        triton.infer("delay", inputs(binary=True)[:1])
