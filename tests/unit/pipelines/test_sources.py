"""Code is what its source says, not what was compiled of it a moment ago."""

import os
import py_compile
import subprocess
import sys
from pathlib import Path

WORK = """
from penstock.pipelines.loading import make_importable
make_importable(FOLDER)
import shelf.count
print(shelf.count.MANY, shelf.__name__)
"""


def test_a_module_changed_within_a_second_at_the_same_length_is_imported_as_it_is(tmp_path: Path) -> None:
    package = tmp_path / "shelf"
    package.mkdir()
    (package / "__init__.py").touch()
    module = package / "count.py"
    module.write_text("MANY = 1\n")
    py_compile.compile(str(module))
    then = module.stat()
    module.write_text("MANY = 2\n")
    os.utime(module, ns=(then.st_atime_ns, then.st_mtime_ns))

    told = subprocess.run(
        [sys.executable, "-c", WORK.replace("FOLDER", repr(str(tmp_path)))],
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout == "2 shelf\n"
