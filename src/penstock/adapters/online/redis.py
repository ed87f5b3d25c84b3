"""Online values in Redis or Valkey: a hash for each entity, with a record for each view."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from penstock.core.errors import InvalidValue, NotAllowed, StorageFailed, Unavailable
from penstock.features.records import STAMP

if TYPE_CHECKING:
    from redis import Redis

Answer = TypeVar("Answer")
SCHEMES = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")
AT_ONCE = 1_000
"""Records that one script writes: nobody else is answered meanwhile."""
TRIES = 8
"""How often a server that does not answer is asked again, for about five seconds: it may be restarting."""
HASTE = 0.5
"""Seconds that who cannot wait gives a server to answer."""
_PREFIX, _MARK = b"penstock:", b"penstock.contents"
_WRITE = f"""
local kept = 0
for i, key in ipairs(KEYS) do
  local old, new = redis.call('HGET', key, ARGV[1]), ARGV[i + 1]
  if not old or string.sub(new, 1, {STAMP}) >= string.sub(old, 1, {STAMP}) then
    redis.call('HSET', key, ARGV[1], new)
    kept = kept + 1
  end
end
return kept
"""


class RedisOnline:
    """An `OnlineStore` in one database of a server, which says how long what is written lasts."""

    def __init__(self, address: str, *, patient: bool = True) -> None:
        """Who is not `patient` does not wait for a server that is restarting.

        Raises Unavailable where the extra is not installed, InvalidValue for an impossible address.
        """
        try:
            import redis
            from redis.backoff import ExponentialBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise Unavailable(
                what="To keep online values in Redis its client must be installed",
                fix="pip install 'penstock[redis]'",
            ) from error
        self._trouble = redis.RedisError
        away = [redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError]
        try:
            self._redis: Redis = redis.Redis.from_url(
                _checked(address),
                retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), TRIES if patient else 1, tuple(away)),
                retry_on_error=away,
                socket_timeout=10.0 if patient else HASTE,
                socket_connect_timeout=5.0 if patient else HASTE,
                protocol=2,
            )
        except ValueError as error:
            raise InvalidValue(
                what="This is no address of a Redis server",
                expected="redis://USER:PASSWORD@HOST:PORT/DATABASE",
                found="a port, database or option of another kind",  # quoted, it might be part of a password
                fix="Write @, :, /, ? and % of a password as %40, %3A, %2F, %3F and %25.",
            ) from error
        self._write = self._redis.register_script(_WRITE)

    def introduce(self) -> None:
        """Raises NotAllowed where a server answers and refuses us; one that is away may come yet."""
        import redis

        try:
            self._redis.ping()
        except redis.RedisError as error:
            away = isinstance(error, (redis.ConnectionError, redis.TimeoutError))
            if away and not isinstance(error, redis.AuthenticationError):
                return
            raise NotAllowed(
                what="The Redis server refuses to keep online values",
                found=_said(error),
                fix="See that --online or PENSTOCK_ONLINE has its user, password and database.",
            ) from error

    def read(self, keys: Sequence[bytes], views: Sequence[str]) -> list[Sequence[bytes | None]]:
        """See `OnlineStore`: one round trip, however many entities."""
        names = list(views)

        def ask() -> list[Sequence[bytes | None]]:
            with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.hmget(_PREFIX + key, names)
                found: list[Sequence[bytes | None]] = pipeline.execute()
                return found

        return self._asked("read", ask)

    def write(self, view: str, rows: Sequence[tuple[bytes, bytes]]) -> int:
        """See `OnlineStore`; of many rows `AT_ONCE` are written together, and all once it returns."""
        parts = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
        return sum(self._asked("written", partial(self._written, view, part)) for part in parts)

    def remove(self, view: str, since: str) -> str:
        """See `OnlineStore`: a place is the cursor of a scan, which meets every entity that stays there."""

        def forget() -> int:
            found: Any = self._redis.scan(int(since or 0), match=_PREFIX + b"*", count=AT_ONCE)
            place, keys = found
            with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.hdel(key, view)
                pipeline.execute()
            return int(place)

        return str(self._asked("written", forget) or "")

    def at_hand(self) -> bool:
        """See `OnlineStore`: a network is never."""
        return False

    def contents(self) -> str:
        """See `OnlineStore`. A server that keeps no log of writes may have lost some with every restart."""

        def ask() -> str:
            self._redis.set(_MARK, secrets.token_hex(8), nx=True)
            mark: Any = self._redis.get(_MARK)
            about: Any = self._redis.info()
            return f"{mark.decode()}:{'' if about.get('aof_enabled') else about.get('run_id', '')}"

        return self._asked("read", ask)

    def close(self) -> None:
        """See `OnlineStore`."""
        self._redis.close()

    def _written(self, view: str, part: Sequence[tuple[bytes, bytes]]) -> int:
        keys = [_PREFIX + key for key, _ in part]
        return int(self._write(keys=keys, args=[view, *(record for _, record in part)]))

    def _asked(self, what: str, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except self._trouble as error:
            kind = StorageFailed if what == "written" else Unavailable
            raise kind(
                what=f"The online store cannot be {what}",
                found=_said(error),
                fix="It is tried again once the Redis server answers.",
            ) from error


def _said(error: Exception) -> str:
    return str(error).rstrip(".")


def _checked(address: str) -> str:
    """An address as the client knows it, which would take a database that is no number for 0."""
    place = urlsplit(address)
    if place.scheme != "unix" and not (place.path.strip("/") or "0").isdecimal():
        raise ValueError("database")
    return address.replace("valkey", "redis", 1) if address.startswith("valkey") else address
