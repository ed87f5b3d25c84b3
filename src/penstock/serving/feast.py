"""Features read online by their names, asked and told as Feast's feature server has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from penstock.core.errors import InvalidRequest, NotFound
from penstock.core.words import meant
from penstock.features.named import named_view
from penstock.features.ports import OnlineStore
from penstock.features.reading import Found, Together, Wanted, read_online, together
from penstock.features.types import OnlineView, Origins
from penstock.serving.assignment import served_model, served_version
from penstock.serving.columns import not_json
from penstock.serving.lookups import Compute, add_computed
from penstock.serving.types import OfferedView, Plan, ServedModel, ServedVersion

NEVER = "1970-01-01T00:00:00Z"
"""When what is not there happened, in the words of Feast."""
MOST_KEPT = 1024
"""Questions of which is kept how they are answered."""


class AskedFeatures(msgspec.Struct, forbid_unknown_fields=True):
    """A request for features `view:feature`, or those that a model reads (`feature_service`; of these the
    features alone where both are said), of entities that are given column by column. Views are those of a
    `project` and an `environment`, empty for any.
    """

    entities: dict[str, Any] | None = None
    features: tuple[str, ...] | None = None
    feature_service: str | None = None
    full_feature_names: bool | None = None
    include_feature_view_version_metadata: bool | None = None
    environment: str = ""
    project: str = ""


class _Names(msgspec.Struct):
    feature_names: list[str]


class Told(msgspec.Struct, gc=False):
    """A column of an answer."""

    values: list[Any]
    statuses: Sequence[str]
    event_timestamps: list[str]


class ToldFeatures(msgspec.Struct):
    """The answer: the columns of the entity as they were given, then a column for each feature."""

    metadata: _Names
    results: list[Told]


class _Way(NamedTuple):
    """How a question is answered: what is read, as what it is told, and what is computed of it."""

    wanted: list[Together]
    names: list[str]
    origins: Origins


_decode = msgspec.json.Decoder(AskedFeatures).decode


class OfferedFeatures:
    """Answers for a plan; how a question is answered is found out once."""

    def __init__(self, plan: Plan, online: OnlineStore, compute: Compute) -> None:
        self._plan = plan
        self._online = online
        self._compute = compute
        self._ways: dict[tuple[Any, ...], _Way] = {}

    def told_at_once(self, asked: AskedFeatures, most: int, now: datetime) -> ToldFeatures | None:
        """What `told` says if that takes microseconds: of at most so many entities, from a store at hand,
        nothing computed. Raises as `told`.
        """
        way = self._way(asked)
        if way.origins.computed or not self._online.at_hand():
            return None
        for values in (asked.entities or {}).values():
            if not isinstance(values, list) or len(values) > most:
                return None
        return self._told(way, asked, now)

    def told(self, asked: AskedFeatures, now: datetime) -> ToldFeatures:
        """The values at a moment, with what became of each and when it happened.

        Raises InvalidValue for entities and features that do not fit, NotFound for a view or a model that is
        not there or has no values yet, and Unavailable where the online store does not answer.
        """
        return self._told(self._way(asked), asked, now)

    def _told(self, way: _Way, asked: AskedFeatures, now: datetime) -> ToldFeatures:
        given = _listed(asked.entities or {})
        found = read_online(self._online, way.wanted, given, now)
        rows = len(next(iter(given.values())))
        results = [Told(values, ["PRESENT"] * rows, [NEVER] * rows) for values in given.values()]
        events, times = None, list[str]()
        for each in found:
            if each.events is not events:
                events = each.events
                times = [NEVER if event is None else _written(event) for event in events]
            results.append(Told(each.values, each.statuses, times))
        names = [*given, *way.names]
        if way.origins.computed:
            for name, values in self._computed(way, given, found, rows).items():
                statuses = ["NULL_VALUE" if value is None else "PRESENT" for value in values]
                results.append(Told(values, statuses, [NEVER] * rows))
                names.append(name)
        return ToldFeatures(_Names(names), results)

    def _computed(
        self, way: _Way, given: Mapping[str, Sequence[Any]], found: Sequence[Found], rows: int
    ) -> dict[str, list[Any]]:
        """The computed features that were not given."""
        wanted = [each.name for each in way.origins.computed if each.name not in given]
        if not wanted:
            return {}
        read = {
            name: found[place].values
            for each in way.wanted
            for name, place in zip(each.features, each.places, strict=True)
        }
        known = {**read, **given}
        if lacking := [column.name for column in way.origins.made_of if column.name not in known]:
            raise InvalidRequest(
                what=f"{' and '.join(wanted)} cannot be computed",
                expected=f"{', '.join(lacking)} among the entities",
                found=", ".join(given),
            )
        table = [dict(zip(known, row, strict=True)) for row in zip(*known.values(), strict=True)]
        add_computed(table, way.origins, self._compute)
        return {name: [table[at][name] for at in range(rows)] for name in wanted}

    def _way(self, asked: AskedFeatures) -> _Way:
        key = (
            asked.features,
            asked.feature_service,
            asked.full_feature_names,
            asked.environment,
            asked.project,
        )
        way = self._ways.get(key)
        if way is None:
            way = self._found(asked)
            if len(self._ways) >= MOST_KEPT:
                self._ways.clear()
            self._ways[key] = way
        return way

    def _found(self, asked: AskedFeatures) -> _Way:
        views = [
            each
            for each in self._plan.offer.views
            if asked.project in {"", each.project} and asked.environment in {"", each.environment}
        ]
        origins = Origins()
        if asked.feature_service:
            wanted, origins = self._read_by(asked.feature_service, views, asked.features)
            if asked.features:
                wanted, origins = _among(wanted, asked.features, asked.feature_service), Origins()
        elif asked.features:
            wanted = [
                Wanted(_view(view, views, asked.environment), feature)
                for view, feature in map(_split, asked.features)
            ]
        else:
            raise InvalidRequest(
                expected="features such as weather:wind, or a feature_service", found="none of them"
            )
        names = [f"{w.view.name}__{w.feature}" if asked.full_feature_names else w.feature for w in wanted]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidRequest(
                what="Several views have features of one name",
                found=", ".join(twice),
                fix="Ask with full_feature_names.",
            )
        return _Way(together(wanted), names, origins)

    def _reader(self, service: str) -> tuple[ServedModel, ServedVersion]:
        """The model that is meant, where it leads if it serves in several environments, and the version:
        its champion, or the one of `MODEL@N`.
        """
        name, _, text = service.rpartition("@") if "@" in service else (service, "", "")
        models = [model for model in self._plan.models if model.name == name]
        if not models:
            served_model({model.name: model for model in self._plan.models}, name)
        if not text:
            if not models[0].champion:
                raise NotFound(
                    what=f"{name} has no champion that reads features.", fix="Ask by view:feature."
                )
            return models[0], served_version(models[0], models[0].champion)
        if not text.isdecimal():
            raise InvalidRequest(expected="a model, or a version such as delay@3", found=repr(service))
        has_it = (each for each in models if int(text) in {version.number for version in each.versions})
        model = next(has_it, models[0])
        return model, served_version(model, int(text))

    def _read_by(
        self, service: str, views: Sequence[OfferedView], features: Sequence[str] | None
    ) -> tuple[list[Wanted], Origins]:
        """What a version of a model reads, in the versions of views that it was trained on; those of the
        `features` are to have values, or all.
        """
        model, version = self._reader(service)
        reader = f"{model.name}@{version.number}"
        read = {view.id: view for view in version.origins.views}
        its = [
            each
            for each in views
            if reader in each.readers and (each.view.id in read or each.environment == model.environment)
        ]
        if not its:
            raise InvalidRequest(
                what=f"{reader} reads no feature views that may be asked for here",
                found=f"{model.environment} is where it answers",
                fix="Give its features themselves, or ask by view:feature.",
            )
        named = {name.partition(":")[0] for name in features or ()}
        for each in its:
            if not named or each.view.name in named:
                _require_values(each)
        wanted = [
            Wanted(each.view, feature)
            for each in its
            if each.view.id in read
            for feature in read[each.view.id].features
        ]
        return wanted, version.origins


def _among(wanted: Sequence[Wanted], features: Sequence[str], service: str) -> list[Wanted]:
    """Those of what a model reads that are asked for, in their order. Raises InvalidRequest for another."""
    known = {f"{each.view.name}:{each.feature}": each for each in wanted}
    if unknown := [name for name in features if name not in known]:
        raise InvalidRequest(
            what=f"{service} reads no {unknown[0]} online",
            expected=", ".join(known),
            fix=meant(unknown[0], known),
        )
    return [known[name] for name in features]


def read_asked(body: bytes) -> AskedFeatures:
    """The body of a request. Raises InvalidRequest."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        expected = '{"features": ["view:feature", …], "entities": {"column": […]}}'
        raise not_json(body, error, "This does not ask for features", expected) from None


def _split(name: str) -> tuple[str, str]:
    view, colon, feature = name.partition(":")
    if not (view and colon and feature):
        raise InvalidRequest(expected="a feature written as view:feature", found=repr(name))
    return view, feature


def _view(name: str, views: Sequence[OfferedView], environment: str) -> OnlineView:
    """The view that is meant, whose values are there. Raises NotFound."""
    found = named_view(name, views, environment)
    _require_values(found)
    return found.view


def _require_values(offered: OfferedView) -> None:
    if not offered.view.id:
        name, environment = offered.view.name, offered.environment
        raise NotFound(
            what=f"{name} has no online values in {environment} yet.",
            fix=f"penstock features materialize {name} --in {environment}",
        )


def _listed(entities: dict[str, Any]) -> dict[str, list[Any]]:
    for name, values in entities.items():
        if not isinstance(values, list):
            raise InvalidRequest(expected=f"a list of values of {name}", found=type(values).__name__)
    return entities


def _written(event: datetime) -> str:
    return f"{event.isoformat()[:19]}Z"  # all are in UTC
