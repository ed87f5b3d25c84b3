"""The built-in git host over HTTP, asked by the real git program."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from penstock.adapters.forges.builtin import BuiltinForge
from penstock.adapters.forges.git_http import serve_git
from penstock.testing.git import Clone


@pytest.fixture
def forge(tmp_path: Path) -> BuiltinForge:
    forge = BuiltinForge(tmp_path / "git")
    forge.create("flights", protected="main")
    return forge


@pytest.fixture
def url(tmp_path: Path, forge: BuiltinForge) -> Iterator[str]:
    """The smallest HTTP server around `serve_git`, in a thread with its own loop."""
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readline()).decode().split()
        headers = {}
        while line := (await reader.readline()).decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        path, _, query = target.partition("?")
        response = await serve_git(
            tmp_path / "git",
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=_body(reader, headers),
        )
        writer.write(f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n".encode())
        writer.writelines(f"{name}: {value}\r\n".encode() for name, value in response.headers)
        writer.write(b"Connection: close\r\n\r\n")
        async for piece in response.body:
            writer.write(piece)
            await writer.drain()
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/flights.git"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> AsyncIterator[bytes]:
    if headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readline()).strip(), 16):
            yield await reader.readexactly(size)
            await reader.readline()
    elif length := int(headers.get("content-length", 0)):
        yield await reader.readexactly(length)


@pytest.fixture
def person(tmp_path: Path, url: str) -> Clone:
    folder = tmp_path / "person"
    folder.mkdir()
    return Clone(folder, url)


def test_git_pushes_and_clones_over_http(
    person: Clone, forge: BuiltinForge, url: str, tmp_path: Path
) -> None:
    commit = person.push("dev", {"notes.txt": b"hello"})
    assert [head.commit for head in forge.heads("flights")] == [commit]
    person.git("clone", "--quiet", "--branch=dev", url, str(tmp_path / "again"))
    assert (tmp_path / "again" / "notes.txt").read_bytes() == b"hello"


def test_a_large_push_arrives_whole_in_chunks(person: Clone, forge: BuiltinForge) -> None:
    data = b"".join(i.to_bytes(4) for i in range(600_000))
    person.git("config", "core.compression", "0")
    commit = person.push("dev", {"large.bin": data})
    assert forge.read("flights", commit, "large.bin") == data


def test_a_compressed_request_is_understood(person: Clone, tmp_path: Path) -> None:
    commit = person.push("dev", {"notes.txt": b"hello"})
    wanted = f"0032want {commit}\n00000009done\n".encode()

    async def ask() -> bytes:
        response = await serve_git(
            tmp_path / "git",
            method="POST",
            path="flights.git/git-upload-pack",
            query="",
            headers={"content-type": "application/x-git-upload-pack-request", "content-encoding": "gzip"},
            body=_pieces(gzip.compress(wanted)),
        )
        return b"".join([piece async for piece in response.body])

    assert asyncio.run(ask()).startswith(b"0008NAK\nPACK")


def test_the_protected_branch_refuses_a_push_with_advice(person: Clone, forge: BuiltinForge) -> None:
    commit = person.push("dev", {"notes.txt": b"hello"})
    refused = person.git("push", "origin", "dev:main", check=False)
    assert refused.returncode != 0
    assert "main is protected; push to dev, then penstock approve and penstock merge dev" in refused.stderr
    forge.merge("flights", commit=commit, into="main", actor="ada", message="Merge")
    with pytest.raises(subprocess.CalledProcessError):
        person.git("push", "origin", "--delete", "main")
    with pytest.raises(subprocess.CalledProcessError):
        person.git("push", "--force", "origin", f"{_other(person)}:main")
    assert {h.branch: h.commit for h in forge.heads("flights")}["main"] == commit


def _other(person: Clone) -> str:
    return person.push("other", {"notes.txt": b"other"})


@pytest.mark.parametrize(
    "path",
    ["/flights.git/config", "/flights.git/../flights.git/info/refs", "/flights.git/HEAD", "/", "/other.git"],
)
def test_no_file_of_a_repository_is_given_out(forge: BuiltinForge, tmp_path: Path, path: str) -> None:
    async def ask() -> int:
        response = await serve_git(
            tmp_path / "git", method="GET", path=path, query="", headers={}, body=_pieces()
        )
        _ = [piece async for piece in response.body]
        return response.status

    assert asyncio.run(ask()) == 404


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def test_the_refusal_says_what_a_protected_branch_does_not_take(person: Clone, forge: BuiltinForge) -> None:
    commit = person.push("dev", {"notes.txt": b"hello"})
    forge.merge("flights", commit=commit, into="main", actor="ada", message="Merge")
    gone = person.git("push", "origin", "--delete", "main", check=False)
    assert "main is protected and cannot be deleted" in gone.stderr
    person.git("checkout", "--quiet", "--orphan", "rewritten")
    person.git("commit", "--quiet", "--message=Again")
    forced = person.git("push", "--force", "origin", "rewritten:main", check=False)
    assert "main is protected and its history cannot be rewritten" in forced.stderr
