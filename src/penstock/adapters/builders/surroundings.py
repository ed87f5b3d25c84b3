"""The environment variables of a build: what a clean machine would have, and nothing of who started us."""

from __future__ import annotations

import os

SOURCE_DATE = "315532800"
"""1980-01-01, the earliest time that a ZIP file can tell: the same bytes whenever a wheel is made."""
_PLAIN = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}
_INDEX = {
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NETRC",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
}
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
_OURS_TO_SAY = {
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_WORKING_DIRECTORY",
    "UV_WORKING_DIR",
    "UV_PYTHON",
    "UV_FROZEN",
    "UV_LOCKED",
    "UV_NO_SYNC",
    "UV_ENV_FILE",
    "UV_CONSTRAINT",
    "UV_OVERRIDE",
    "UV_BUILD_CONSTRAINT",
    "UV_EXCLUDE_NEWER",
}


def plain() -> dict[str, str]:
    """For a project's own code: no settings of Python, and no way to a package index or its passwords.

    Threads of OpenMP that have nothing to do sleep: those that spin would take the processor from what is
    done beside them, for many times as long as the work takes.
    """
    kept = {name: value for name, value in os.environ.items() if name in _PLAIN or name.startswith("LC_")}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "OMP_WAIT_POLICY": "passive"}


def with_index() -> dict[str, str]:
    """For uv: the same with the machine's settings of its package index, proxies and cache."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _INDEX
        or name.lower() in _PROXIES
        or (name.startswith(("PIP_", "UV_")) and name not in _OURS_TO_SAY)
    }
    return plain() | kept | {"SOURCE_DATE_EPOCH": SOURCE_DATE, "UV_NO_PROGRESS": "1"}
