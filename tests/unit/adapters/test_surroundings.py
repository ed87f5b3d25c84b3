"""What of this machine's settings reaches a build."""

from __future__ import annotations

import pytest

from penstock.adapters.builders.surroundings import plain, with_index

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
