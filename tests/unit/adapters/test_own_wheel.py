"""The running Penstock packs itself."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import uv

from penstock.adapters.builders.own_wheel import own_wheel


def test_the_same_code_gives_the_same_bytes() -> None:
    again = own_wheel.__wrapped__()
    assert again[0] == own_wheel()[0]
    assert zipfile.ZipFile(io.BytesIO(again[1])).testzip() is None
    assert own_wheel.__wrapped__()[1] == again[1]


def test_the_wheel_installs_and_describes_itself(tmp_path: Path) -> None:
    name, data = own_wheel()
    wheel = tmp_path / name
    wheel.write_bytes(data)
    place = tmp_path / "venv"
    for arguments in (
        ["venv", "--python", sys.executable, str(place)],
        ["pip", "install", "--offline", "--no-deps", "--python", str(place / "bin" / "python"), str(wheel)],
    ):
        subprocess.run([uv.find_uv_bin(), "--quiet", *arguments], check=True, timeout=60)
    asked = "from importlib.metadata import distribution as d; print(d('penstock').entry_points.names)"
    said = subprocess.run(
        [place / "bin" / "python", "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == "{'penstock'}"
    packed = {entry.filename for entry in zipfile.ZipFile(wheel).infolist()}
    assert {"penstock/py.typed", "penstock/core/errors.py"} <= packed
    assert not [entry for entry in packed if "__pycache__" in entry]
