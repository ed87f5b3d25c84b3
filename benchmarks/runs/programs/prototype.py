"""The practical limit: durable, cached steps with nothing else: `prototype.py SHAPE SEED FOLDER WORKERS`.

SQLite in WAL mode, a line before and after each step; a content cache keyed by code and inputs; values as
files named by their digest. Without workers steps run here; with workers in that many warm processes.
"""

import hashlib
import json
import multiprocessing
import sqlite3
import sys
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import work

CODE = hashlib.sha256(Path(work.__file__).read_bytes()).hexdigest()
TABLES = """
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, shape TEXT, seed INTEGER, status TEXT);
CREATE TABLE IF NOT EXISTS steps
    (run INTEGER, number INTEGER, key TEXT, status TEXT, digest TEXT, PRIMARY KEY (run, number));
CREATE INDEX IF NOT EXISTS hits ON steps (key, status);
"""
Value = tuple[str, str]
"""The digest and the format of a value."""


class Blobs:
    """Values as files named by digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, value: Any) -> Value:
        """Keep a value."""
        if type(value).__name__ == "DataFrame":
            made = self.folder / f"new-{id(value)}"
            value.write_ipc(made, compression="uncompressed")
            with made.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            made.replace(self.folder / digest)
            return digest, "arrow"
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        path = self.folder / digest
        if not path.exists():
            made = path.with_suffix(f".{multiprocessing.current_process().pid}")
            made.write_bytes(data)
            made.replace(path)
        return digest, "json"

    def get(self, value: Value) -> Any:
        """What was kept."""
        digest, kind = value
        if kind == "arrow":
            import polars as pl

            return pl.scan_ipc(self.folder / digest).collect()
        return json.loads((self.folder / digest).read_bytes())


def perform(blobs: Blobs, name: str, inputs: list[Value], gathers: bool) -> Value:
    """Do a step."""
    values = [blobs.get(value) for value in inputs]
    return blobs.put(getattr(work, name)(values if gathers else values[0]))


def worker(pipe: Connection, folder: Path) -> None:
    """Do steps until the pipe ends."""
    blobs = Blobs(folder)
    while True:
        try:
            number, *task = pipe.recv()
        except EOFError:
            return
        pipe.send((number, perform(blobs, *task)))


class Inline:
    """Does steps here."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs

    def map(self, tasks: list[tuple]) -> Iterator[tuple[int, Value]]:
        """Give results by task as they come."""
        for number, task in enumerate(tasks):
            yield number, perform(self.blobs, *task)


class Workers:
    """Does steps in warm processes."""

    def __init__(self, blobs: Blobs, count: int) -> None:
        self.pipes = []
        for _ in range(count):
            ours, theirs = multiprocessing.Pipe()
            context = multiprocessing.get_context("fork")
            context.Process(target=worker, args=(theirs, blobs.folder), daemon=True).start()
            self.pipes.append(ours)

    def map(self, tasks: list[tuple]) -> Iterator[tuple[int, Value]]:
        """Give results by task as they come."""
        waiting, free, busy = list(enumerate(tasks)), list(self.pipes), set()
        while waiting or busy:
            while waiting and free:
                pipe, (number, task) = free.pop(), waiting.pop(0)
                pipe.send((number, *task))
                busy.add(pipe)
            for pipe in wait(list(busy)):
                yield pipe.recv()
                busy.remove(pipe)
                free.append(pipe)


class Run:
    """A run in the store."""

    def __init__(self, db: sqlite3.Connection, crew: Inline | Workers, shape: str, seed: int) -> None:
        self.db, self.crew, self.count = db, crew, 0
        made = db.execute("INSERT INTO runs (shape, seed, status) VALUES (?, ?, 'running')", (shape, seed))
        self.id = made.lastrowid

    def step(self, name: str, *inputs: Value, gathers: bool = False) -> Value:
        """The result of one step."""
        return self.steps(name, [list(inputs)], gathers)[0]

    def steps(self, name: str, many: list[list[Value]], gathers: bool = False) -> list[Value]:
        """The results of one step for each of these inputs."""
        keys = [hashlib.sha256(json.dumps([CODE, name, inputs]).encode()).hexdigest() for inputs in many]
        done: dict[int, Value] = {}
        for i, key in enumerate(keys):
            hit = self.db.execute(
                "SELECT digest FROM steps WHERE key = ? AND status = 'done'", (key,)
            ).fetchone()
            if hit:
                done[i] = tuple(json.loads(hit[0]))
        todo = [i for i in range(len(many)) if i not in done]
        for i in todo:
            row = (self.id, self.count + i, keys[i])
            self.db.execute("INSERT INTO steps VALUES (?, ?, ?, 'running', '')", row)
        for at, value in self.crew.map([(name, many[i], gathers) for i in todo]):
            self.db.execute(
                "UPDATE steps SET status = 'done', digest = ? WHERE run = ? AND number = ?",
                (json.dumps(value), self.id, self.count + todo[at]),
            )
            done[todo[at]] = value
        self.count += len(many)
        return [done[i] for i in range(len(many))]

    def end(self) -> None:
        """It succeeded."""
        self.db.execute("UPDATE runs SET status = 'done' WHERE id = ?", (self.id,))


def chain(run: Run, value: Value, steps: int) -> None:
    for _ in range(steps - 1):
        value = run.step("grow", value)
    run.step("last", value)


def fan(run: Run, blobs: Blobs, value: Value) -> None:
    items = blobs.get(run.step("numbers", value))
    run.step("total", *run.steps("square", [[blobs.put(item)] for item in items]), gathers=True)


def handed_on(run: Run, value: Value) -> None:
    run.step("summed", run.step("table", value))


def main(shape: str, seed: str, folder: str, workers: str) -> None:
    blobs = Blobs(Path(folder) / "blobs")
    crew = Workers(blobs, int(workers)) if int(workers) else Inline(blobs)
    db = sqlite3.connect(Path(folder) / "store.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.executescript(TABLES)
    run = Run(db, crew, shape, int(seed))
    shapes: dict[str, Callable[..., None]] = {
        "fan": partial(fan, run, blobs),
        "table": partial(handed_on, run),
    }
    drawn = shapes.get(shape) or partial(chain, run, steps=int(shape.removeprefix("chain_")))
    drawn(value=blobs.put(int(seed)))
    run.end()
    db.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
