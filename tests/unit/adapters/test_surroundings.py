"""What of this machine's settings reaches a build."""

from __future__ import annotations

import pytest

from penstock.adapters.builders.surroundings import plain, with_index
from penstock.adapters.executors import process

SETTINGS = {
    "UV_DEFAULT_INDEX": "https://user:secret@index.example.org/simple",
    "PIP_CERT": "/certs.pem",
    "HTTPS_PROXY": "http://proxy.example.org",
    "SSL_CERT_FILE": "/certs.pem",
}
PERSONAL = {
    "PYTHONPATH": "/nowhere",
    "PYTHONHOME": "/nowhere",
    "VIRTUAL_ENV": "/nowhere",
    "UV_PROJECT_ENVIRONMENT": "/nowhere",
    "PYTEST_ADDOPTS": "--exitfirst",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SETTINGS | PERSONAL).items():
        monkeypatch.setenv(name, value)


def test_uv_gets_the_package_index_and_nothing_personal() -> None:
    variables = with_index()
    assert variables.items() >= SETTINGS.items()
    assert not variables.keys() & PERSONAL.keys()


def test_the_projects_own_code_gets_no_way_to_the_index() -> None:
    variables = plain()
    assert "secret" not in " ".join(variables.values())
    assert not variables.keys() & (PERSONAL.keys() | {"UV_DEFAULT_INDEX", "HTTPS_PROXY"})
    assert variables["PATH"]


def test_a_step_gets_the_systems_variables_without_passwords_of_index_and_forge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENSTOCK_FORGE_TOKEN", "secret")
    monkeypatch.setenv("PENSTOCK_WEBHOOK_SECRET", "secret")
    variables = process._environment()
    assert not variables.keys() & {"UV_DEFAULT_INDEX", "PIP_CERT", "PYTHONPATH"}
    assert not {name for name in variables if name.startswith("PENSTOCK_") and variables[name] == "secret"}
    assert variables["AWS_SECRET_ACCESS_KEY"] == "secret"  # steps read data
