"""The table of loaded models. It changes as a whole: a request sees the old one or the new one."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.isolation.program import Isolation
from penstock.adapters.predictor.kept import PlanFile
from penstock.adapters.predictor.native import ChildRuntime
from penstock.adapters.predictor.runtimes import open_runtime
from penstock.core.errors import Busy, Corrupt, InvalidValue, PenstockError, Unavailable
from penstock.features.ports import OnlineStore
from penstock.features.types import Origins
from penstock.models.types import APART
from penstock.serving.answers import Examples, disagreement, gains_together
from penstock.serving.assignment import assign, require_shares, served_model, served_version
from penstock.serving.columns import Question
from penstock.serving.feast import OfferedFeatures
from penstock.serving.lookups import Keyed, filled
from penstock.serving.outside import Outside
from penstock.serving.pen import Pen
from penstock.serving.ports import Runtime
from penstock.serving.types import Loaded, Plan, ServedModel, ServedVersion

ON_DEMAND = 8
"""Versions that stay loaded although they are only asked for by number now and then."""
NONE, ALL = 0, 100
"""Percent of the answers that the log keeps where it keeps none or every one."""
FEW = 50
"""Entities that are read at once, where the store is at hand; for more a thread is taken."""
Place = tuple[str, int]
"""A model's name and a version's number."""


class Live(msgspec.Struct, frozen=True):
    """A loaded version. `together` says that questions of one moment are better asked at once, `apart` that
    another process answers, for which nobody else should have to wait. `redact` and `log_share` are its
    model's; `outside` tells of values that nobody expects.
    """

    model: str
    environment: str
    served: ServedVersion
    runtime: Runtime
    together: bool = False
    apart: bool = False
    redact: tuple[str, ...] = ()
    log_share: int = 100
    outside: Outside | None = None


class State(msgspec.Struct, frozen=True):
    """Everything that a request needs to know, never changed once it is in place.

    `plan` is the plan as it is followed: a champion that could not be loaded is still the one before. `alone`
    are the champions that answer every request to their model, `pens` write the answers of those that are
    all logged, or none. `online` holds the features of entities, and `offered` tells them by their names.
    What is `coming` is still to be loaded; until a challenger is, its model answers as if it had none.
    """

    plan: Plan
    models: dict[str, ServedModel]
    live: dict[Place, Live]
    errors: dict[Place, str]
    alone: dict[str, Live]
    pens: dict[str, Pen]
    online: OnlineStore
    offered: OfferedFeatures
    coming: tuple[Place, ...] = ()

    def at_hand(self, read: Keyed) -> bool:
        """Whether `filled` takes microseconds, so that others may wait for it."""
        return len(read.rows) <= FEW and not read.served.origins.computed and self.online.at_hand()

    def filled(self, read: Question | Keyed) -> Question:
        """The question, with what stands online where rows lack it. Raises InvalidRequest."""
        return read if isinstance(read, Question) else filled(read, self.online, self.now(), _compute)

    def now(self) -> datetime:
        """The time of a prediction: the plan's where time is virtual."""
        return self.plan.clock or datetime.now(UTC)

    def ready(self, model: ServedModel) -> bool:
        """Whether the model's champion answers."""
        return (model.name, model.champion) in self.live

    def loaded(self) -> list[Loaded]:
        """What became of every version of the plan."""
        return [
            Loaded(
                model=model.name,
                number=version.number,
                ready=(model.name, version.number) in self.live,
                champion=version.number == model.champion,
                error=self.errors.get((model.name, version.number), ""),
            )
            for model in self.models.values()
            for version in model.versions
        ]


class Prepared(msgspec.Struct, frozen=True):
    """A plan as it can be followed, and what is loaded for it."""

    plan: Plan
    loaded: list[Loaded]


