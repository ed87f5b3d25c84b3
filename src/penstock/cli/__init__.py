"""The same words as the URLs."""

import atexit
import gc
import os
import sys
import threading

FEW = 20_000
"""Objects between two looks for garbage: with Python's 700 a tenth of what a command takes is looking."""


def main() -> None:
    """The program `penstock`.

    What was opened is closed by then: taking a few hundred modules apart would only make people wait.
    """
    gc.set_threshold(FEW)
    from penstock.cli.commands import app

    code: object = 0
    try:
        app()
    except SystemExit as end:
        code = end.code
    if threading.active_count() > 1 or not isinstance(code, int | None):  # there is something to wait for
        sys.exit(code)  # type: ignore[arg-type]
    atexit._run_exitfuncs()  # noqa: SLF001 - what libraries have asked for is done
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code or 0)
