"""The first thing that an executable runs, with nothing but the standard library.

It is the `__main__.py` of the file: it unpacks what the file holds into a folder of the user, once, and goes
on there as `penstock.cli.executable`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

ABOUT = "about.json"
CODE = "code/"
DEPENDENCIES = "dependencies.tar.gz"


def main(file: str, arguments: list[str]) -> None:
    """Go on as the program that is packed in `file`; exits with one sentence when that cannot be."""
    with zipfile.ZipFile(file) as archive:
        about = json.loads(archive.read(ABOUT))
        _with_fitting_python(file, about, arguments)
        kept = _folder()
        try:
            kept.mkdir(parents=True, exist_ok=True)
            python = _environment(archive, about, kept, file)
            code = _code(archive, about, kept)
        except OSError as error:
            sys.exit(
                f"{file} cannot be unpacked into {kept}: {error.strerror or error}. "
                "Name another folder with XDG_CACHE_HOME."
            )
    command = [str(python), "-I", "-m", "penstock.cli.executable", file, str(code), *arguments]
    os.execv(command[0], command)  # noqa: S606 - there is nothing that a shell could misread


def _with_fitting_python(file: str, about: dict[str, Any], arguments: list[str]) -> None:
    """Go on with the Python that the file was made for, if this is another."""
    made, here = about["python"], f"{sys.version_info[0]}.{sys.version_info[1]}"
    if (about["implementation"], about["platform"]) != (sys.implementation.name, sysconfig.get_platform()):
        sys.exit(
            f"{file} was made for {about['implementation']} on {about['platform']}; "
            f"this is {sys.implementation.name} on {sysconfig.get_platform()}."
        )
    if here == made:
        return
    other = shutil.which(f"python{made}")
    if other:
        os.execv(other, [other, "-I", file, *arguments])  # noqa: S606 - the same
    sys.exit(f"{file} was made for Python {made}; this is Python {here}, and there is no python{made}.")


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "penstock", "executables")


def _environment(archive: zipfile.ZipFile, about: dict[str, Any], kept: Path, file: str) -> Path:
    """The Python of a virtual environment with the dependencies; one that is there is complete."""
    base = f"{os.path.realpath(sys.executable)} {sys.version}"
    place = kept / f"{about['dependencies'][:16]}-{hashlib.sha256(base.encode()).hexdigest()[:8]}"
    python = Path("bin", "python")
    if not (place / python).exists():
        sys.stderr.write(f"Unpacking {Path(file).name} once, into {kept}.\n")
        with tempfile.TemporaryDirectory(dir=kept, prefix=".new-") as scratch:
            fresh = Path(scratch, "environment")
            _empty_environment(fresh / python)
            site = fresh / "lib" / f"python{about['python']}" / "site-packages"
            with archive.open(DEPENDENCIES) as packed, tarfile.open(fileobj=packed, mode="r:gz") as tar:
                safely = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
                tar.extractall(site, **safely)  # type: ignore[arg-type] # noqa: S202 - it was made by a build
            _place(fresh, place)
    return place / python


def _empty_environment(python: Path) -> None:
    """What makes a virtual environment (PEP 405); `venv` would write the name of the folder into it."""
    base = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    python.parent.mkdir(parents=True)
    python.symlink_to(base)
    (python.parents[1] / "pyvenv.cfg").write_text(f"home = {base.parent}\n", encoding="utf-8")


def _code(archive: zipfile.ZipFile, about: dict[str, Any], kept: Path) -> Path:
    """The folder with the project's code and what is known about it."""
    place = kept / str(about["key"])
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=kept, prefix=".new-") as scratch:
            fresh = Path(scratch, "code")
            for name in archive.namelist():
                if name.startswith(CODE) or name == ABOUT:
                    archive.extract(name, fresh)
            _place(fresh, place)
    return place


def _place(fresh: Path, place: Path) -> None:
    """Move a folder to its place; where another process was faster, or Python is gone, in its stead."""
    while True:
        try:
            fresh.rename(place)
        except OSError:
            if not place.exists():
                raise
            shutil.rmtree(place, ignore_errors=True)
        else:
            return


if __name__ == "__main__":
    main(sys.path[0], sys.argv[1:])
