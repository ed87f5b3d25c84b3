"""Files in object stores (S3, Google Cloud Storage, Azure) and at HTTP addresses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import from_url

from penstock.core.digests import digest_value
from penstock.core.errors import NotFound, Unavailable
from penstock.datasets.listing import FORMATS
from penstock.datasets.types import Objects, Source

AT_ONCE = 8
"""Objects that are fetched at the same time."""
_SETTINGS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, of other makers, AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, the path of a key, or GOOGLE_SERVICE_ACCOUNT_KEY, its text",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
}
"""The environment variables that obstore reads for each scheme."""


def state(source: Source, data_root: Path) -> str:  # noqa: ARG001 - `Origin`'s
    """See `Origin`: the names and tags of all objects."""
    return digest_value([(each["path"], each["size"], each["e_tag"]) for each in _found(source)[1]])


def bring(source: Source, data_root: Path, folder: Path, columns: Sequence[str]) -> None:  # noqa: ARG001
    """See `Origin`: objects are whole files, whatever columns are asked for."""
    store, found, above = _found(source)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in threads.map(partial(_fetch, source, store, folder, above), found):
            pass


def _fetch(source: Source, store: Any, folder: Path, above: str, about: Any) -> None:
    """Bring an object to where it lies below the folder `above` all of them."""
    path = folder / PurePosixPath(about["path"]).relative_to(above)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            for piece in store.get(about["path"]):
                file.write(piece)
        written = about["last_modified"].timestamp()
        os.utime(path, (written, written))
    except (BaseError, OSError) as error:
        raise _away(source, error) from None


def _found(source: Source) -> tuple[Any, list[Any], str]:
    """The store, the objects at the address (one, those of a folder, or those of a pattern), and the folder
    that they are in.
    """
    assert isinstance(source.kind, Objects)  # noqa: S101 - `origin_of` gives others to others
    parts = urlsplit(source.kind.url)
    path = parts.path.strip("/")
    try:
        store = from_url(f"{parts.scheme}://{parts.netloc}", **_options(parts.scheme))
        if parts.scheme.startswith("http") or (PurePosixPath(path).suffix in FORMATS and "*" not in path):
            one = store.head(path)
            return store, [one], str(PurePosixPath(one["path"]).parent)
        prefix = "/".join(_fixed(path))
        listed = [each for batch in store.list(prefix or None) for each in batch]
    except FileNotFoundError:
        raise _none(source) from None
    except (BaseError, OSError, ValueError) as error:
        raise _away(source, error) from None
    found = [each for each in listed if _belongs(each["path"], path, prefix)]
    if not found:
        raise _none(source)
    return store, sorted(found, key=lambda each: each["path"]), prefix


def _options(scheme: str) -> dict[str, Any]:
    return {"client_options": {"allow_http": True}} if scheme == "http" else {}


def _fixed(path: str) -> list[str]:
    """The folders before the first pattern."""
    parts = path.split("/") if path else []
    pattern = next((at for at, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    return parts[:pattern]


def _belongs(name: str, path: str, prefix: str) -> bool:
    """Whether an object is of the source, by the rules of files in a folder."""
    inside = PurePosixPath(name).relative_to(prefix)
    aside = any(part.startswith((".", "_")) for part in inside.parts)
    known = inside.suffix in FORMATS and not aside
    return known and (path == prefix or fnmatchcase(name, path))


def _none(source: Source) -> NotFound:
    assert isinstance(source.kind, Objects)  # noqa: S101 - as above
    return NotFound(
        what=f"The source {source.name} has no files",
        expected="CSV, JSON lines (.jsonl) or Parquet files",
        found=f"nothing at {source.kind.url}",
    )


def _away(source: Source, error: Exception) -> Unavailable:
    assert isinstance(source.kind, Objects)  # noqa: S101 - as above
    scheme = source.kind.url.partition("://")[0]
    return Unavailable(
        what=f"The object store of the source {source.name} does not answer",
        found=str(error).split("\n")[0][:300],
        fix=f"It is reached by environment variables: {_SETTINGS[scheme]}."
        if scheme in _SETTINGS
        else "Does the address answer where steps run?",
    )
