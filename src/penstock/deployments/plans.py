"""What the prediction service should be serving, read from the placements."""

from __future__ import annotations

from datetime import datetime

from penstock.lineage.ports import Reader
from penstock.models.types import Placement, Version
from penstock.serving.types import Plan, ServedModel, ServedVersion


class Plans:
    """Draws up plans. Versions never change, so each is read once."""

    def __init__(self) -> None:
        self._versions: dict[str, Version] = {}

    def version(self, reader: Reader, model: str, number: int) -> Version:
        """A registered version. Raises NotFound."""
        key = f"{model}@{number}"
        if key not in self._versions:
            self._versions[key] = reader.get(Version, key)
        return self._versions[key]

    def desired(
        self, reader: Reader, clock: datetime | None, trial: tuple[str, Version] | None = None
    ) -> Plan:
        """Every approved version where it was approved; champion and previous one are kept loaded.

        `trial` is an environment and a candidate to be loaded beside them.
        """
        placed: dict[tuple[str, str], dict[int, bool]] = {}
        champions: dict[tuple[str, str], int] = {}
        for placement in reader.find(Placement, role=("champion", "previous", "retired")):
            where = (placement.environment, placement.model)
            placed.setdefault(where, {})[placement.number] = placement.role != "retired"
            if placement.role == "champion":
                champions[where] = placement.number
        if trial:
            environment, candidate = trial
            placed.setdefault((environment, candidate.model), {})[candidate.number] = True
        return Plan(
            clock=clock,
            models=tuple(
                ServedModel(
                    name=model,
                    environment=environment,
                    champion=champions.get((environment, model), 0),
                    versions=tuple(
                        _served(self.version(reader, model, number), resident=resident)
                        for number, resident in sorted(versions.items())
                    ),
                )
                for (environment, model), versions in sorted(placed.items())
            ),
        )


def _served(version: Version, *, resident: bool) -> ServedVersion:
    return ServedVersion(
        number=version.number,
        artifact=version.artifact,
        format=version.format,
        signature=version.signature,
        examples=version.examples,
        resident=resident,
    )
