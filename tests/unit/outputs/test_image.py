"""The container image: built on a base made of this machine's Python, pushed, and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.adapters.builders.outputs import images
from penstock.adapters.builders.outputs.images import PASSWORD, USER, Image, Images
from penstock.adapters.builders.processes import Processes
from penstock.core.errors import InvalidProject, Unavailable
from penstock.revisions.config import ImageConfig

BASE = "localhost/this-python"
needs_buildah = pytest.mark.skipif(not shutil.which("buildah"), reason="there is no buildah")
SESAME = "open-sesame"
HASHED = "$2y$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO"
"""The same as a registry keeps it (bcrypt)."""
IMAGE = b"""\
[project]
name = "small"
[environments.live]
deploy = { on = "push", branch = "dev" }
[builds]
image = { base = "%s"%s }
"""


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """The program, with images in a place of its own, and the variables by which builds find it."""
    place = tmp_path_factory.mktemp("containers")
    settings = place / "storage.conf"
    lines = ['driver = "vfs"', f'graphroot = "{place}/images"', f'runroot = "{place}/run"']
    settings.write_text("\n".join(["[storage]", *lines, ""]))

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["buildah", *arguments], capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_STORAGE_CONF", str(settings))
        patch.setenv("BUILDAH_ISOLATION", "chroot")
        yield run
        run("rm", "--all")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an image with nothing but this Python and what it is linked with."""
    root = tmp_path_factory.mktemp("root")
    for name in ("tmp", "etc", "root", "opt", "work", "mnt", "proc", "sys", "dev", "run", "usr/bin"):
        (root / name).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python, library = Path(sys.base_prefix, "bin", name), Path(sys.base_prefix, "lib", name)
    skipped = shutil.ignore_patterns("test", "tests", "site-packages", "__pycache__", "config-*")
    shutil.copytree(library, root / library.relative_to("/"), ignore=skipped)
    linked = [python, Path("/bin/sh"), *library.glob("lib-dynload/*.so"), *_runtime_libraries()]
    for file in [*linked, *(need for one in linked for need in _needs(one))]:
        copy = root / file.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            shutil.copy(file, copy)
    (root / "usr/bin/python3").symlink_to(python)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    return root


@pytest.fixture(scope="module")
def base(buildah: Callable[..., str], root: Path) -> str:
    """That image, where buildah finds it."""
    container = buildah("from", "scratch")
    buildah("copy", "--quiet", container, str(root), "/")
    buildah("commit", "--quiet", container, BASE)
    return BASE


def _needs(file: Path) -> list[Path]:
    said = subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout
    return [Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+)", said, flags=re.MULTILINE)]


def _runtime_libraries() -> list[Path]:
    """What compiled packages expect of every system."""
    c = ("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1")
    names = (*c, "libstdc++.so.6", "libgcc_s.so.1")
    return [file for name in names for file in Path("/usr/lib").glob(f"*-linux-gnu/{name}")]


def config(base: str, push: str = "") -> dict[str, bytes]:
    return {"penstock.toml": IMAGE % (base.encode(), f', push = "{push}"'.encode() if push else b"")}


