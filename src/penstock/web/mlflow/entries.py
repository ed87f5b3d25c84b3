"""Models and versions of the registry as MLflow's clients read them."""

from __future__ import annotations

from penstock.app import App
from penstock.lineage.ports import Reader
from penstock.lineage.tags import tags_of
from penstock.models.decide import stage
from penstock.models.types import Model, Placement, Version
from penstock.models.uploads import aliases
from penstock.web.mlflow.artifacts import version_uri
from penstock.web.mlflow.filters import Facts, Kind
from penstock.web.mlflow.forms import NOTE, Answer, as_text, millis, pairs

STAGES = {"development": "None", "staging": "Staging", "production": "Production", "archived": "Archived"}
"""MLflow's words for where a version stands."""
PROMPT = "mlflow.prompt.is_prompt"
"""The tag by which clients leave out prompts, which are not kept here: of every model it is false."""


class Entries:
    """The forms of some models and versions, from one reading of the store."""

    def __init__(self, app: App, reader: Reader) -> None:
        self._app = app
        self._reader = reader
        self._aliases: dict[str, dict[str, int]] = {}

    def model(self, model: Model) -> Answer:
        """A model, with its newest version and its champions."""
        tags = self._tags(f"model:{model.id}")
        newest = self._reader.find(Version, model=model.id, withdrawn=None, order="-number", limit=1)
        given = self._aliases_of(model)
        led = {number for number in self._champions(model.id) if all(number != v.number for v in newest)}
        leading = [self._reader.get(Version, f"{model.id}@{number}") for number in sorted(led)]
        return {
            "name": model.id,
            "creation_timestamp": millis(model.created),
            "last_updated_timestamp": millis(newest[0].added if newest else model.created),
            "description": tags.pop(NOTE, ""),
            "latest_versions": [self.version(version) for version in [*newest, *leading]],
            "tags": pairs(tags),
            "aliases": [{"alias": alias, "version": str(number)} for alias, number in given.items()],
        }

    def version(self, version: Version) -> Answer:
        """A version."""
        tags = self._tags(f"version:{version.id}")
        given = self._aliases_of(self._reader.get(Model, version.model))
        return {
            "name": version.model,
            "version": str(version.number),
            "creation_timestamp": millis(version.added),
            "last_updated_timestamp": millis(version.added),
            "user_id": version.governance.get("actor", ""),
            "current_stage": self.stage(version),
            "description": tags.pop(NOTE, ""),
            "source": version.metadata.get("source") or version_uri(version.model, version.number),
            "run_id": version.run,
            "status": "READY",
            "tags": pairs(tags),
            "aliases": [alias for alias, number in given.items() if number == version.number],
            "model_id": version.metadata.get("logged", ""),
            "model_params": [
                {"name": name, "value": as_text(value)}
                for name, value in version.metadata.get("params", {}).items()
            ],
            "model_metrics": [
                {"key": name, "value": value, "timestamp": millis(version.added), "step": 0}
                for name, value in version.metrics.items()
            ],
        }

    def stage(self, version: Version) -> str:
        """Where a version stands, in MLflow's word."""
        placed = self._reader.find(Placement, model=version.model, number=version.number)
        return STAGES[stage(placed, self._app.last_environment(version.project))]

    def facts(self, model: str, version: Version | None = None) -> Facts:
        """What filters ask of a model or of a version."""
        noun = f"version:{version.id}" if version else f"model:{model}"
        tags = {PROMPT: "false", **self._tags(noun)}

        def fact(kind: Kind, key: str) -> object:
            if kind == "tag":
                return tags.get(key)
            told: dict[str, object] = {"name": model}
            if version:
                told |= {
                    "version_number": version.number,
                    "version": version.number,
                    "run_id": version.run,
                    "source_path": version.metadata.get("source", ""),
                    "source": version.metadata.get("source", ""),
                    "model_id": version.metadata.get("logged", ""),
                    "creation_timestamp": millis(version.added),
                    "last_updated_timestamp": millis(version.added),
                }
            return told.get(key)

        return fact

    def _tags(self, subject: str) -> dict[str, str]:
        return tags_of(self._reader, [subject])[subject]

    def _aliases_of(self, model: Model) -> dict[str, int]:
        if model.id not in self._aliases:
            last = self._app.last_environment(model.project)
            self._aliases[model.id] = aliases(self._reader, model.id, last)
        return self._aliases[model.id]

    def _champions(self, model: str) -> list[int]:
        rows = self._reader.pick(Placement, ("number",), model=model, role="champion")
        return [number for (number,) in rows]
