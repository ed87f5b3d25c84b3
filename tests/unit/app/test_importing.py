"""An import is a run of the system: what is sent becomes a version, and what cannot be meant no run."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from penstock.app import App
from penstock.app.api import call
from penstock.app.home import Home
from penstock.core.errors import InvalidValue, NotAllowed, NotFound, PenstockError
from penstock.deployments.releases import Releases
from penstock.models.types import Model, Version
from penstock.revisions.types import Project
from penstock.runs.types import Run, Workspace
from penstock.testing.delivery import Delivered

SIZES = np.random.default_rng(5).normal(size=(100, 2)).astype(np.float32)
LATE = SIZES[:, 0] > SIZES[:, 1]
TABLE = pl.DataFrame(SIZES, schema=["wind", "load"]).with_columns(late=pl.Series(LATE.astype(int)))
TOML = """
[project]
name = "flights"
[environments.live]
deploy = { on = "push", branch = "live" }
serve = true
run = false
[models.risk]
imported = true
gate = ["roc_auc >= 0.6"]
risk = "high"
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    app = App(Home(tmp_path / "home"), on="inline")
    with app.store.begin() as tx:
        tx.add(Project(id="flights", created=app.clock.now(), data_root=str(tmp_path)))
    place = Workspace(python=sys.executable, folder=str(tmp_path), data_root="", lock="")
    monkeypatch.setattr(app.importing, "_workspace_of", lambda _release, _where: place)
    yield app
    app.close()


def deploy(app: App) -> None:
    project = Delivered(app.store, app.blobs, app.clock)
    project.release("c1", TOML)
    project.move("live", "c1")
    Releases(app.store, app.blobs, app.clock).tick(app.clock.now())


def sent(app: App, data: bytes) -> list[str]:
    """A file, sent in two pieces."""
    pieces = (data[:100], data[100:])
    return [
        call(app, "POST", "/imports/pieces", {"data": base64.b64encode(piece).decode()})["digest"]
        for piece in pieces
    ]


def begin(app: App, **more: Any) -> Any:
    onnx = to_onnx(LogisticRegression().fit(SIZES, LATE), SIZES[:1]).SerializeToString()
    asked = {
        "name": "risk",
        "files": {"model.onnx": sent(app, onnx)},
        "source": "/there/model.onnx",
        "examples": sent(app, TABLE.write_csv().encode()),
        "rows": "csv",
        "label": "late",
        "actor": "ada",
    }
    return call(app, "POST", "/imports", asked | more)


def test_a_run_of_the_first_environment_that_serves_makes_a_version(app: App) -> None:
    deploy(app)
    begun = begin(app)
    while app.runs.tick(app.clock.now()) or app.runs.wait(0.05):
        pass
    app.models.tick(app.clock.now())
    with app.store.read() as reader:
        run = reader.get(Run, begun["run"])
        version = reader.get(Version, "risk@1")
    assert (begun["environment"], run.status, run.told) == ("live", "succeeded", False)
    assert version.metrics["roc_auc"] > 0.99
    assert (version.training["rows"], version.training["as_of"]) == (None, "")
    made = version.governance
    assert (made["author"], made["commit"], made["risk"]) == ("ada", "", "high")
    assert made["imported"].keys() == {"from", "digest", "as"}


REFUSED: dict[str, tuple[dict[str, Any], type[PenstockError], str]] = {
    "a name": ({"name": "ri sk"}, InvalidValue, "cannot be the name of a model"),
    "a kind": ({"files": {"rows.csv": []}}, InvalidValue, "does not tell by its name.*--format"),
    "a format": ({"format": "tea"}, InvalidValue, "expected onnx, skops, mlflow, pickle; found tea"),
    "a pickle": ({"files": {"m.pkl": []}}, NotAllowed, "runs whatever code.*--unsafe-pickle REASON"),
    "a piece": ({"files": {"m.onnx": ["0" * 64]}}, NotFound, "0000"),
    "rows": ({"rows": "xls"}, InvalidValue, "no import.*xls"),
    "an owner": ({"name": "taken"}, NotAllowed, "belongs to the project other"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_meant_begins_no_run(
    app: App, case: tuple[dict[str, Any], type[PenstockError], str]
) -> None:
    more, refusal, sentence = case
    deploy(app)
    with app.store.begin() as tx:
        tx.add(Model(id="taken", project="other", created=app.clock.now()))
    with pytest.raises(refusal, match=sentence):
        begin(app, **more)
    with app.store.read() as reader:
        assert reader.count(Run) == 0


def test_without_a_release_there_is_nothing_to_read_it_in(app: App) -> None:
    with pytest.raises(NotFound, match="No release of flights is deployed where models serve"):
        begin(app)
    with pytest.raises(InvalidValue, match="in base64"):
        call(app, "POST", "/imports/pieces", {"data": "€"})
