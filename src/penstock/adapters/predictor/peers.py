"""The processes that serve a home on one port, as each of them sees the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from typing import TypeVar

import msgspec

from penstock.core.errors import InvalidValue, PenstockError, Unavailable

HOST = "127.0.0.1"
PATIENCE = 300.0
"""Seconds for which a process may load what it was told to."""
OWN = "/-/own/"
"""Where a process is asked for what it alone does or knows."""
R = TypeVar("R")


class Peers:
    """Has every process do something. One that was killed is waited for: its port stays."""

    def __init__(self, key: str, others: Sequence[int]) -> None:
        """`others` are the ports at which the other ones are asked."""
        self._key = key
        self._others = tuple(others)

    def every(
        self,
        duty: str,
        own: Callable[[], R],
        read: Callable[[bytes], R],
        given: object = None,
        *,
        warily: bool = False,
    ) -> list[R]:
        """What each process gives, this one first: by `own`, and the others when they are told what is
        `given`, as it is `read`. `warily` asks another before: who dies of it dies alone.

        Raises Unavailable when one does not do it.
        """
        if not self._others:
            return [own()]
        body = b"" if given is None else msgspec.json.encode(given)
        first = [self._ask(port, duty, body) for port in self._others[: int(warily)]]
        rest = self._others[len(first) :]
        with ThreadPoolExecutor(max(1, len(rest))) as threads:
            asked = [threads.submit(self._ask, port, duty, body) for port in rest]
            mine = own()
            return [mine, *map(read, first), *(read(each.result()) for each in asked)]

    def _ask(self, port: int, duty: str, body: bytes) -> bytes:
        for last in (False, True):
            connection = HTTPConnection(HOST, port, timeout=PATIENCE)
            try:
                connection.request("POST", OWN + duty, body, {"x-penstock-key": self._key})
                reply = connection.getresponse()
                given = reply.read()
            except (OSError, HTTPException) as error:
                if last:
                    raise Unavailable(
                        what=f"A process of the prediction service died when told to {duty}",
                        found=str(error),
                    ) from error
            else:
                if reply.status == 200:
                    return given
                raise _error(reply.status)(what=_sentence(given))
            finally:
                connection.close()
        raise AssertionError


def _error(status: int) -> type[PenstockError]:
    return InvalidValue if status == 400 else Unavailable


def _sentence(given: bytes) -> str:
    try:
        return msgspec.json.decode(given, type=dict[str, str])["error"]
    except (msgspec.DecodeError, KeyError):
        return "A process of the prediction service failed; its log says why"
