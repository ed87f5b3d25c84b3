"""What can be had of a release: complete, the same wherever it is built, and described as others read it."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uv
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from penstock.core.digests import canonical, digest_value

SAME = ("wheel", "lock", "requirements", "executable", "sbom", "manifest")


def test_every_output_is_there_with_the_digest_and_size_that_are_told(made: Any) -> None:
    assert set(made.outputs) == {*SAME, "provenance"}
    for name, output in made.outputs.items():
        data = made.bytes_of(name)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (output.size, output.digest), name


def test_building_a_commit_in_another_place_at_another_time_gives_the_same(
    made: Any, make: Callable[..., Any], small: dict[str, bytes], tmp_path: Path
) -> None:
    again = make(tmp_path / "elsewhere", small, "77", made.build.created + timedelta(days=40), 0o077)
    assert again.build.commit == made.build.commit
    for name in SAME:
        assert again.outputs[name].digest == made.outputs[name].digest, name
    assert again.outputs["provenance"].digest != made.outputs["provenance"].digest


def test_the_requirements_install_with_hashes_required(made: Any, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_bytes(made.bytes_of("requirements"))
    assert "pytest" not in requirements.read_text()
    python = ["--python", sys.executable]
    hashed = ["--require-hashes", "--requirements", str(requirements)]
    command = [uv.find_uv_bin(), "--quiet", "pip", "install", *python, "--target", str(tmp_path / "site")]
    subprocess.run([*command, *hashed], check=True, timeout=120)
    assert (tmp_path / "site" / "packaging").is_dir()


def test_the_bill_of_materials_is_cyclonedx_and_knows_hashes_and_licences(made: Any) -> None:
    text = made.bytes_of("sbom").decode()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    bill = json.loads(text)
    components = {component["name"]: component for component in bill["components"]}
    packaging = components["packaging"]
    assert packaging["licenses"] == [{"license": {"name": "Apache-2.0 OR BSD-2-Clause"}}]
    hashes = [each["hashes"][0]["content"] for each in packaging["externalReferences"]]
    locked = made.bytes_of("requirements").decode()
    assert hashes
    assert all(f"sha256:{digest}" in locked for digest in hashes)
    assert {"penstock", "msgspec"} <= set(components)
    assert "pytest" not in components
    assert bill["metadata"]["component"]["name"] == "small"


def test_the_provenance_is_an_in_toto_statement_with_slsa_provenance_of_every_output(made: Any) -> None:
    told = json.loads(made.bytes_of("provenance"))
    Statement.copy_from_pb(ParseDict(told, statement_pb2.Statement())).validate()
    predicate = ParseDict(told["predicate"], provenance_pb2.Provenance())  # refuses unknown fields
    assert predicate.run_details.builder.id.startswith("pkg:pypi/penstock@")
    assert told["predicateType"] == "https://slsa.dev/provenance/v1"
    subjects = {each["name"]: each["digest"]["sha256"] for each in told["subject"]}
    assert subjects == {made.outputs[name].file: made.outputs[name].digest for name in SAME}
    source, lock, penstock = told["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": made.build.commit}
    assert lock["digest"] == {"sha256": made.built.lock}
    assert penstock["uri"].startswith("pkg:pypi/penstock@")


def test_the_manifest_names_the_outputs_and_its_digest_is_its_own(made: Any) -> None:
    manifest = json.loads(made.bytes_of("manifest"))
    described = {name: made.outputs[name].digest for name in SAME if name != "manifest"}
    assert manifest["outputs"] == described
    assert digest_value(manifest) == made.outputs["manifest"].digest
    assert canonical(manifest) == made.bytes_of("manifest")


def test_releases_share_what_their_executables_have_in_common(
    made: Any, make: Callable[..., Any], small: dict[str, bytes]
) -> None:
    changed = small["small/pipeline.py"].replace(b"number: int = 3", b"number: int = 4")
    other = make(made.home, {**small, "small/pipeline.py": changed}, "2")
    first, second = (each.outputs["executable"] for each in (made, other))
    assert first.digest != second.digest
    assert first.parts[:2] == second.parts[:2]
    blobs = {part: len((made.home / "blobs" / part[:2] / part[2:]).read_bytes()) for part in second.parts}
    assert blobs[second.parts[2]] < 100_000 < blobs[second.parts[1]]


@pytest.fixture
def executable(made: Any, tmp_path: Path) -> Path:
    """The executable in an empty folder."""
    file = tmp_path / "here" / "small.pyz"
    file.parent.mkdir()
    file.write_bytes(made.bytes_of("executable"))
    file.chmod(0o755)
    return file


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where executables are unpacked."""
    return tmp_path_factory.mktemp("cache")


def started(file: Path, cache: Path, *arguments: str, **also: str) -> subprocess.CompletedProcess[str]:
    """What the executable says when it is started with the Python of this machine and nothing else."""
    path = f"{Path(sys.base_prefix, 'bin')}:/usr/bin:/bin"
    variables = {"PATH": path, "XDG_CACHE_HOME": str(cache), "HOME": str(file.parent), **also}
    python = str(Path(sys.base_prefix, "bin", "python3"))
    return subprocess.run(
        [python, "-I", str(file), *arguments],
        cwd=file.parent,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_executable_runs_a_pipeline_with_nothing_but_python(executable: Path, cache: Path) -> None:
    said = started(executable, cache, "run", "arithmetic", "-p", "number=21", "--json", UV_OFFLINE="1")
    assert said.returncode == 0, said.stderr
    run = json.loads(said.stdout)
    assert (run["pipeline"], run["status"], run["params"]) == ("arithmetic", "succeeded", {"number": 21})
    assert [metric["value"] for metric in run["metrics"]] == [42]
    assert (executable.parent / ".penstock" / "penstock.db").is_file()
    again = started(executable, cache, "run", "arithmetic", "-p", "number=21", "--json")
    assert json.loads(again.stdout)["steps"][0]["cached_from"] == f"{run['id']}/double"
    assert "Unpacking" not in again.stderr
    listed = json.loads(started(executable, cache, "list", "--json").stdout)
    assert listed["items"] == [{"pipeline": "arithmetic", "parameters": {"number": 3}, "steps": ["double"]}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "arithmetics"], "expected a pipeline: arithmetic; found arithmetics. Did you mean"),
        (["run", "arithmetic", "-p", "number=many"], "number"),
        (["run", "show", "9"], "There is no Penstock home"),
    ],
)
def test_the_executable_refuses_with_a_sentence(
    executable: Path, cache: Path, arguments: list[str], said: str
) -> None:
    ended = started(executable, cache, *arguments)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_another_python_is_told_which_one_it_takes(executable: Path, cache: Path) -> None:
    with zipfile.ZipFile(executable) as archive:
        about = json.loads(archive.read("about.json")) | {"python": "3.99"}
        start = archive.read("__main__.py")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("__main__.py", start)
        archive.writestr("about.json", json.dumps(about))
    executable.write_bytes(other.getvalue())
    ended = started(executable, cache, "list")
    assert ended.returncode == 1
    assert "was made for Python 3.99; this is Python 3." in ended.stderr


def test_an_executable_that_cannot_be_unpacked_says_where(executable: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    ended = started(executable, taken, "list")
    assert ended.returncode == 1
    assert f"cannot be unpacked into {taken}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [file.name for file in executable.parent.iterdir()] == ["small.pyz"]
