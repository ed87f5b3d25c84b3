"""The code of a step: its module and every module of the project that it imports."""

from __future__ import annotations

import ast
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from penstock.core.digests import digest_bytes, digest_value
from penstock.core.errors import InvalidPipeline

Stamp = tuple[int, int] | None
Stamps = dict[str, Stamp]
_known: dict[str, tuple[str, Stamps]] = {}
"""By the file of a module its digest, as long as what was looked at is not otherwise: files, and folders that
lacked one."""
_SETTLED_NS = 50_000_000
"""What was changed less than so long ago may be changed again without a later time of change."""


def code_digest(target: str) -> str:
    """The digest of the source of a target's module and of all project modules that it leads to.

    The target's module is imported already. A project module is one that lies in the folder from which
    the target's package is imported; only the package itself counts where it is installed.
    Imports are read from the source, those inside functions too; nothing is imported.
    Raises InvalidPipeline for a module that has no source file.
    """
    name = target.partition(":")[0]
    file = getattr(sys.modules.get(name), "__file__", None)
    if not file or not file.endswith(".py"):
        raise InvalidPipeline(what=f"The module {name} has no source file.")
    known = _known.get(file)
    if known and all(_stamp(path) == stamp for path, stamp in known[1].items()):
        return known[0]
    now = time.time_ns()
    digest, stamps = _digest_of(name, Path(file))
    if all(stamp and stamp[0] < now - _SETTLED_NS for stamp in stamps.values()):
        _known[file] = digest, stamps
    return digest


def _digest_of(name: str, path: Path) -> tuple[str, Stamps]:
    """The digest for a module, and how the places were where it was looked for modules."""
    root = path.parents[name.count(".") + (path.name == "__init__.py")]
    only = name.partition(".")[0] if root.name in {"site-packages", "dist-packages"} else ""
    stamps: Stamps = {}
    found = _leads_to(root, name, only, stamps)
    return digest_value({module: _look(module, path)[0] for module, path in found.items()}), stamps


def sources(folder: Path, targets: Iterable[str]) -> dict[str, str]:
    """The text of the modules in a project's folder that targets lead to, by path; nothing is imported."""
    found: dict[str, str] = {}
    for root in (folder, folder / "src"):
        for name in {target.partition(":")[0] for target in targets}:
            for path in _leads_to(root, name).values():
                found[str(path.relative_to(folder))] = path.read_text(encoding="utf-8", errors="replace")
    return dict(sorted(found.items()))


def _leads_to(root: Path, name: str, only: str = "", stamps: Stamps | None = None) -> dict[str, Path]:
    """A module and all modules under `root` that it leads to; of the package `only`, if one is named.

    `stamps` takes in where it was looked.
    """
    found: dict[str, Path] = {}
    waiting = [name]
    while waiting:
        module = waiting.pop()
        path = _source(root, module, {} if stamps is None else stamps)
        if module in found or path is None or (only and module.partition(".")[0] != only):
            continue
        found[module] = path
        waiting += [*_look(module, path)[1], *_parents(module)]
    return found


def _look(module: str, path: Path) -> tuple[str, tuple[str, ...]]:
    return _read(module, path, _stamp(str(path)))


def views_digest(targets: Mapping[str, str]) -> str:
    """The digest of the code of feature views, given their targets by their names."""
    return digest_value({name: code_digest(target) for name, target in targets.items()})


@lru_cache(maxsize=4096)
def _read(module: str, path: Path, _stamp: Stamp) -> tuple[str, tuple[str, ...]]:
    """The digest of a file and the names that it imports; asked for again only when the file changed."""
    source = path.read_bytes()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return digest_bytes(source), tuple(_imported(ast.parse(source), package))


def _source(root: Path, module: str, stamps: Stamps) -> Path | None:
    place = root.joinpath(*module.split("."))
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if stamp := _file_stamp(str(path)):
            stamps[str(path)] = stamp
            return path
        folder = next(above for above in path.parents if above.is_dir())
        stamps[str(folder)] = _stamp(str(folder))
    return None


def _stamp(path: str) -> Stamp:
    """What tells that a file was not touched since, or a folder not added to; None where there is neither."""
    try:
        found = os.stat(path)  # noqa: PTH116 - asked before each step, of many places
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _file_stamp(path: str) -> Stamp:
    return _stamp(path) if os.path.isfile(path) else None  # noqa: PTH113 - the same


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Names that may be modules: `from a import b` can mean the module `a.b` or a name in `a`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (above, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _parents(module: str) -> Iterator[str]:
    """Importing `a.b.c` also runs `a` and `a.b`."""
    while "." in module:
        module = module.rpartition(".")[0]
        yield module
