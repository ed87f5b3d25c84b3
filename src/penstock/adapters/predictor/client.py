"""The prediction process, asked over the same wire that clients use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import msgspec
from msgspec.structs import replace

from penstock.adapters.predictor.load import Spec
from penstock.core.errors import (
    InvalidRequest,
    NotAllowed,
    NotFound,
    PenstockError,
    StorageFailed,
    Unavailable,
)
from penstock.serving.encode import decode_answer, encode_request
from penstock.serving.types import Answer, Contest, Counters, Loaded, LoadReport, Plan, Probe, ServedVersion

_ERRORS: dict[int, type[PenstockError]] = {
    400: InvalidRequest,
    403: NotAllowed,
    404: NotFound,
    507: StorageFailed,
}
_SECONDS = 30.0
_SECONDS_TO_LOAD = 300.0


class HttpPredictionService:
    """A `serving.ports.PredictionService` at a URL, which may be told anew after each restart."""

    def __init__(
        self, url: str | Callable[[], str], key: str, blobs: Path | None = None, isolation: str = "none"
    ) -> None:
        """`blobs` is the folder from which the service reads; without it no version can be probed.
        `isolation` is that of the service.
        """
        self._isolation = isolation
        self._blobs = blobs
        self._url = url
        self._key = {"x-penstock-key": key}
        self._http = httpx.Client(timeout=_SECONDS, trust_env=False)

    def apply(self, plan: Plan) -> Sequence[Loaded]:
        """See `PredictionService.apply`."""
        body = self._ask("POST", "/-/plan", msgspec.json.encode(plan), self._key, timeout=_SECONDS_TO_LOAD)
        return msgspec.json.decode(body, type=list[Loaded])

    def loaded(self) -> Sequence[Loaded]:
        """See `PredictionService.loaded`."""
        return msgspec.json.decode(self._ask("GET", "/-/loaded", headers=self._key), type=list[Loaded])

    def observed(self) -> Sequence[Contest]:
        """See `PredictionService.observed`."""
        return msgspec.json.decode(self._ask("GET", "/-/observed", headers=self._key), type=list[Contest])

    def counters(self) -> Sequence[Counters]:
        """See `PredictionService.counters`."""
        return msgspec.json.decode(self._ask("GET", "/-/counters", headers=self._key), type=list[Counters])

    def infer(
        self, model: str, version: int, columns: Mapping[str, Sequence[Any]], *, log: bool = True
    ) -> Answer:
        """See `PredictionService.infer`."""
        place = f"/versions/{version}" if version else ""
        body = encode_request(columns, uuid4().hex)
        headers = {} if log else {**self._key, "x-penstock-log": "off"}
        return decode_answer(
            self._ask("POST", f"/v2/models/{quote(model, safe='')}{place}/infer", body, headers)
        )

    def load(
        self, model: str, version: int, requests: Sequence[bytes], rate: float, seconds: float
    ) -> LoadReport:
        """See `PredictionService.load`."""
        spec = Spec(
            url=self._url if isinstance(self._url, str) else self._url(),
            path=f"/v2/models/{quote(model, safe='')}/versions/{version}/infer",
            headers={**self._key, "x-penstock-log": "off"},
            requests=[request.decode() for request in requests],
            rate=rate,
            seconds=seconds,
        )
        before = self._resident()
        made = _run("load", msgspec.json.encode(spec), seconds + _SECONDS)
        return replace(
            msgspec.json.decode(made, type=LoadReport), memory_before=before, memory_after=self._resident()
        )

    def probe(self, version: ServedVersion) -> Probe:
        """See `PredictionService.probe`."""
        if self._blobs is None:
            return Probe(error="its bytes are not here")
        try:
            made = _run(
                "probe", msgspec.json.encode(version), _SECONDS_TO_LOAD, str(self._blobs), self._isolation
            )
        except Unavailable as error:
            return Probe(error=str(error))
        return msgspec.json.decode(made, type=Probe)

    def flush(self) -> None:
        """See `PredictionService.flush`."""
        self._ask("POST", "/-/flush", headers=self._key)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _resident(self) -> int:
        return msgspec.json.decode(self._ask("GET", "/-/resident", headers=self._key), type=int)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float = _SECONDS,
    ) -> bytes:
        """The body of the answer. Asking twice changes nothing, so a broken connection is tried again."""
        url = self._url if isinstance(self._url, str) else self._url()
        for last in (False, True):
            try:
                response = self._http.request(
                    method, url + path, content=body, headers=headers, timeout=timeout
                )
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                if last:
                    raise _unavailable(url, error) from error
            except httpx.TransportError as error:
                raise _unavailable(url, error) from error
            else:
                break
        if response.is_error:
            raise _ERRORS.get(response.status_code, Unavailable)(what=_sentence(response))
        return response.content


def _run(program: str, given: bytes, patience: float, *words: str) -> bytes:
    """What a program of this package prints. Raises Unavailable with what it says when it fails."""
    command = [sys.executable, "-m", f"penstock.adapters.predictor.{program}", *words]
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(what=f"The {program} did not end within {patience:g} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"it ended with exit code {done.returncode}"
        raise Unavailable(what=f"The {program} failed", found=reason)
    return done.stdout


def _unavailable(url: str, error: httpx.TransportError) -> Unavailable:
    return Unavailable(
        what=f"The prediction service at {url} does not answer",
        found=str(error),
        fix="Start it with penstock up.",
    )


def _sentence(response: httpx.Response) -> str:
    try:
        return msgspec.json.decode(response.content, type=dict[str, str])["error"]
    except (msgspec.DecodeError, KeyError):
        return f"The prediction service answered {response.status_code}."
