"""What a project's code needs at run time, packed once for all releases with the same environment."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.environments import Environments, held
from penstock.adapters.builders.outputs.archives import write_tar
from penstock.adapters.builders.own_wheel import own_wheel
from penstock.adapters.builders.packages import Packages
from penstock.lineage.ports import Blobs

_OF_THE_INSTALLER = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "RECORD")
"""Files of installed packages that tell where and by what they were installed."""
_DESCRIBED = re.compile(r"[^/]+\.dist-info/METADATA")
REMEMBERED = "packed.json"


class Package(msgspec.Struct, frozen=True):
    """An installed package; `licence` is an SPDX expression or the licence's name, empty if not told."""

    name: str
    version: str
    licence: str = ""


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """Installed packages as a gzipped tar archive of the folder that holds them."""

    digest: str
    size: int
    packages: tuple[Package, ...]


class Asked(NamedTuple):
    """For which environment of which checkout, with which requirements; `within` lies what uv writes."""

    environment: str
    checkout: Checkout
    requirements: Path
    scratch: Path
    within: Path
    log: Path


class Dependencies:
    """Installs requirements together with Penstock and packs them."""

    def __init__(self, packages: Packages, environments: Environments, blobs: Blobs) -> None:
        self._packages = packages
        self._environments = environments
        self._blobs = blobs

    def packed(self, asked: Asked) -> Packed:
        """The packed dependencies, made unless they were before. Raises InvalidProject as uv does."""
        memory = self._environments.folder(asked.environment) / REMEMBERED
        with suppress(FileNotFoundError, msgspec.DecodeError):
            known = msgspec.json.decode(memory.read_bytes(), type=Packed)
            if self._blobs.has(known.digest):
                return known
        site = asked.within / "site"
        self._install(asked, site)
        members = _members(site)
        with self._blobs.writing() as file:
            write_tar(file, members)
        made = Packed(digest=file.digest, size=file.size, packages=_packages(members))
        fresh = memory.with_name(f".{REMEMBERED}-{asked.scratch.parent.name}")
        fresh.write_bytes(msgspec.json.encode(made))
        fresh.replace(memory)
        return made

    def _install(self, asked: Asked, site: Path) -> None:
        name, data = own_wheel()
        wheel, constraints = asked.scratch / name, asked.scratch / "constraints.txt"
        wheel.write_bytes(data)
        pinned = held(self._environments.folder(asked.environment))
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(pinned.items())))

        def install(*arguments: str) -> None:
            self._packages.install(
                ["--target", str(site), *arguments],
                python=self._environments.python(asked.environment),
                folder=asked.checkout.root,
                scratch=asked.scratch,
                log=asked.log,
                failed="What the executable needs cannot be installed",
                within=asked.within,
                writes=(asked.checkout.tree,),
                reads=(asked.scratch, self._environments.folder(asked.environment)),
            )

        install("--no-deps", "--requirements", str(asked.requirements))
        install("--constraints", str(constraints), str(wheel))


def _members(site: Path) -> dict[str, Path | bytes]:
    """What is packed: no programs (they name the Python of this machine), no caches or notes of uv."""
    members: dict[str, Path | bytes] = {}
    for file in site.rglob("*"):
        parts = file.relative_to(site).parts
        if (
            file.is_symlink()
            or not file.is_file()
            or parts[0] == "bin"
            or parts[0].startswith(".")
            or "__pycache__" in parts
        ):
            continue
        if len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _OF_THE_INSTALLER:
            continue
        members["/".join(parts)] = file
    return members


def _packages(members: dict[str, Path | bytes]) -> tuple[Package, ...]:
    return tuple(
        _package(content.read_text(errors="replace"))
        for name, content in sorted(members.items())
        if isinstance(content, Path) and _DESCRIBED.fullmatch(name)
    )


def _package(metadata: str) -> Package:
    """What a package says of itself (PEP 566, and PEP 639 for licences)."""
    told: dict[str, list[str]] = {}
    for line in metadata.partition("\n\n")[0].splitlines():
        key, colon, value = line.partition(": ")
        if colon:
            told.setdefault(key, []).append(value.strip())
    classified = [text for text in told.get("Classifier", []) if text.startswith("License :: ")]
    expression = told.get("License-Expression", [""])[0]
    named = [text.rpartition(" :: ")[2] for text in classified]
    licence = expression or " OR ".join(named) or told.get("License", [""])[0]
    return Package(told["Name"][0], told["Version"][0], licence)