class Table:
    """Follows plans. `state` is read by requests at any time; changes are made by one thread at a time."""

    def __init__(
        self, blobs: FolderBlobs, kept: PlanFile, online: OnlineStore, isolation: Isolation | None = None
    ) -> None:
        """See `open_runtime` for the `isolation`."""
        self._isolation = isolation
        self._blobs = blobs
        self._kept = kept
        self._online = online
        self._changing = threading.Lock()
        self._next: State | None = None
        self.state = self._state(Plan(clock=None, models=()), {}, {}, {})

    def resume(self) -> None:
        """Follow the plan that was kept, but for versions that other processes answer, whose start takes
        seconds: `catch_up` loads them. Raises Corrupt when it cannot be read.
        """
        with self._changing:
            self.state = self._follow(self._kept.load(), begin=True)

    def catch_up(self) -> None:
        """Load what `resume` left, champions first; each answers once it is there. Nothing else changes
        before all are.
        """
        with self._changing:
            self._catch_up()

    def loaded(self) -> list[Loaded]:
        """What became of every version of the plan, once none is `coming` any more."""
        if self.state.coming:
            self.catch_up()
        return self.state.loaded()

    def prepare(self, plan: Plan) -> Prepared:
        """Load what is new of a plan beside what is live, where it waits for `flip`."""
        with self._changing:
            self._catch_up()
            self._next = self._follow(plan)
            return Prepared(self._next.plan, self._next.loaded())

    def keep(self, plan: Plan) -> None:
        """Keep a plan that is to be followed from now on, also after a restart; of one that is as before but
        for its time only that, since a year under a virtual clock has thousands. Raises StorageFailed.
        """
        before = self.state.plan
        if plan == before:
            return
        if plan.clock and plan == msgspec.structs.replace(before, clock=plan.clock):
            self._kept.save_clock(plan.clock)
        else:
            self._kept.save(plan)

    def flip(self, plan: Plan) -> bool:
        """Follow the plan that was prepared; False where it was not, and is not followed yet."""
        with self._changing:
            self._catch_up()
            if self._next is not None and self._next.plan == plan:
                self.state, self._next = self._next, None
            return self.state.plan == plan

    def find(self, name: str, number: int) -> tuple[Live | None, str]:
        """The loaded version that answers and its variant; None for one that is to be loaded first.

        Raises NotFound, Unavailable when the version could not be loaded, and Busy for a model whose champion
        is still to come; who asks for a version by its number waits for it.
        """
        state = self.state
        chosen, variant = assign(served_model(state.models, name), number)
        live = state.live.get((name, chosen))
        if live is None and (error := state.errors.get((name, chosen))):
            raise Unavailable(what=f"Version {chosen} of {name!r} cannot be loaded", found=error)
        if not number and (name, chosen) in state.coming:
            raise Busy(
                what=f"Version {chosen} of {name!r} is being loaded", fix="Ask again in a second.", seconds=1
            )
        return live, variant

    def load_now(self, name: str, number: int) -> Live:
        """Load an approved version that is not resident. Raises NotFound or Unavailable."""
        with self._changing:
            self._catch_up()
            live, _ = self.find(name, number)
            if live is None:
                model = served_model(self.state.models, name)
                version = served_version(model, number)
                place = (name, number)
                try:
                    live = self._load(model, version)
                except PenstockError as error:
                    raise Unavailable(
                        what=f"Version {number} of {name!r} cannot be loaded", found=str(error)
                    ) from error
                loaded = _few_on_demand({**self.state.live, place: live}, self.state.models)
                state = self.state
                self.state = self._state(state.plan, state.models, loaded, state.errors)
            return live

    def _follow(self, plan: Plan, *, begin: bool = False) -> State:
        """The state that the plan asks for, as far as its versions load; at the `begin` without those that
        other processes answer.
        """
        coming: list[Place] = []
        live: dict[Place, Live] = {}
        errors: dict[Place, str] = {}
        models: dict[str, ServedModel] = {}
        for wanted in plan.models:
            for version in wanted.versions:
                place = (wanted.name, version.number)
                before = self.state.live.get(place)
                if before and before.served.artifact == version.artifact:
                    now = msgspec.structs.replace(
                        before,
                        environment=wanted.environment,
                        served=version,
                        redact=wanted.redact,
                        log_share=wanted.log_share,
                    )
                    live[place] = before if now == before else now
                elif begin and version.format in APART and _is_kept(wanted, version):
                    coming.insert(0 if version.number == wanted.champion else len(coming), place)
                elif _is_kept(wanted, version):
                    try:
                        live[place] = self._load(wanted, version)
                    except PenstockError as error:
                        errors[place] = str(error)
            model = self._with_a_champion(wanted, live)
            models[model.name] = _merged(models.get(model.name), model)
        followed = msgspec.structs.replace(plan, models=tuple(models.values()))
        return self._state(followed, models, _few_on_demand(live, models), errors, tuple(coming))

    def _catch_up(self) -> None:
        while self.state.coming:
            state, ((name, number), *rest) = self.state, self.state.coming
            models = {model.name: model for model in state.plan.models}
            live, errors = dict(state.live), dict(state.errors)
            try:
                live[name, number] = self._load(models[name], served_version(models[name], number))
            except PenstockError as error:
                errors[name, number] = str(error)
            self.state = self._state(state.plan, models, live, errors, tuple(rest))

    def _state(
        self,
        plan: Plan,
        models: dict[str, ServedModel],
        live: dict[Place, Live],
        errors: dict[Place, str],
        coming: tuple[Place, ...] = (),
    ) -> State:
        models = {name: _without(coming, model) for name, model in models.items()} if coming else models
        alone = {
            name: live[name, model.champion]
            for name, model in models.items()
            if not model.challengers and (name, model.champion) in live
        }
        pens = {
            name: self._pen(name, each)
            for name, each in alone.items()
            if not NONE < each.log_share < ALL and not each.apart
        }
        offered = OfferedFeatures(plan, self._online, _compute)
        return State(plan, models, live, errors, alone, pens, self._online, offered, coming)

    def _pen(self, name: str, champion: Live) -> Pen:
        """The pen of a champion, the one before where it goes on."""
        if self.state.alone.get(name) is champion:
            return self.state.pens[name]
        return Pen(
            champion.served.signature,
            champion.redact,
            place=(name, champion.served.number, "champion", champion.environment),
            logged=champion.log_share >= ALL,
        )

    def _with_a_champion(self, wanted: ServedModel, live: dict[Place, Live]) -> ServedModel:
        """The model, led by the champion before where the wanted one does not load."""
        before = self.state.models.get(wanted.name)
        place = (wanted.name, before.champion if before else 0)
        if not wanted.champion or (wanted.name, wanted.champion) in live or place not in self.state.live:
            return wanted
        live[place] = self.state.live[place]
        others = tuple(v for v in wanted.versions if v.number != place[1])
        return msgspec.structs.replace(wanted, champion=place[1], versions=(*others, live[place].served))

    def _load(self, model: ServedModel, version: ServedVersion) -> Live:
        """Load, warm and check a version with its recorded examples. Raises PenstockError."""
        if version.origins.computed:
            import penstock.features.computed  # noqa: F401 - now, so that no request waits for Polars
        runtime = open_runtime(version, self._blobs, self._isolation)
        try:
            examples = self._examples(version)
            wrong = disagreement(runtime, examples, version.signature)
            apart = isinstance(runtime, ChildRuntime)
            together = not wrong and not apart and gains_together(runtime, examples)
        except (KeyError, ValueError, RuntimeError) as error:
            raise Corrupt(what="The recorded examples cannot be asked", found=str(error)) from error
        if wrong:
            raise Corrupt(what=wrong)
        outside = Outside(version.expected) if version.expected else None
        return Live(
            model.name,
            model.environment,
            version,
            runtime,
            together,
            apart,
            model.redact,
            model.log_share,
            outside,
        )

    def background(self, live: Live) -> dict[str, list[Any]]:
        """The inputs of a version's recorded examples, read when they are asked for: few versions are ever
        explained. Raises NotFound or Corrupt.
        """
        return self._examples(live.served).inputs

    def _examples(self, version: ServedVersion) -> Examples:
        try:
            return msgspec.json.decode(self._blobs.get(version.examples), type=Examples)
        except msgspec.DecodeError as error:
            raise Corrupt(what="The recorded examples cannot be read", found=str(error)) from error


