"""The variables of a program that is isolated: plain ones, and a folder of its own as its home."""

from __future__ import annotations

import os
from pathlib import Path

_PLAIN = ("PATH", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_SET = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",
}


def plain_variables(own: Path) -> dict[str, str]:
    """Those of a program whose home and temporary files lie in its `own` folder, where they are made."""
    private = {"HOME": own / "home", "TMPDIR": own / "tmp"}
    for folder in private.values():
        folder.mkdir(exist_ok=True)
    kept = (name for name in os.environ if name in _PLAIN or name.startswith("LC_"))
    plain = {name: os.environ[name] for name in kept}
    return plain | {name: str(folder) for name, folder in private.items()} | _SET
