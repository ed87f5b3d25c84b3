"""Where a source lies that is not read from files of the data root."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from msgspec.structs import replace

from penstock.core.digests import digest_value
from penstock.core.errors import InvalidValue, NotFound
from penstock.datasets.types import Delta, Objects, Predictions, Source, Sql

_SECRET = re.compile(r"[A-Z][A-Z0-9_]+")


def secrets_of(source: Source) -> tuple[str, ...]:
    """The names of the secrets that reading a source takes."""
    return (source.kind.url,) if isinstance(source.kind, Sql) and is_secret(source.kind.url) else ()


def is_secret(address: str) -> bool:
    """Whether an address is the name of a secret that holds it."""
    return _SECRET.fullmatch(address) is not None


def addressed(source: Source, secrets: Mapping[str, str]) -> Source:
    """The source with its address in place of the secret that holds it. Raises NotFound."""
    kind = source.kind
    if not isinstance(kind, Sql) or not is_secret(kind.url):
        return source
    if kind.url not in secrets:
        raise NotFound(
            what=f"The source {source.name} needs the secret {kind.url}, which is not there.",
            fix=f"Set it with: penstock secrets set {kind.url} --in ENVIRONMENT.",
        )
    return replace(source, kind=replace(kind, url=secrets[kind.url]))


def elsewhere(source: Source) -> bool:
    """Whether the rows are not in files of the data root, where only a sample may lie."""
    return isinstance(source.kind, Sql | Delta | Objects | Predictions)


def snapshot_id(source: str, as_of: datetime, digest: str, declared: str = "") -> str:
    """What a snapshot is known by: the source, the time, its rows and, where that is told, what was asked.

    So by its name alone one can tell whether a snapshot answers the same question.
    """
    made_of = [source, as_of, digest, *([declared] if declared else [])]
    return f"{source}:{digest_value(made_of)[:16]}"


def without_password(name: str, address: str) -> str:
    """The address, if it may stand in code. Raises InvalidValue."""
    if "://" in address and urlsplit(address).password:
        raise InvalidValue(
            what=f"The address of the source {name} holds a password, for all to see who read the code.",
            fix="Name a secret in its place, such as WAREHOUSE_URL, and set it with penstock secrets set.",
        )
    return address
