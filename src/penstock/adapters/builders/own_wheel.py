"""The running Penstock as a wheel: projects' environments get the very code that drives them."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

_EARLIEST = (1980, 1, 1, 0, 0, 0)
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
    return f"penstock-{installed.version}-py3-none-any.whl", _zip(packed)


def _record(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def _zip(files: dict[str, bytes]) -> bytes:
    """The files in the order of their names, but the distribution's description last, as wheels want it."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files, key=lambda name: (".dist-info/" in name, name)):
            entry = zipfile.ZipInfo(name, date_time=_EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return output.getvalue()
