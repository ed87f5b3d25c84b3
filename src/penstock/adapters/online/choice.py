"""Where online values are kept, as an operator says it: in the home, or at `redis://HOST:PORT/DATABASE`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.core.errors import InvalidValue
from penstock.features.ports import OnlineStore


def open_online(address: str, file: Path, *, patient: bool = True) -> OnlineStore:
    """The online store at an address, in a `file` where it is empty.

    Who is not `patient` is refused at once while a server restarts. Raises InvalidValue, Unavailable, and
    NotAllowed where a server answers one who is `patient` that it does not let us in.
    """
    if not address:
        return SqliteOnline(file)
    from penstock.adapters.online.redis import SCHEMES, RedisOnline

    if not address.startswith(SCHEMES):
        raise InvalidValue(
            what="Online values cannot be kept there",
            expected="an address such as redis://HOST:PORT/DATABASE (valkey, rediss and unix as well)",
            found=repr(address.partition("://")[0]),
        )
    if patient:
        with closing(RedisOnline(address, patient=False)) as hasty:
            hasty.introduce()
    return RedisOnline(address, patient=patient)
