"""A forge's HTTP API: one page after the other, patiently, and never with its token elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from penstock.core.errors import Busy, Conflict, InvalidValue, NotAllowed, NotFound, Unavailable
from penstock.revisions.types import Upstream

TIMEOUT = 10.0
"""Seconds without an answer after which a request is given up."""
WHOLE = 60.0
"""Seconds that all pages of one answer may take together."""
PAGES = 50
PER_PAGE = 100
_LONGEST_REST = 3600.0


class ForgeApi:
    """Speaks with one repository of a forge at `root`. Errors are those of `revisions.ports.Host`."""

    def __init__(self, root: str, headers: Mapping[str, str], *, timeout: float = TIMEOUT) -> None:
        """`headers` say who asks."""
        self._root = root
        self._headers = {"User-Agent": "penstock", **headers}
        self._timeout = timeout

    def get(self, path: str) -> Any:
        """What there is at a path under the root."""
        return self._ask("GET", f"{self._root}{path}").json()

    def every(self, path: str, **query: str | int) -> Iterator[Any]:
        """The items of a list on all of its pages, as the `Link` headers (RFC 8288) lead on."""
        url = str(httpx.URL(f"{self._root}{path}", params={"per_page": PER_PAGE, **query}))
        until = time.monotonic() + WHOLE
        for _ in range(PAGES):
            page = self._ask("GET", url)
            yield from page.json()
            url = page.links.get("next", {}).get("url", "")
            if not url:
                return
            if httpx.URL(url).netloc != httpx.URL(self._root).netloc:
                raise Unavailable(what=f"{self._root} leads on to another host", found=httpx.URL(url).host)
            if time.monotonic() > until:
                raise Unavailable(what=f"{self._root} is too slow to be read to its end.")
        raise Unavailable(what=f"{self._root} has more than {PAGES} pages.")

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Tell something at a path under the root."""
        self._ask("POST", f"{self._root}{path}", json=dict(body))

    def make(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make something at a path under the root; gives what was made."""
        answer = self._ask("POST", f"{self._root}{path}", json=dict(body))
        _check_json(answer)
        return answer.json()

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        """Change something at a path under the root."""
        self._ask("PUT", f"{self._root}{path}", json=dict(body))

    def _ask(self, method: str, url: str, **said: Any) -> httpx.Response:
        try:
            answer = httpx.request(method, url, headers=self._headers, timeout=self._timeout, **said)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            kind = (
                "does not answer in time"
                if isinstance(error, httpx.TimeoutException)
                else "cannot be reached"
            )
            raise Unavailable(what=f"{httpx.URL(url).host} {kind}.") from error
        _check(answer)
        if method == "GET":
            _check_json(answer)
        return answer


def no_request(upstream: Upstream, branch: str, into: str) -> NotFound:
    """What is said where nobody asked a forge to merge a branch."""
    return NotFound(
        what=f"{upstream.web} has no open request to merge {branch} into {into}.", fix="Open one there."
    )


@contextmanager
def merging(link: str) -> Iterator[None]:
    """Turn the refusal of a forge to merge what is found at `link` into Conflict."""
    try:
        yield
    except InvalidValue as error:
        raise Conflict(
            what=f"{link} cannot be merged", found=error.found, fix="Settle that there, and merge again."
        ) from error


@contextmanager
def as_documented(host: str) -> Iterator[None]:
    """Turn an answer that lacks what is documented into Unavailable."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unavailable(
            what=f"{host} answered something else than it documents", found=repr(error)
        ) from error


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    host, status = answer.request.url.host, answer.status_code
    limited = status == 403 and (
        "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    )
    if status == 429 or limited:
        raise Busy(what=f"{host} asks to be left alone for a while.", seconds=_rest(answer.headers))
    if status == 503 and "retry-after" in answer.headers:
        raise Busy(what=f"{host} asks to come back later.", seconds=_rest(answer.headers))
    if status in {401, 403}:
        raise NotAllowed(
            what=f"{host} refuses the token of this repository ({status}).",
            fix="Connect the project again with a token that may read it and write commit statuses.",
        )
    if status == 404:
        raise NotFound(what=f"{host} knows nothing at {answer.request.url.path}.")
    if status in {400, 405, 406, 409, 422}:
        raise InvalidValue(what=f"{host} does not take what it was told", found=_message(answer))
    raise Unavailable(what=f"{host} answered with {status}.")


def _message(answer: httpx.Response) -> str:
    """What a refusal says, in its own words where it is JSON."""
    with suppress(ValueError, AttributeError):
        if said := answer.json().get("message"):
            return str(said)[:300].rstrip(".")
    return answer.text[:300]


def _check_json(answer: httpx.Response) -> None:
    try:
        answer.json()
    except ValueError as error:
        raise Unavailable(what=f"{answer.request.url.host} did not answer with JSON.") from error


def _rest(headers: httpx.Headers) -> float:
    """Seconds that are asked for: `Retry-After` as seconds or a date (RFC 9110), or the reset of a limit."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    seconds = 60.0
    with suppress(ValueError, TypeError):
        if after:
            seconds = (
                float(after) if after.isdecimal() else parsedate_to_datetime(after).timestamp() - time.time()
            )
        elif reset:
            seconds = float(reset) - time.time()
    return min(max(seconds, 1.0), _LONGEST_REST)
