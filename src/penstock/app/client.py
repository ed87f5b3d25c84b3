"""`penstock.connect()`: the nouns as Python values, from a home or from a server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.remote.client import RemoteApi
from penstock.app.api import call
from penstock.app.experiments.notebook import RunViews
from penstock.app.home import Home
from penstock.app.wiring import open_app
from penstock.core.errors import NotFound
from penstock.models.types import Version


class ModelView:
    """A model of the registry, by its name."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def champion(self, environment: str = "production") -> Version:
        """The version that answers in an environment. Raises NotFound before there is one."""
        return self._version(environment)

    def version(self, number: int) -> Version:
        """The version with a number. Raises NotFound."""
        return self._version(str(number))

    def versions(self) -> list[Version]:
        """Every version, the newest first."""
        items = self._connection.get("/versions", model=self.name, limit=0)["items"]
        return msgspec.convert(items, list[Version])

    def _version(self, place: str) -> Version:
        entry = self._connection.get(f"/models/{self.name}@{place}")
        return msgspec.convert(entry["version"], Version)


class ModelViews(Mapping[str, ModelView]):
    """The models of the registry by name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getitem__(self, name: str) -> ModelView:
        try:
            self._connection.get(f"/models/{name}")
        except NotFound as error:
            raise KeyError(str(error)) from error
        return ModelView(self._connection, name)

    def __iter__(self) -> Iterator[str]:
        return iter([item["id"] for item in self._connection.get("/models", limit=0)["items"]])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Connection:
    """A system that can be asked and told. Every noun of the pages is at the same path here."""

    def __init__(self, home: Path, server: str) -> None:
        self._home = home
        self._remote = RemoteApi(server, token=os.environ.get("PENSTOCK_TOKEN", "")) if server else None

    @property
    def models(self) -> ModelViews:
        """The model registry."""
        return ModelViews(self)

    @property
    def runs(self) -> RunViews:
        """The runs by number, such as `runs["12"].result("fit")`; a notebook shows them."""
        return RunViews(self.get, None if self._remote else FolderBlobs(Home(self._home).blobs))

    def get(self, path: str, **query: Any) -> Any:
        """What there is at a path such as `/runs` or `/builds/3`, as JSON-like data."""
        return self._call("GET", path, query)

    def post(self, path: str, **body: Any) -> Any:
        """Do something, such as `/promote`."""
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, fields: Mapping[str, Any]) -> Any:
        if self._remote:
            return self._remote.call(method, path, fields)
        with open_app(self._home, create=False) as app:
            return call(app, method, path, fields)


def connect(server: str = "", *, home: str | Path = "") -> Connection:
    """Connect to a server's URL (or PENSTOCK_SERVER), else to the home (or PENSTOCK_HOME, `.penstock`)."""
    place = Path(home or os.environ.get("PENSTOCK_HOME", ".penstock"))
    return Connection(place, server or ("" if home else os.environ.get("PENSTOCK_SERVER", "")))
