"""The routes of `app.api`, answered in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.app import App
    from penstock.app.workbench import Workbench


class Here:
    """A home opened for a command: for the routes of runs only as much of it as they need."""

    def __init__(self, home: Path, stack: ExitStack, *, create: bool) -> None:
        self._home = home
        self._stack = stack
        self._create = create
        self._bench: Workbench | None = None

    def call(self, method: str, path: str, fields: dict[str, Any]) -> Any:
        """See `app.api.routes.Routes.call`. Raises NotFound when the home must exist and does not."""
        from penstock.app.api.runs import ROUTES

        if not ROUTES.knows(method, path):
            return self._call_whole(method, path, fields)
        if self._bench is None:
            from penstock.app.workbench import open_workbench

            self._bench = self._stack.enter_context(open_workbench(self._home, create=self._create))
        return ROUTES.call(self._bench, method, path, fields)

    def pieces(self, path: str) -> Iterator[bytes]:
        """See `app.api.downloads.download`."""
        from penstock.app.api.downloads import download

        return download(self._whole(), path).pieces

    def _call_whole(self, method: str, path: str, fields: dict[str, Any]) -> Any:
        from penstock.app import api

        return api.call(self._whole(), method, path, fields)

    def _whole(self) -> App:
        from penstock.app import App, open_app

        if not isinstance(self._bench, App):
            self._bench = self._stack.enter_context(open_app(self._home, create=self._create))
        return self._bench
