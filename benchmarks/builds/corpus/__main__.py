"""`python -m benchmarks.builds.corpus [NAME…] [--bugs FOLDER] [--out FILE]`: which bugs are found."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

from benchmarks.builds.corpus.measuring import PRELOADED, measured
from benchmarks.builds.corpus.projects import HERE, bugs, twins

BAR = 0.85


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these bugs or twins")
    parser.add_argument("--out", type=Path, help="a file for the results as JSON")
    parser.add_argument(
        "--bugs", type=Path, help="a folder of other bugs, measured instead of ours beside all clean twins"
    )
    given = parser.parse_args()
    home = (given.bugs or HERE).resolve()
    kinds = [("twin", HERE, twins()), ("bug", home, bugs(home))]
    if given.bugs:
        kinds.insert(1, ("twin", home, twins(home)))
    chosen = [
        (name, bug, kind, where)
        for kind, where, each in kinds
        for name, bug in each.items()
        if not given.names or name in given.names
    ]
    if not any(kind == "bug" for _, _, kind, _ in chosen) and not given.names:
        parser.error(f"expected bugs, as NAME.toml, in {home}; found none")
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as scratch, context.Pool(2, maxtasksperchild=1) as pool:
        work = [(*what, Path(scratch)) for what in chosen]
        lines = []
        for line in pool.imap(measured, work, chunksize=1):
            lines.append(line)
            tell(line)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(lines, indent=1) + "\n")
    return summary(lines)


def tell(line: dict[str, object]) -> None:
    plain = "FAILED" if line["plain_pytest_detected"] else "passed"
    found = ", ".join(line["detected_by"]) or "-"
    print(f"{line['kind']:4} {line['name']:28} pytest: {plain} automatic: {found}", flush=True)


def summary(lines: list[dict[str, object]]) -> int:
    seeded = [line for line in lines if line["kind"] == "bug" and not line["held_out"]]
    held_out = [line for line in lines if line["held_out"]]
    clean = [line for line in lines if line["kind"] == "twin"]
    alarms = [line["name"] for line in clean if line["detected_by"] or line["plain_pytest_detected"]]
    print()
    found = rate("bugs", seeded)
    for number in sorted({line["round"] for line in seeded} - {0}):
        rate(
            f"bugs held out in round {number}, seen by now",
            [line for line in seeded if line["round"] == number],
        )
    rate("held-out bugs", held_out)
    print(f"false alarms:    {len(alarms)} of {len(clean)} clean twins {alarms or ''}")
    return 0 if not alarms and found >= BAR * len(seeded) else 1


def rate(what: str, lines: list[dict[str, object]]) -> int:
    """Tell how many of the bugs are found, if there are any; gives that of the automatic tests."""
    missed = [str(line["name"]) for line in lines if not line["detected_by"]]
    found = len(lines) - len(missed)
    plain = sum(bool(line["plain_pytest_detected"]) for line in lines)
    if lines:
        print(f"automatic tests: {found} of {len(lines)} {what}; missed: {', '.join(missed) or 'none'}")
        print(f"plain pytest:    {plain} of {len(lines)} {what}")
    return found


if __name__ == "__main__":
    sys.exit(main())
