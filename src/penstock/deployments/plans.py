"""What the prediction service should be serving, read from the placements."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime

from msgspec.structs import replace

from penstock.deployments.environments import Environments
from penstock.deployments.types import ProductionTest, Rollout
from penstock.features.types import Materialization, online_id
from penstock.lineage.ports import Reader
from penstock.models.types import PICKLE, Placement, Version
from penstock.revisions.config import ModelConfig
from penstock.serving.types import Challenger, Offer, Plan, ServedModel, ServedVersion

Where = tuple[str, str]
"""A model and an environment."""
Approved = dict[Where, dict[int, bool]]
_UNSAID = ModelConfig(gate=())


class Plans:
    """Draws up plans. Versions never change, so each is read once."""

    def __init__(
        self,
        environments: Environments,
        virtual_now: Callable[[], datetime | None],
        offered: Callable[[Reader], Offer],
    ) -> None:
        """`virtual_now` tells the virtual time, or None in a home with the real clock; `offered` what may be
        read online without asking a model.
        """
        self._environments = environments
        self._virtual_now = virtual_now
        self._offered = offered
        self._versions: dict[str, Version] = {}

    def version(self, reader: Reader, model: str, number: int) -> Version:
        """A registered version. Raises NotFound."""
        key = f"{model}@{number}"
        if key not in self._versions:
            self._versions[key] = reader.get(Version, key)
        return self._versions[key]

    def resident(self, reader: Reader) -> Iterator[tuple[str, Version]]:
        """The versions that stay loaded, each with its environment."""
        placed, _ = _placed(reader)
        loaded = [(*where, number) for where, those in placed.items() for number in those if those[number]]
        loaded += [(*where, each.number) for where, those in _rivals(reader).items() for each in those]
        for model, environment, number in loaded:
            yield environment, self.version(reader, model, number)

    def desired(self, reader: Reader, trial: tuple[str, Version] | None = None) -> Plan:
        """Every approved version where it was approved; champion, previous one and challengers stay loaded.

        The environment nearest to the end of the project's path comes first and leads the model's
        URL. `trial` is an environment and a candidate to be loaded beside what is there.
        """
        placed, champions = _placed(reader)
        rivals = _rivals(reader)
        for where, contests in rivals.items():
            placed[where] |= {each.number: True for each in contests}
        if trial:
            environment, candidate = trial
            placed.setdefault((candidate.model, environment), {})[candidate.number] = True
        order = self._environments.order(reader)
        online = {state.id for state in reader.find(Materialization) if state.as_of}
        said = {
            (model, held.deployment.environment): told
            for held in self._environments.held(reader)
            for model, told in held.config.models.items()
        }
        loaded = {
            (model, environment): tuple(
                served(self.version(reader, model, number), environment, online, resident=resident)
                for number, resident in sorted(versions.items())
            )
            for (model, environment), versions in placed.items()
        }
        return Plan(
            clock=self._virtual_now(),
            offer=self._offered(reader),
            models=tuple(
                ServedModel(
                    name=model,
                    environment=environment,
                    champion=champions.get((model, environment), 0),
                    versions=versions,
                    challengers=tuple(_challenger(each) for each in rivals.get((model, environment), ())),
                    key=next((each.key for each in rivals.get((model, environment), ()) if each.key), ""),
                    redact=_redacted(said.get((model, environment), _UNSAID), versions),
                    log_share=said.get((model, environment), _UNSAID).log_share,
                )
                for (model, environment), versions in sorted(
                    loaded.items(), key=lambda item: (item[0][0], -order.get(item[0][1], 0), item[0][1])
                )
            ),
        )


def _placed(reader: Reader) -> tuple[Approved, dict[Where, int]]:
    """Which versions are approved where, and whether they stay loaded; and the champions."""
    placed: Approved = {}
    champions: dict[Where, int] = {}
    for placement in reader.find(Placement, role=("champion", "previous", "retired")):
        where = (placement.model, placement.environment)
        placed.setdefault(where, {})[placement.number] = placement.role != "retired"
        if placement.role == "champion":
            champions[where] = placement.number
    return placed, champions


def _rivals(reader: Reader) -> dict[Where, list[Rollout | ProductionTest]]:
    """The contests that champions are in."""
    rivals: dict[Where, list[Rollout | ProductionTest]] = {}
    contests: list[Rollout | ProductionTest] = [*reader.find(Rollout, status=("running", "paused"))]
    contests += reader.find(ProductionTest, status="running")
    for each in contests:
        rivals.setdefault((each.model, each.environment), []).append(each)
    return rivals


def _redacted(said: ModelConfig, versions: Iterable[ServedVersion]) -> tuple[str, ...]:
    """What the prediction log leaves out: what is declared, and what tells of people."""
    personal = {name for version in versions for name in version.personal}
    return (*said.redact, *sorted(personal.difference(said.redact)))


def _challenger(each: Rollout | ProductionTest) -> Challenger:
    return Challenger(
        contest=each.contest,
        number=each.number,
        share=each.share,
        variant="shadow" if isinstance(each, ProductionTest) and each.kind == "shadow" else "challenger",
    )


def served(
    version: Version, environment: str = "", online: Collection[str] = (), *, resident: bool = True
) -> ServedVersion:
    """A version as the prediction service of an environment is told of it; `online` are the ids of the
    feature views whose values are there to be read.
    """
    origins = version.origins
    views = [
        replace(view, id=online_id(version.project, environment, view.name, view.version))
        for view in origins.views
    ]
    return ServedVersion(
        number=version.number,
        artifact=version.artifact,
        format=version.format,
        personal=tuple(sorted(origins.personal)),
        signature=version.signature,
        examples=version.examples,
        resident=resident,
        runtime=version.runtime,
        code=version.metadata.get("code", "") if version.format == PICKLE else "",
        origins=replace(origins, views=tuple(view for view in views if view.id in online)),
        expected=version.training.get("expectations", {}).get("columns", {}),
    )
