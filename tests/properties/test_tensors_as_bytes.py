"""The binary decoder under atheris, which follows its branches: it refuses, and does nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris is made for Linux")
RUNS = 20_000
SEED = ["{", '{"inputs":[]}', "\x08\x00\x00\x00text"]


def test_the_decoder_raises_nothing_but_refusals_and_keeps_nothing(tmp_path: Path) -> None:
    program = Path(__file__).with_name("binary_fuzz.py")
    for place, text in enumerate(SEED):
        (tmp_path / str(place)).write_text(text)
    fuzzed = [sys.executable, str(program), f"-runs={RUNS}", "-seed=1", "-rss_limit_mb=600", str(tmp_path)]
    done = subprocess.run(  # by way of a shell: what this process once took would count as the program's
        ["sh", "-c", '"$@"; exit $?', "sh", *fuzzed],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Done {RUNS}" in done.stderr
