"""The running Penstock as a wheel: projects' environments get the very code that drives them."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

from penstock.adapters.builders.outputs.archives import zipped_wheel

_WHEEL = "Wheel-Version: 1.0\nGenerator: penstock\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_DESCRIPTIONS = ("METADATA", "entry_points.txt")


@cache
def own_wheel() -> tuple[str, bytes]:
    """The file name and the bytes of a wheel of the running Penstock.

    Made from the installed distribution, whether that is a wheel or an editable checkout; the
    same code gives the same bytes. Raises OSError when the package's files cannot be read.
    """
    installed = distribution("penstock")
    package = Path(str(files("penstock")))
    packed = {
        f"penstock/{file.relative_to(package).as_posix()}": file.read_bytes()
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    info = f"penstock-{installed.version}.dist-info"
    for name in _DESCRIPTIONS:
        packed[f"{info}/{name}"] = (installed.read_text(name) or "").encode()
    packed[f"{info}/WHEEL"] = _WHEEL.encode()
    record = "".join(_record(name, data) for name, data in sorted(packed.items()))
    packed[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return f"penstock-{installed.version}-py3-none-any.whl", zipped_wheel(packed)


def _record(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"
