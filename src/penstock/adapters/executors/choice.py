"""Where steps run, as a person says it: `inline`, `local`, `ray` or `ray://ADDRESS`."""

from __future__ import annotations

from pathlib import Path

from penstock.adapters.executors.machine import machine_room
from penstock.adapters.executors.pool import WorkerPool
from penstock.adapters.isolation.program import Isolation
from penstock.core.errors import InvalidValue, Unavailable
from penstock.runs.ports import Executor
from penstock.runs.room import Room

RAY = "ray"
WORKER, MOST_MEMORY = 2**28, 2**38
"""Bytes that a worker is reckoned to take; as many may be there as memory holds, the rest is up to steps."""


def open_executor(
    on: str, *, logs: Path, blobs: Path, room: Room | None = None, isolation: Isolation | None = None
) -> Executor:
    """The executor that is meant; `room` is what steps on this machine may need together, by default
    all that it has; `isolation` is how workers here are kept from the home.

    Raises InvalidValue for what names none, and Unavailable where Ray is not installed or does not answer.
    """
    kind, _, address = on.partition("://")
    if kind == RAY and on in {RAY, f"{RAY}://{address}"} and (address or on == RAY):
        if room:
            raise InvalidValue(
                what="How much steps may need on a cluster is said to Ray",
                expected="no --cpus, --gpus or --memory",
                found=f"them with --on {on}",
                fix="Say it where the machine joins: ray start --num-cpus N.",
            )
        if isolation and isolation.shuts:
            raise InvalidValue(
                what="Steps on a cluster are not isolated by Penstock",
                expected="--on local together with --isolation",
                found=f"--on {on}",
                fix="Isolate the nodes of the cluster themselves, and leave --isolation out.",
            )
        return _ray(address, logs, blobs)
    match on:
        case "local":
            room = room or machine_room()
            most = max(2, int(min(room.memory, MOST_MEMORY) // WORKER))
            return WorkerPool(size=most, logs=logs, blobs=blobs, room=room, isolation=isolation)
        case "inline":
            from penstock.adapters.blobs.folder import FolderBlobs
            from penstock.adapters.executors.inline import InlineExecutor  # and all formats of values

            return InlineExecutor(logs=logs, blobs=FolderBlobs(blobs), room=room or machine_room())
    raise InvalidValue(
        what="Steps cannot run there", expected="inline, local, ray or ray://HOST:PORT", found=repr(on)
    )


def _ray(address: str, logs: Path, blobs: Path) -> Executor:
    try:
        from penstock.adapters.executors.ray.executor import RayExecutor
    except ModuleNotFoundError as error:
        if error.name != RAY:
            raise
        raise Unavailable(
            what="To run steps on Ray it must be installed", fix="pip install 'penstock[ray]'"
        ) from error
    return RayExecutor(address, logs=logs, blobs=blobs)
