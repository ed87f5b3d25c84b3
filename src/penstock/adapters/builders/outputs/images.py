"""The container image of a release, built and pushed by whichever program for images this machine has."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.adapters.builders.outputs.executable import without_dependencies
from penstock.adapters.builders.packages import is_passing
from penstock.adapters.builders.processes import Processes
from penstock.adapters.builders.surroundings import plain
from penstock.builds.types import Output
from penstock.core.errors import InvalidProject, Unavailable
from penstock.revisions.config import ImageConfig

PROGRAMS = ("buildah", "podman", "docker")
TIMEOUT = 1800.0
USER, PASSWORD = "REGISTRY_USER", "REGISTRY_PASSWORD"
"""The secrets of builds by which they push."""
_THEIRS = ("BUILDAH_", "CONTAINERS_", "DOCKER_", "STORAGE_", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR")
_REGISTRY = re.compile(
    r"HTTP status:? (code )?5\d\d|\b5\d\d [A-Z]\w+|toomanyrequests|TLS handshake|unexpected EOF"
)
"""What programs say of a registry that may be there again in a while."""
_LOOPBACK = ("localhost", "127.0.0.1")
_RECIPE = """\
FROM {base}
ENV XDG_CACHE_HOME=/opt PYTHONDONTWRITEBYTECODE=1
RUN --mount=type=bind,source={file},target=/mnt/{file} python3 /mnt/{file} list
COPY start.pyz /opt/{file}
WORKDIR /work
ENTRYPOINT ["python3", "/opt/{file}"]
LABEL org.opencontainers.image.revision="{commit}"
"""
"""Listing its pipelines unpacks the executable, and proves that it starts with the Python of the base."""


@dataclass(frozen=True)
class Image:
    """An image that is wanted: of which executable, for which commit; `scratch` is an empty folder."""

    config: ImageConfig
    project: str
    commit: str
    executable: Path
    scratch: Path
    log: Path


def program() -> str:
    """The program that builds images here, empty where there is none that answers."""
    for name in PROGRAMS:
        found = shutil.which(name)
        if found and _answers(found):
            return found
    return ""


class Images:
    """Builds and pushes images."""

    def __init__(self, processes: Processes, secrets: Callable[[str], Mapping[str, str]]) -> None:
        """`secrets` are those of a project's builds, by name."""
        self._processes = processes
        self._secrets = secrets

    def make(self, image: Image, builder: str) -> tuple[Output, dict[str, Any]]:
        """The image and, as in-toto describes it, the base that went into it.

        Raises InvalidProject with the builder's reason: the base cannot be had, or has not the same Python;
        Unavailable where a registry does not answer.
        """
        context = image.scratch / "context"
        context.mkdir()
        file = image.executable.name
        shutil.copyfile(image.executable, context / file)
        without_dependencies(image.executable, context / "start.pyz")
        recipe = image.scratch / "Containerfile"
        recipe.write_text(_RECIPE.format(base=image.config.base, file=file, commit=image.commit))
        name = f"{image.config.push or f'localhost/{image.project}'}:{image.commit[:12]}"
        told = image.scratch / "image.txt"
        build = ["build", "--file", str(recipe), "--tag", name, "--iidfile", str(told), *self._same(builder)]
        self._run(builder, [*build, str(context)], image, f"The image cannot be built on {image.config.base}")
        digest = told.read_text().strip().removeprefix("sha256:")
        if image.config.push:
            digest = self._push(image, builder, name)
        material: dict[str, Any] = {"name": "base image", "uri": f"docker://{image.config.base}"}
        if pinned := image.config.base.partition("@sha256:")[2]:
            material["digest"] = {"sha256": pinned}
        return Output(name="image", file=name, digest=digest), material

    def _same(self, builder: str) -> list[str]:
        """What makes the image of the same files the same image."""
        return [] if Path(builder).name == "docker" else ["--timestamp", "0", "--layers=false"]

    def _push(self, image: Image, builder: str, name: str) -> str:
        """Push the image; gives the digest by which the registry knows it."""
        arguments, also = self._credentials(image)
        failed = f"The image cannot be pushed to {image.config.push}"
        if Path(builder).name == "docker":
            self._run(builder, ["push", name], image, failed, also)
            form = ["inspect", "--format", "{{index .RepoDigests 0}}", name]
            pushed = subprocess.run([builder, *form], capture_output=True, text=True, check=True).stdout
            return pushed.strip().rpartition("sha256:")[2]
        told = image.scratch / "pushed.txt"
        host = name.partition("/")[0].partition(":")[0]
        plainly = ["--tls-verify=false"] if host in _LOOPBACK else []
        self._run(builder, ["push", *arguments, *plainly, "--digestfile", str(told), name], image, failed)
        return told.read_text().strip().removeprefix("sha256:")

    def _credentials(self, image: Image) -> tuple[list[str], dict[str, str]]:
        """How the program learns the password of the registry: by a file, so that no log or list shows it."""
        secrets = self._secrets(image.project)
        found = [name for name in (USER, PASSWORD) if name in secrets]
        if not found:
            return [], {}
        if len(found) == 1:
            [missing] = {USER, PASSWORD} - set(found)
            raise InvalidProject(
                what=f"The image cannot be pushed: builds of {image.project} lack the secret {missing}.",
                fix=f"Set it with: penstock secrets set {missing} --in builds.",
            )
        token = base64.b64encode(f"{secrets[USER]}:{secrets[PASSWORD]}".encode()).decode()
        place = image.scratch / "registry"
        place.mkdir(mode=0o700)
        file = place / "config.json"
        file.touch(0o600)
        file.write_text(json.dumps({"auths": {image.config.push.partition("/")[0]: {"auth": token}}}))
        return ["--authfile", str(file)], {"DOCKER_CONFIG": str(place)}

    def _run(
        self,
        builder: str,
        arguments: Sequence[str],
        image: Image,
        failed: str,
        also: dict[str, str] | None = None,
    ) -> None:
        theirs = {name: value for name, value in os.environ.items() if name.startswith(_THEIRS)}
        before = image.log.stat().st_size if image.log.exists() else 0
        status = self._processes.run(
            [builder, *arguments],
            folder=image.scratch,
            variables=plain() | theirs | (also or {}),
            log=image.log,
            timeout=TIMEOUT,
            trusted=True,
        )
        if status != 0:
            with image.log.open("rb") as output:
                output.seek(before)
                said = output.read().decode(errors="replace").strip().splitlines()[1:]
            errors = [line for line in said if "error:" in line.lower()] or said[-1:] or ["no message"]
            text = "\n".join(said)
            error = Unavailable if is_passing(text) or _REGISTRY.search(text) else InvalidProject
            raise error(what=failed, found=errors[0].strip()[:600].rstrip("."))


def _answers(found: str) -> bool:
    """Whether the program can build: docker needs its daemon."""
    asked = [found, "version"]
    return subprocess.run(asked, capture_output=True, check=False, timeout=60).returncode == 0
