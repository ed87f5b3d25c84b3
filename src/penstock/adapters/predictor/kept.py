"""What the prediction service keeps in its home: its lock, its plan and the key that guards it."""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from penstock.core.errors import Conflict, Corrupt, StorageFailed
from penstock.models.types import Signature
from penstock.serving.types import Offer, Plan, ServedModel

PATIENCE = 15.0
"""Seconds to wait for the process of a system that was killed: it still ends its requests and its log."""
PAUSE = 0.05
_LONGEST = 32
"""Letters of a moment in UTC, with microseconds or without."""


@contextmanager
def only_one(home: Path) -> Iterator[Callable[[], bool]]:
    """Be the one prediction process of a home, after the last one: one that is left alone is told to end.

    Gives what a process that is left alone asks again and again: whether to go on, which it may until the
    home is gone. From then on the next one ends it. Raises Conflict if the last one does not end.
    """
    place = home / "serving" / "lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    until, told = time.monotonic() + PATIENCE, b""
    lock = os.open(place, os.O_RDWR | os.O_CREAT, 0o644)

    def alone() -> bool:
        os.pwrite(lock, b"%d" % os.getpid(), 0)
        with suppress(OSError):
            return os.path.samestat(place.stat(), os.fstat(lock))
        return False

    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Conflict(
                        what=f"Another prediction process serves from {home}.", fix="Stop it first."
                    ) from None
                if (pid := os.pread(lock, _LONGEST, 0)) != told:
                    told = pid
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(int(pid), signal.SIGTERM)
            time.sleep(PAUSE)
        os.ftruncate(lock, 0)
        yield alone
    finally:
        os.close(lock)


def left_alone(home: Path) -> bool:
    """Whether a prediction process answers whose system was killed."""
    try:
        with (home / "serving" / "lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return bool(lock.read())
    except FileNotFoundError:
        pass
    return False


class _Parts(msgspec.Struct, frozen=True):
    """A plan whose models are not read yet."""

    clock: datetime | None
    models: tuple[msgspec.Raw, ...]
    offer: Offer = Offer()


def read_plan(text: bytes | msgspec.Raw, before: Mapping[str, ServedModel]) -> Plan:
    """A plan as it was written. Models that are as `before`, by name, are those, and versions of the same
    signature hold one: thousands may be registered, of which a plan changes few.

    Raises msgspec.DecodeError.
    """
    parts = msgspec.json.decode(text, type=_Parts)
    known: dict[Signature, Signature] = {}
    models = tuple(_read(each, before, known) for each in parts.models)
    return Plan(clock=parts.clock, models=models, offer=parts.offer)


def _read(
    text: msgspec.Raw, before: Mapping[str, ServedModel], known: dict[Signature, Signature]
) -> ServedModel:
    model = msgspec.json.decode(text, type=ServedModel)
    same = before.get(model.name)
    if model == same:
        return same
    for version in same.versions if same else ():
        known.setdefault(version.signature, version.signature)
    shared = (replace(v, signature=known.setdefault(v.signature, v.signature)) for v in model.versions)
    return replace(model, versions=tuple(shared))


class PlanFile:
    """The plan on the disk: the whole old one or the whole new one, whatever happens."""

    def __init__(self, home: Path) -> None:
        self._path = home / "serving" / "plan.json"
        self._clock = home / "serving" / "clock"

    def load(self) -> Plan:
        """The kept plan; one without models where none was kept. Raises Corrupt."""
        try:
            plan = read_plan(self._path.read_bytes(), {})
            return replace(plan, clock=self._later() or plan.clock)
        except FileNotFoundError:
            return Plan(clock=None, models=())
        except msgspec.DecodeError as error:
            raise Corrupt(
                what=f"The plan in {self._path} cannot be read",
                found=str(error),
                fix="Remove the file; the control plane sends the plan again.",
            ) from error

    def save(self, plan: Plan) -> None:
        """Replace the kept plan. Raises StorageFailed, leaving the old one."""
        try:
            _replace(self._path, _written(plan))
            self._clock.unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(what="The serving plan cannot be kept", found=str(error)) from error

    def save_clock(self, clock: datetime) -> None:
        """Keep a virtual time in place of that of the kept plan. Raises StorageFailed.

        Written over what was there and not flushed: it outlives this process, and where the machine went down
        the control plane starts as well, and sends its plan.
        """
        try:
            file = os.open(self._clock, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.pwrite(file, clock.isoformat().ljust(_LONGEST).encode(), 0)
            finally:
                os.close(file)
        except OSError as error:
            raise StorageFailed(
                what="The time of the serving plan cannot be kept", found=str(error)
            ) from error

    def _later(self) -> datetime | None:
        """The virtual time that was kept after the plan, if any was, and is readable."""
        with suppress(FileNotFoundError, ValueError):
            return datetime.fromisoformat(self._clock.read_text(encoding="utf-8").strip())
        return None


def service_key(home: Path) -> str:
    """The secret that the control plane shows to the prediction service, made when it is first asked for."""
    path = home / "serving" / "key"
    if not path.exists():
        _replace(path, [secrets.token_urlsafe(32).encode()], mode=0o600)
    return path.read_text()


class _Life(msgspec.Struct):
    """Whether a process of this home serves, and the contests of its plan in which one was killed."""

    alive: bool = False
    killed: list[str] = []


def killed_in(home: Path, plan: Plan, place: int = 0) -> list[str]:
    """The contests of the plan in which the process of a place was killed: a challenger may have done that.

    From now on this process is one that could be.
    """
    path = _life_of(home, place)
    contests = {each.contest for model in plan.models for each in model.challengers}
    before = _life(path)
    killed = sorted(contests if before.alive else contests & set(before.killed))
    _replace(path, [msgspec.json.encode(_Life(alive=True, killed=killed))])
    return killed


def life_ends(home: Path, place: int = 0) -> None:
    """This process ends as it should."""
    path = _life_of(home, place)
    _replace(path, [msgspec.json.encode(_Life(killed=_life(path).killed))])


def _life_of(home: Path, place: int) -> Path:
    return home / "serving" / f"life-{place}.json"


def _life(path: Path) -> _Life:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Life)
    except (FileNotFoundError, msgspec.DecodeError):
        return _Life()


def _written(plan: Plan) -> Iterator[bytes]:
    """A plan as JSON, model by model: what was needed for all of it together would stay with the process."""
    begin, models, end = msgspec.json.encode(replace(plan, models=())).partition(b"[")
    yield begin + models
    for at, model in enumerate(plan.models):
        yield b"," * (at > 0) + msgspec.json.encode(model)
    yield end


def _replace(path: Path, parts: Iterable[bytes], mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(opened, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
