"""One tree of errors: a stable code, a sentence, what was expected, what was found, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar


class PenstockError(Exception):
    """Penstock could not do this."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, *, expected: str = "", found: str = "", fix: str = "", what: str = "") -> None:
        """`what` replaces the class's sentence where a more exact one is known."""
        self.what = what or (type(self).__doc__ or "").strip().split("\n")[0]
        self.expected = expected
        self.found = found
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        """One line: the sentence, expected and found, and what to do."""
        contrast = "; ".join(
            part
            for part in (
                f"expected {self.expected}" if self.expected else "",
                f"found {self.found}" if self.found else "",
            )
            if part
        )
        sentence = self.what.rstrip(".") + (f": {contrast}".removesuffix(".") if contrast else "")
        return f"{sentence}{'' if sentence.endswith('?') else '.'} {self.fix}".strip()

    def as_dict(self) -> dict[str, str]:
        """The error as JSON-like data, the same on the command line and over HTTP."""
        return {
            "code": self.code,
            "error": str(self),
            "what": self.what,
            "expected": self.expected,
            "found": self.found,
            "fix": self.fix,
        }


class InvalidValue(PenstockError):
    """A value is not one that is allowed here."""

    code = "invalid_value"
    status = 400


class InvalidProject(InvalidValue):
    """The project's files do not describe a project that can be delivered."""

    code = "invalid_project"


class InvalidPipeline(InvalidValue):
    """The pipeline cannot be drawn."""

    code = "invalid_pipeline"


class InvalidRequest(InvalidValue):
    """The prediction request does not fit the model."""

    code = "invalid_request"


class UnsupportedMedia(PenstockError):
    """The body is of a kind that is not read here."""

    code = "unsupported_media"
    status = 415


class TooLarge(PenstockError):
    """More was sent than is taken at once."""

    code = "too_large"
    status = 413


class UndefinedMetric(InvalidValue):
    """The metric is not defined on these rows."""

    code = "undefined_metric"


class NotFound(PenstockError):
    """There is no such thing here."""

    code = "not_found"
    status = 404


class Conflict(PenstockError):
    """The state of things does not allow this."""

    code = "conflict"
    status = 409


class NotAllowed(PenstockError):
    """This is not allowed."""

    code = "not_allowed"
    status = 403


class NotAuthenticated(PenstockError):
    """Who asks is not known."""

    code = "not_authenticated"
    status = 401


class Unavailable(PenstockError):
    """Something that is needed does not answer."""

    code = "unavailable"
    status = 503


class Busy(Unavailable):
    """Something that is needed asks to be left alone for a while."""

    code = "busy"

    def __init__(
        self, *, expected: str = "", found: str = "", fix: str = "", what: str = "", seconds: float = 0.0
    ) -> None:
        """`seconds` is how long it wants to be left alone, as far as it says so."""
        super().__init__(expected=expected, found=found, fix=fix, what=what)
        self.seconds = seconds


class StorageFailed(PenstockError):
    """The bytes could not be stored."""

    code = "storage_failed"
    status = 507


class Corrupt(PenstockError):
    """Stored bytes are not what was stored."""

    code = "corrupt"


class StepFailed(PenstockError):
    """The step failed."""

    code = "step_failed"


class UnsupportedModel(InvalidValue):
    """The model cannot be published in a format that is safe to load."""

    code = "unsupported_model"


def names_of(error: BaseException) -> tuple[str, ...]:
    """The names of an error's class and of those it descends from, the nearest first."""
    return tuple(kind.__name__ for kind in type(error).__mro__ if kind not in (BaseException, object))


def from_dict(told: Mapping[str, str]) -> PenstockError:
    """The error that `as_dict` told of. Raises KeyError when that is not what was told."""
    kinds = {kind.code: kind for kind in _family(PenstockError)}
    return kinds[told["code"]](**{name: told[name] for name in ("what", "expected", "found", "fix")})


def _family(kind: type[PenstockError]) -> Iterator[type[PenstockError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)
