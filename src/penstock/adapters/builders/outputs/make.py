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

from penstock.adapters.builders.environments import Environments
from penstock.adapters.builders.outputs.bill import bill_of_materials
from penstock.adapters.builders.outputs.dependencies import Asked, Dependencies, Packed
from penstock.adapters.builders.outputs.executable import make_executable, told_of
from penstock.adapters.builders.outputs.images import Image, Images, program
from penstock.adapters.builders.own_wheel import own_wheel
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.processes import Processes
from penstock.adapters.builders.project_files import CONFIG, LOCK
from penstock.adapters.isolation.written import written
from penstock.builds.types import Build, Built, Output, OutputName
from penstock.core.digests import canonical, digest_bytes
from penstock.lineage.ports import Blobs
from penstock.revisions.config import ImageConfig, ProjectConfig

PREFIX = Path(sys.base_prefix).resolve()
_EXPORT = ("export", "--frozen", "--no-dev", "--no-emit-project", "--no-emit-package", "penstock", "--quiet")


@dataclass(frozen=True)
class Stage:
    """What there is to make outputs of, an empty folder to do it in, and whom to tell what is being done."""

    build: Build
    built: Built
    config: ProjectConfig
    checkout: Path
    wheel: Path
    scratch: Path
    log: Path
    tell: Callable[[str], None]
    skip: Callable[[str, str], None]

    @property
    def within(self) -> Path:
        """Where uv may write."""
        return self.scratch / "uv"


class Outputs:
    """Makes the outputs of releases."""

    def __init__(
        self, packages: Packages, environments: Environments, processes: Processes, blobs: Blobs
    ) -> None:
        self._packages = packages
        self._blobs = blobs
        self._images = Images(processes)
        self._dependencies = Dependencies(packages, environments, blobs)

    def make(self, stage: Stage) -> Built:
        """What was built, with its outputs and what went into them. Raises InvalidProject with a sentence."""
        stage.tell("package: requirements")
        stage.within.mkdir()
        requirements = self._requirements(stage)
        outputs = [
            self._file("wheel", stage.wheel),
            self._kept("lock", LOCK, stage.built.lock),
            self._file("requirements", requirements),
        ]
        materials, packed = _materials(outputs), None
        if stage.config.outputs.executable:
            stage.tell("package: what the executable needs")
            asked = Asked(
                stage.built.environment, stage.checkout, requirements, stage.scratch, stage.within, stage.log
            )
            packed = self._dependencies.packed(asked)
            stage.tell("package: executable")
            outputs.append(self._executable(stage, packed))
        if stage.config.outputs.image:
            for output, material in self._image(stage, stage.config.outputs.image):
                outputs.append(output)
                materials.append(material)
        stage.tell("package: bill of materials")
        installed = packed.packages if packed else ()
        bill = bill_of_materials(self._exported(stage), installed, version("penstock"))
        bom = stage.scratch / f"{stage.build.project}.cdx.json"
        bom.write_bytes(canonical(bill))
        outputs.append(self._file("sbom", bom))
        return replace(stage.built, outputs=tuple(outputs), materials=tuple(materials))

    def _executable(self, stage: Stage, packed: Packed) -> Output:
        code = _code(stage.wheel) | {CONFIG: self._blobs.get(stage.built.config)}
        told = told_of(stage.build.project, stage.build.commit, stage.built.lock, stage.built.graphs)
        return make_executable(_executable_file(stage), packed, code, told, self._blobs)

    def _image(self, stage: Stage, config: ImageConfig) -> Iterator[tuple[Output, dict[str, Any]]]:
        """The image and its base, or none where nothing here can build images."""
        builder = program()
        if not builder:
            stage.skip("image", "skipped: no docker, podman or buildah that answers")
            return
        stage.tell(f"package: image, by {Path(builder).name}")
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
            folder=stage.checkout,
            log=stage.log,
            failed=failed,
            within=stage.within,
            reads=(PREFIX,),
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
