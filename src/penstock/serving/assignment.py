"""Which version answers a request, and as which variant: the champion, or a challenger for its share."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from penstock.core.errors import InvalidValue, NotFound
from penstock.serving.types import Challenger, ServedModel, ServedVersion


def served_model(models: Mapping[str, ServedModel], name: str) -> ServedModel:
    """The model of this name. Raises NotFound, naming those that are served."""
    if name in models:
        return models[name]
    raise NotFound(
        what=f"No model {name!r} answers here",
        found=", ".join(models) or "none yet",
        fix="A model answers once a version has passed its gate in an environment that serves.",
    )


def served_version(model: ServedModel, number: int) -> ServedVersion:
    """The version of this number. Raises NotFound, naming those that are served."""
    for version in model.versions:
        if version.number == number:
            return version
    known = ", ".join(str(version.number) for version in model.versions) or "none yet"
    raise NotFound(
        what=f"The model {model.name!r} has no approved version {number}", expected=known, found=str(number)
    )


def assign(model: ServedModel, number: int = 0) -> tuple[int, str]:
    """The number of the version that answers, and its variant.

    The champion answers as `champion`; a version that was asked for by number as `direct`.
    Raises NotFound where there is no such version, or no champion yet.
    """
    if number:
        return served_version(model, number).number, "direct"
    if not model.champion:
        raise NotFound(
            what=f"The model {model.name!r} has no champion yet",
            fix="Its first version answers as soon as it has passed its gate.",
        )
    return model.champion, "champion"


def challenger_for(model: ServedModel, key: str) -> Challenger | None:
    """The challenger that answers requests with this key, None where the champion does.

    It is always the same for a key while contests and shares are; a share that grows only adds keys to it.
    """
    rivals = [each for each in model.challengers if each.share]
    if not rivals:
        return None
    place, end = place_of(rivals[0].contest, key), 0
    for each in rivals:
        end += each.share
        if place < end:
            return each
    return None


def place_of(contest: str, key: str) -> float:
    """Where a key falls in a contest, from 0 up to 100; another contest shuffles keys anew."""
    digest = blake2b(key.encode(errors="surrogatepass"), digest_size=8, key=contest.encode()[:64]).digest()
    return int.from_bytes(digest) / 2**64 * 100


def require_shares(model: ServedModel) -> None:
    """Raises InvalidValue unless shares are at most 100 together, NotFound for an unknown version."""
    for each in model.challengers:
        served_version(model, each.number)
    shares = [each.share for each in model.challengers]
    if any(share < 0 for share in shares) or sum(shares) > 100:
        raise InvalidValue(
            what=f"The shares of {model.name!r} cannot be followed",
            expected="shares of together at most 100",
            found=", ".join(map(str, shares)),
        )
