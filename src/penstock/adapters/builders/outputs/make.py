"""The last stage of a build: everything that can be had of a release, from its checkout and environment."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.environments import Environments
from penstock.adapters.builders.outputs.bill import bill_of_materials
from penstock.adapters.builders.outputs.dependencies import Asked, Dependencies, Packed
from penstock.adapters.builders.outputs.executable import make_executable, told_of
from penstock.adapters.builders.outputs.images import Image, Images, program
from penstock.adapters.builders.own_wheel import own_wheel
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.project_files import CONFIG
from penstock.adapters.isolation.written import written
from penstock.builds.types import Build, Built, Output, OutputName
from penstock.core.digests import canonical, digest_bytes
from penstock.lineage.ports import Blobs
from penstock.pipelines.types import Graph
from penstock.revisions.config import ImageConfig, ProjectConfig
from penstock.revisions.locks import LOCK

PREFIX = Path(sys.base_prefix).resolve()
_EXPORT = (
    "export",
    "--frozen",
    "--no-dev",
    "--no-emit-project",
    "--no-emit-package",
    "penstock",
    "--no-editable",
    "--quiet",
)


@dataclass(frozen=True)
class Stage:
    """What there is to make outputs of, an empty folder to do it in, and whom to tell what is left out.

    `lock` and `settings` are the digests of the commit's files: a build backend may change its checkout.
    """

    build: Build
    environment: str
    config: ProjectConfig
    lock: str
    settings: str
    checkout: Checkout
    scratch: Path
    log: Path
    skip: Callable[[str, str], None]

    @property
    def within(self) -> Path:
        """Where uv may write."""
        return self.scratch / "uv"


@dataclass(frozen=True)
class Gathered:
    """What outputs are made of that depends on the lock alone; `packed` where there will be an executable."""

    requirements: Path
    exported: dict[str, Any]
    packed: Packed | None


class Outputs:
    """Makes the outputs of releases."""

    def __init__(self, packages: Packages, environments: Environments, images: Images, blobs: Blobs) -> None:
        self._packages = packages
        self._blobs = blobs
        self._images = images
        self._dependencies = Dependencies(packages, environments, blobs)

    def gather(self, stage: Stage) -> Gathered:
        """What can be made before anything is proved. Raises InvalidProject with a sentence."""
        stage.within.mkdir()
        requirements, packed = self._requirements(stage), None
        if stage.config.outputs.executable:
            asked = Asked(
                stage.environment, stage.checkout, requirements, stage.scratch, stage.within, stage.log
            )
            packed = self._dependencies.packed(asked)
        return Gathered(requirements, self._exported(stage), packed)

    def executable(
        self, stage: Stage, wheel: Path, graphs: Sequence[Graph], gathered: Gathered
    ) -> Output | None:
        """The executable, where there is to be one."""
        if not gathered.packed:
            return None
        code = _code(wheel) | {CONFIG: self._blobs.get(stage.settings)}
        told = told_of(stage.build.project, stage.build.commit, stage.lock, graphs)
        return make_executable(_executable_file(stage), gathered.packed, code, told, self._blobs)

    def make(
        self, stage: Stage, built: Built, wheel: Path, gathered: Gathered, executable: Output | None
    ) -> Built:
        """What was built, with its outputs and what went into them. Raises InvalidProject with a sentence."""
        outputs = [
            self._file("wheel", wheel),
            self._kept("lock", LOCK, stage.lock),
            self._file("requirements", gathered.requirements),
        ]
        materials, packed = _materials(outputs), gathered.packed
        outputs += [executable] if executable else []
        if stage.config.outputs.image:
            for output, material in self._image(stage, stage.config.outputs.image):
                outputs.append(output)
                materials.append(material)
        bill = bill_of_materials(gathered.exported, packed.packages if packed else (), version("penstock"))
        bom = stage.scratch / f"{stage.build.project}.cdx.json"
        bom.write_bytes(canonical(bill))
        outputs.append(self._file("sbom", bom))
        return replace(built, outputs=tuple(outputs), materials=tuple(materials))

    def _image(self, stage: Stage, config: ImageConfig) -> Iterator[tuple[Output, dict[str, Any]]]:
        """The image and its base, or none where nothing here can build images."""
        builder = program()
        if not builder:
            stage.skip("image", "skipped: no docker, podman or buildah that answers")
            return
        scratch = stage.scratch / "image"
        scratch.mkdir()
        build = stage.build
        image = Image(config, build.project, build.commit, _executable_file(stage), scratch, stage.log)
        yield self._images.make(image, builder)

    def _requirements(self, stage: Stage) -> Path:
        """The locked packages with their hashes, for any installer."""
        file = stage.within / "requirements.txt"
        self._uv(stage, [*_EXPORT, "--no-header", "--output-file", str(file)])
        return file

    def _exported(self, stage: Stage) -> dict[str, Any]:
        file = stage.within / "exported.json"
        form = ["--format", "cyclonedx1.5", "--preview-features", "sbom-export"]
        self._uv(stage, [*_EXPORT[:3], *_EXPORT[4:], *form, "--output-file", str(file)])
        exported: dict[str, Any] = json.loads(written(file).read_bytes())
        return exported

    def _uv(self, stage: Stage, arguments: Sequence[str]) -> None:
        failed = f"What {LOCK} holds cannot be told"
        self._packages.run(
            arguments,
            folder=stage.checkout.folder,
            log=stage.log,
            failed=failed,
            within=stage.within,
            reads=(PREFIX, stage.checkout.tree),
        )

    def _file(self, name: OutputName, file: Path) -> Output:
        digest = self._blobs.put_file(str(written(file)))
        return Output(name=name, file=file.name, digest=digest, size=file.stat().st_size, parts=(digest,))

    def _kept(self, name: OutputName, file: str, digest: str) -> Output:
        return Output(name=name, file=file, digest=digest, size=len(self._blobs.get(digest)), parts=(digest,))


def _executable_file(stage: Stage) -> Path:
    return stage.scratch / f"{stage.build.project}.pyz"


def _code(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel as they lie in a folder, without what describes its distribution."""
    with zipfile.ZipFile(wheel) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        return {name: archive.read(name) for name in names if ".dist-info/" not in name}


def _materials(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    """What went into the outputs beside the commit: the lock, and Penstock itself."""
    name, data = own_wheel()
    lock = next(output for output in outputs if output.name == "lock")
    return [
        {"name": lock.file, "digest": {"sha256": lock.digest}},
        {
            "name": name,
            "uri": f"pkg:pypi/penstock@{version('penstock')}",
            "digest": {"sha256": digest_bytes(data)},
        },
    ]
