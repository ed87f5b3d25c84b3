"""What is agreed with a client beside its question: packed bodies, pages of other sites, hung threads."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor import endless
from penstock.adapters.predictor.endless import Endless
from penstock.adapters.predictor.http import MOST_BYTES, Reply, Request
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.server import Server
from penstock.adapters.predictor.table import Table
from penstock.adapters.predictor.terms import LONG, Terms, accepted
from penstock.testing.asked import asked
from penstock.testing.contracts.prediction import plan
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.tiny_onnx import sigmoid_version

ONE = b'{"rows": [{"wind": 2.0, "carrier": "UA"}]}'
MANY = msgspec.json.encode({"rows": [{"wind": 2.0, "carrier": "UA"}] * 200})
PAGE = "https://app.example"
BOMB = bytes(MOST_BYTES + 1)


@pytest.fixture
def terms(tmp_path: Path) -> Iterator[Terms]:
    blobs, kept = MemoryBlobs(), PlanFile(tmp_path)
    kept.save(plan(1, sigmoid_version(blobs, 1)))
    table = Table(blobs, kept, SqliteOnline(tmp_path / "online.db"))
    table.resume()
    log = LogWriter(tmp_path / "predictions")
    yield Terms(Server(table, log, "key"), [PAGE])
    log.close()


def ask(terms: Terms, body: bytes, method: str = "POST", **headers: str) -> Reply:
    raw = {name.replace("_", "-").encode(): text.encode() for name, text in headers.items()}
    return asked(terms.answer, Request(method, "/predict/delay", headers=raw, body=body))


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_packed_requests_are_answered_and_bombs_refused(
    terms: Terms, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    told = ask(terms, pack(ONE[:9]) + pack(ONE[9:]), content_encoding=coding)
    assert msgspec.json.decode(told.body)["rows"][0]["prediction"] is True
    bomb = pack(BOMB)
    assert len(bomb) < 100_000
    told = ask(terms, bomb, content_encoding=coding)
    assert (told.status, b"at most 64 MiB when unpacked" in told.body) == (413, True)
    torn = ask(terms, pack(ONE)[:-9], content_encoding=coding)
    assert (torn.status, f"is not {coding}".encode() in torn.body) == (400, True)
    assert ask(terms, b"nothing of the kind", content_encoding=coding).status == 400


def test_another_packing_is_refused(terms: Terms) -> None:
    told = ask(terms, ONE, content_encoding="br")
    assert (told.status, b"expected gzip or zstd; found br" in told.body) == (415, True)


def test_large_answers_come_packed_where_they_are_taken_so(terms: Terms) -> None:
    plain = msgspec.json.decode(ask(terms, MANY).body)["rows"]
    for wished, unpack in (("gzip, deflate", gzip.decompress), ("gzip;q=0.5, zstd", zstandard.decompress)):
        told = ask(terms, MANY, accept_encoding=wished)
        headers = dict(told.headers)
        assert headers[b"content-encoding"] == accepted(wished.encode()).encode()
        rows = msgspec.json.decode(unpack(told.body))["rows"]
        assert [row["score"] for row in rows] == [row["score"] for row in plain]
    longest = msgspec.json.encode({"rows": [{"wind": 2.0, "carrier": "UA"}] * 4000})
    told = ask(terms, longest, accept_encoding="zstd")
    assert len(zstandard.decompress(told.body)) > LONG
    assert not ask(terms, ONE, accept_encoding="gzip").headers
    assert not accepted(b"gzip;q=0, br, *")


def test_pages_of_named_sites_may_ask_and_others_are_granted_nothing(terms: Terms) -> None:
    asks = {"origin": PAGE, "access_control_request_method": "POST"}
    granted = dict(ask(terms, b"", "OPTIONS", **asks).headers)
    assert granted[b"access-control-allow-origin"] == PAGE.encode()
    assert b"content-type" in granted[b"access-control-allow-headers"]
    assert dict(ask(terms, ONE, origin=PAGE).headers)[b"access-control-allow-origin"] == PAGE.encode()
    refused = ask(terms, b"{}", origin=PAGE)
    assert (refused.status, (b"vary", b"origin") in refused.headers) == (400, True)
    assert not ask(terms, ONE, origin="https://other.example").headers
    assert ask(terms, b"", "OPTIONS", **asks | {"origin": "https://other.example"}).status == 404


def test_work_that_goes_on_and_on_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Endless()
    assert not work.timed(work.found)
    monkeypatch.setattr(endless, "STUCK", -1.0)
    assert work.timed(work.found)
    assert not work.found()