def _compute(
    columns: Mapping[str, Sequence[Any]], rows: int, origins: Origins
) -> Mapping[str, Sequence[Any]]:
    from penstock.features.computed import compute_values  # with Polars, which few versions need

    return compute_values(columns, rows, origins)


def require_sense(plan: Plan) -> None:
    """Raises InvalidValue or NotFound for a plan that contradicts itself."""
    for model in plan.models:
        if model.champion:
            served_version(model, model.champion)
        require_shares(model)
        numbers = [version.number for version in model.versions]
        if min(numbers, default=1) < 1 or len(set(numbers)) < len(numbers):
            raise InvalidValue(
                what=f"The plan for {model.name!r} cannot be followed",
                expected="different version numbers from 1",
                found=str(numbers),
            )


def _is_kept(model: ServedModel, version: ServedVersion) -> bool:
    """Whether a version stays loaded without being asked for."""
    return version.resident or version.number == model.champion


def _without(coming: Sequence[Place], model: ServedModel) -> ServedModel:
    """A model without the challengers that are still coming: no contest counts that they do not answer."""
    there = tuple(each for each in model.challengers if (model.name, each.number) not in coming)
    return model if there == model.challengers else msgspec.structs.replace(model, challengers=there)


def _few_on_demand(live: dict[Place, Live], models: dict[str, ServedModel]) -> dict[Place, Live]:
    """The loaded versions without the oldest of those that the plan does not want resident."""
    spare = [place for place, version in live.items() if not _is_kept(models[place[0]], version.served)]
    dropped = set(spare[:-ON_DEMAND])
    return {place: version for place, version in live.items() if place not in dropped}


def _merged(first: ServedModel | None, model: ServedModel) -> ServedModel:
    """A model that serves in several environments: the first leads, every version can be asked for."""
    if first is None:
        return model
    known = {version.number for version in first.versions}
    more = tuple(version for version in model.versions if version.number not in known)
    return msgspec.structs.replace(first, versions=first.versions + more)
