"""Files and folders come back under their names; a folder is packed the same wherever and whenever it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from penstock.adapters.formats.files import laid_out
from penstock.adapters.formats.values import read, write
from penstock.core.errors import StepFailed
from penstock.testing.fakes import MemoryBlobs


def filled(folder: Path, order: int = 1) -> Path:
    (folder / "deep" / "empty").mkdir(parents=True)
    for name in ["b.txt", "deep/a.bin", "run.sh"][::order]:
        (folder / name).write_text(f"the content of {name}")
    (folder / "run.sh").chmod(0o755)
    (folder / "deep" / "link").symlink_to("../b.txt")
    return folder


def test_a_folder_comes_back_with_all_that_was_in_it(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    kept = write(filled(tmp_path / "model"), blobs)
    with laid_out():
        found = read(kept, blobs)
        assert found.name == "model"
        names = sorted(path.relative_to(found).as_posix() for path in found.rglob("*"))
        assert names == ["b.txt", "deep", "deep/a.bin", "deep/empty", "deep/link", "run.sh"]
        assert (found / "deep" / "link").read_text() == "the content of b.txt"
        assert os.access(found / "run.sh", os.X_OK)
        assert not os.access(found / "b.txt", os.X_OK)
        (found / "b.txt").write_text("changed")
    assert not found.exists()
    assert (read(kept, blobs) / "b.txt").read_text() == "the content of b.txt"


def test_a_folder_is_packed_the_same_whenever_and_in_whatever_order_it_was_made(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    one, other = filled(tmp_path / "1" / "model"), filled(tmp_path / "2" / "model", -1)
    os.utime(other / "b.txt", (0, 0))
    (other / "b.txt").chmod(0o600)
    assert write(one, blobs) == write(other, blobs)
    (other / "b.txt").write_text("changed")
    assert write(one, blobs) != write(other, blobs)


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside"])
def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path, target: str) -> None:
    folder = filled(tmp_path / "model")
    (tmp_path / "outside").write_text("secret")
    (folder / "out").symlink_to(target)
    with pytest.raises(StepFailed, match=f"whose link out leads out of it: found {target}"):
        write(folder, MemoryBlobs())


def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    folder = filled(tmp_path / "model")
    os.mkfifo(folder / "pipe")
    with pytest.raises(StepFailed, match="where pipe is neither a file nor a folder"):
        write(folder, MemoryBlobs())


def test_a_file_is_there_under_its_own_name_while_the_step_runs(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    (tmp_path / "report.html").write_text("fine")
    kept = write(tmp_path / "report.html", blobs)
    with laid_out():
        found = read(kept, blobs)
        assert (found.name, found.read_text()) == ("report.html", "fine")
    assert not found.exists()
    assert Path(blobs.path(kept.digest)).read_text() == "fine"


def test_a_figure_becomes_the_file_of_its_picture() -> None:
    def drawn() -> Figure:
        figure = Figure()
        figure.add_subplot().plot([1, 3, 2])
        return figure

    blobs = MemoryBlobs()
    kept = write(drawn(), blobs)
    assert read(kept, blobs).read_bytes().startswith(b"\x89PNG")
    assert read(kept, blobs).name == "figure.png"
    assert write(drawn(), blobs) == kept
