"""Pure: the model card of a version, made of what is on record of it.

Source: M. Mitchell et al., Model cards for model reporting (FAT* 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from penstock.checks.calibration import Bin, calibration_error
from penstock.datasets.types import Column, ColumnProfile, Prior
from penstock.models.types import Entry, RoleChange

EXAMPLES = 3
"""Recorded requests that a card shows."""
Told = Mapping[str, Any]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which version it is, where it is kept and where it serves; `roles` are by environment."""

    id: str
    model: str
    number: int
    project: str
    environment: str
    added: datetime
    stage: str
    roles: dict[str, str]
    format: str
    artifact: str
    location: str
    size: int
    tags: dict[str, str]
    protected: str


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What it is for, as `penstock.toml` said when it was made."""

    intended_use: str
    risk: str
    owners: tuple[str, ...]
    expires: datetime | None


class Governance(msgspec.Struct, frozen=True, kw_only=True):
    """Who made it from what; of a model made elsewhere where that was, and what was said of it; of a pickle
    why it may be one.
    """

    actor: str
    author: str
    approvals: tuple[str, ...]
    commit: str
    release: str
    run: str
    imported: dict[str, str] = {}
    unsafe_pickle: str = ""


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What it was trained on. `features` are the digests of feature views, `labels` what was to be learnt."""

    as_of: str
    rows: int | None
    label: str
    labels: Prior
    snapshots: tuple[dict[str, Any], ...]
    features: dict[str, str]
    parameters: dict[str, Any]


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A metric: as the run recorded it, on the holdout with its 95 % interval, what a constant scores there,
    and the gain over the champion with its interval. None is what nobody measured.
    """

    metric: str
    recorded: float | None = None
    holdout: float | None = None
    low: float | None = None
    high: float | None = None
    constant: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A model card. What there is no record of is empty.

    `measured_on` are rows of the holdout; `worst` are slices that are answered worse than the rest by more
    than chance, and `slices` all that were measured; `runtime` is what it answered as champion, `windows` its
    days as that, and `service` what the prediction process that runs now has measured.
    """

    identity: Identity
    use: Use
    governance: Governance
    training: Training
    task: str
    classes: tuple[str, ...]
    inputs: tuple[Column, ...]
    profile: tuple[ColumnProfile, ...]
    scores: tuple[Score, ...]
    measured_on: int
    worst: tuple[dict[str, Any], ...]
    slices: tuple[dict[str, Any], ...]
    reliability: tuple[Bin, ...]
    calibration_error: float | None
    verdicts: tuple[dict[str, Any], ...]
    sign_offs: tuple[dict[str, Any], ...]
    waivers: tuple[dict[str, Any], ...]
    runtime: dict[str, Any]
    windows: tuple[dict[str, Any], ...]
    service: dict[str, Any]
    examples: tuple[dict[str, Any], ...]
    history: tuple[RoleChange, ...]
    parity: dict[str, Any]
    dependencies: dict[str, str]


def card_of(
    entry: Entry,
    *,
    tags: Mapping[str, str] | None = None,
    protected: str = "",
    gates: Sequence[Told] = (),
    sign_offs: Sequence[Told] = (),
    waivers: Sequence[Told] = (),
    runtime: Told | None = None,
    windows: Sequence[Told] = (),
    service: Told | None = None,
    examples: Sequence[Told] = (),
    history: Sequence[RoleChange] = (),
) -> Card:
    """The card of a version.

    What rooms above know comes as their nouns in plain values: `gates` the reports on this version, the
    newest first, `windows` of it as champion in any order, `history` the model's, of which its own lines
    are taken.
    """
    version = entry.version
    said, training = version.governance, version.training
    quality: Told = next((gate["quality"] for gate in gates if gate["quality"]), {})
    bins = msgspec.convert(quality.get("reliability", ()), tuple[Bin, ...])
    return Card(
        identity=Identity(
            id=version.id,
            model=version.model,
            number=version.number,
            project=version.project,
            environment=version.environment,
            added=version.added,
            stage=entry.stage,
            roles={placement.environment: placement.role for placement in entry.placements},
            format=version.format,
            artifact=version.artifact,
            location=version.location,
            size=version.size,
            tags=dict(tags or {}),
            protected=protected,
        ),
        use=Use(
            intended_use=said.get("intended_use", ""),
            risk=said.get("risk", ""),
            owners=tuple(said.get("owners", ())),
            expires=version.expires,
        ),
        governance=Governance(
            run=version.run,
            approvals=tuple(said.get("approvals", ())),
            imported=said.get("imported", {}),
            **{
                name: said.get(name, "") for name in ("actor", "author", "commit", "release", "unsafe_pickle")
            },
        ),
        training=Training(
            as_of=training.get("as_of", ""),
            rows=training.get("rows"),
            label=version.label,
            labels=version.prior,
            snapshots=tuple(map(_snapshot, training.get("snapshots", ()))),
            features=training.get("features", {}),
            parameters=version.metadata.get("params", {}),
        ),
        task=version.signature.task,
        classes=version.signature.classes,
        inputs=version.signature.inputs,
        profile=version.profile.columns,
        scores=_scores(version.metrics, quality),
        measured_on=quality.get("rows", 0),
        worst=tuple(map(dict, quality.get("worst", ()))),
        slices=tuple(map(dict, quality.get("slices", ()))),
        reliability=bins,
        calibration_error=calibration_error(bins) if bins else None,
        verdicts=tuple(_verdict(gate, each) for gate in gates for each in gate["verdicts"]),
        sign_offs=tuple(map(dict, sign_offs)),
        waivers=tuple(map(dict, waivers)),
        runtime=dict(runtime or {}),
        windows=tuple(sorted(map(dict, windows), key=lambda each: (each["environment"], each["start"]))),
        service=dict(service or {}),
        examples=tuple(map(dict, examples[:EXAMPLES])),
        history=tuple(change for change in history if change.number == version.number),
        parity=version.parity,
        dependencies=version.dependencies,
    )


def _scores(recorded: Mapping[str, float], quality: Told) -> tuple[Score, ...]:
    holdout, gains = quality.get("metrics", {}), quality.get("gains", {})
    constant = quality.get("baseline", {})
    found = []
    for name in dict.fromkeys((*recorded, *holdout)):
        here, gain = holdout.get(name, {}), gains.get(name, {})
        found.append(
            Score(
                metric=name,
                recorded=recorded.get(name),
                holdout=here.get("value"),
                low=here.get("low"),
                high=here.get("high"),
                constant=constant.get(name),
                gain=gain.get("gain"),
                gain_low=gain.get("low"),
                gain_high=gain.get("high"),
            )
        )
    return tuple(found)


def _snapshot(snapshot: Told) -> dict[str, Any]:
    names = ("source", "rows", "quarantined", "first", "last", "as_of", "digest")
    return {name: snapshot.get(name) for name in names}


def _verdict(gate: Told, verdict: Told) -> dict[str, Any]:
    names = ("check", "passed", "waived", "why")
    return {
        "environment": gate["environment"],
        "time": gate["time"],
        **{name: verdict[name] for name in names},
    }