@needs_buildah
def test_the_image_runs_a_pipeline(
    made: Any, make: Callable[..., Any], small: dict[str, bytes], base: str, buildah: Callable[..., str]
) -> None:
    release = make(made.home, small | config(base), "image")
    image = release.outputs["image"]
    assert image.file == f"localhost/small:{release.build.commit[:12]}"
    assert json.loads(release.bytes_of("manifest"))["outputs"]["image"] == image.digest
    told = json.loads(release.bytes_of("provenance"))
    assert told["predicate"]["buildDefinition"]["resolvedDependencies"][-1]["uri"] == f"docker://{base}"
    container = buildah("from", "--pull-never", image.file)
    entry = json.loads(buildah("inspect", container))["OCIv1"]["config"]["Entrypoint"]
    said = buildah("run", container, "--", *entry, "run", "arithmetic", "-p", "number=4", "--json")
    run = json.loads(said)
    assert (run["status"], run["metrics"][0]["value"]) == ("succeeded", 8)
    again = make(made.home, small | config(base), "image-again")
    assert again.outputs["image"].digest == image.digest


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The address of a registry on this machine."""
    if not shutil.which("docker-registry"):
        pytest.skip("there is no docker-registry")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    settings = tmp_path / "registry.yml"
    storage = f"storage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}"
    (tmp_path / "users").write_text(f"grace:{HASHED}\n")
    auth = f"auth: {{htpasswd: {{realm: penstock, path: {tmp_path}/users}}}}"
    settings.write_text(f"version: 0.1\n{storage}\n{auth}\nhttp: {{addr: '127.0.0.1:{port}'}}\n")
    process = subprocess.Popen(
        ["docker-registry", "serve", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(transport=transport) as client:
            client.get(f"http://127.0.0.1:{port}/v2/")
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@needs_buildah
@pytest.mark.usefixtures("buildah")
def test_the_image_is_pushed_and_no_password_is_logged(
    made: Any,
    make: Callable[..., Any],
    small: dict[str, bytes],
    base: str,
    registry: str,
) -> None:
    secrets = {USER: "grace", PASSWORD: SESAME}
    release = make(made.home, small | config(base, f"{registry}/team/small"), "pushed", secrets=secrets)
    image = release.outputs["image"]
    manifest = f"http://{registry}/v2/team/small/manifests/sha256:{image.digest}"
    kinds = "application/vnd.oci.image.manifest.v1+json"
    assert httpx.get(manifest, headers={"Accept": kinds}, auth=("grace", SESAME)).status_code == 200
    log = (made.home / release.build.log).read_text()
    assert "team/small" in log
    assert not [f for f in made.home.rglob("*") if f.is_file() and SESAME.encode() in f.read_bytes()]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("pinging container registry: dial tcp 127.0.0.1:9: connect: connection refused", Unavailable),
        ("writing blob: received unexpected HTTP status: 503 Service Unavailable", Unavailable),
        ("Get https://registry.example.org/v2/: net/http: TLS handshake timeout", Unavailable),
        ("received unexpected HTTP status: 500 Internal Server Error", Unavailable),
        ("toomanyrequests: You have reached your pull rate limit.", Unavailable),
        ("unauthorized: authentication required", InvalidProject),
        ("manifest unknown: there is no such image", InvalidProject),
    ],
)
def test_a_registry_that_is_down_is_not_the_projects_fault(
    tmp_path: Path, said: str, error: type[Exception]
) -> None:
    program = tmp_path / "buildah"
    program.write_text(f"#!/bin/sh\necho Trying to pull\necho 'Error: {said}' >&2\nexit 125\n")
    program.chmod(0o755)
    image = Image(ImageConfig(base=BASE), "small", "c" * 40, tmp_path / "p.pyz", tmp_path, tmp_path / "log")
    with pytest.raises(error, match=re.escape(said.rstrip("."))):
        Images(Processes(), lambda _project: {})._run(str(program), ["push"], image, "It cannot be pushed")


def test_half_of_what_a_registry_asks_for_is_told(tmp_path: Path) -> None:
    wanted = ImageConfig(base=BASE, push="registry.example.org/team/small")
    image = Image(wanted, "small", "c" * 40, tmp_path / "small.pyz", tmp_path, tmp_path / "log")
    with pytest.raises(InvalidProject, match=f"penstock secrets set {PASSWORD} --in builds"):
        Images(Processes(), lambda _project: {USER: "grace"})._credentials(image)
    with pytest.raises(InvalidProject, match=f"penstock secrets set {USER} --in builds"):
        Images(Processes(), lambda _project: {PASSWORD: SESAME})._credentials(image)


@pytest.fixture
def docker(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """The program, and no other that builds images; the same base is where it finds it."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    asked = ["docker", "version"]
    if not shutil.which("docker") or subprocess.run(asked, capture_output=True, check=False).returncode != 0:
        pytest.skip("there is no docker whose daemon answers")
    packed = shutil.make_archive(str(root.parent / "base"), "tar", root)
    run("import", packed, BASE)
    monkeypatch.setattr(images, "PROGRAMS", ("docker",))
    yield run
    run("rmi", "--force", BASE)


def test_docker_builds_pushes_and_runs_it_too(
    made: Any,
    make: Callable[..., Any],
    small: dict[str, bytes],
    registry: str,
    docker: Callable[..., str],
) -> None:
    secrets = {USER: "grace", PASSWORD: SESAME}
    release = make(made.home, small | config(BASE, f"{registry}/team/small"), "docker", secrets=secrets)
    image = release.outputs["image"]
    kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    manifest = f"http://{registry}/v2/team/small/manifests/sha256:{image.digest}"
    assert httpx.get(manifest, headers={"Accept": kinds}, auth=("grace", SESAME)).status_code == 200
    run = json.loads(docker("run", "--rm", image.file, "run", "arithmetic", "-p", "number=4", "--json"))
    assert (run["status"], run["metrics"][0]["value"]) == ("succeeded", 8)
    assert SESAME not in (made.home / release.build.log).read_text()
    docker("rmi", "--force", image.file)


@needs_buildah
@pytest.mark.usefixtures("buildah")
def test_a_base_that_cannot_be_had_is_told_in_a_sentence(
    made: Any, make: Callable[..., Any], small: dict[str, bytes]
) -> None:
    with pytest.raises(AssertionError):
        make(made.home, small | config("127.0.0.1:9/nothing"), "no-base")
    log = (made.home / "logs/builds/no-base.log").read_text()
    assert "127.0.0.1:9" in log


def test_without_a_builder_the_report_says_so_and_the_release_has_no_image(
    made: Any,
    make: Callable[..., Any],
    small: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("git", "sh"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    release = make(made.home, small | config(BASE), "none")
    assert "image" not in release.outputs
    [skipped] = [test for test in release.built.tests if test.name == "image"]
    assert skipped.outcome == "skipped"
    assert skipped.message == "skipped: no docker, podman or buildah that answers"
