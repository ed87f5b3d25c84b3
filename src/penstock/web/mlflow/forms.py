"""Nouns as MLflow's clients read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from penstock.lineage.ports import Reader
from penstock.lineage.tags import tags_of
from penstock.models.logged import LoggedModel, Measurement
from penstock.runs.experiments import Experiment
from penstock.runs.logbook import UsedData
from penstock.runs.types import Metric, RunStatus
from penstock.web.mlflow.artifacts import logged_uri, run_uri
from penstock.web.mlflow.filters import Kind

NAME = "mlflow.runName"
NOTE = "mlflow.note.content"
"""The tag that is a description."""
STATUS: dict[RunStatus, str] = {
    "queued": "SCHEDULED",
    "running": "RUNNING",
    "open": "RUNNING",
    "succeeded": "FINISHED",
    "failed": "FAILED",
    "cancelled": "KILLED",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MOST = 253_402_300_799_999

Answer = dict[str, Any]


class Seen(msgspec.Struct, frozen=True):
    """A run as clients see it: its fields, and what belongs to it."""

    row: Mapping[str, Any]
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, Metric]
    data: list[UsedData]

    def fact(self, kind: Kind, key: str) -> Any:
        """What filters and orders ask for; None where it is not there."""
        if kind == "metric":
            return self.metrics[key].value if key in self.metrics else None
        if kind == "param":
            return self.params.get(key)
        if kind == "tag":
            return self.tags.get(key)
        if kind == "dataset":
            return next((each for data in self.data if (each := _of_data(data, key)) is not None), None)
        return self.info().get(_ATTRIBUTES.get(key.lower(), key))

    def info(self) -> Answer:
        """The run itself."""
        row = self.row
        return {
            "run_id": row["id"],
            "run_uuid": row["id"],
            "run_name": self.tags.get(NAME, ""),
            "experiment_id": row["experiment"],
            "user_id": row["actor"],
            "status": STATUS[row["status"]],
            "start_time": millis(row["created"]),
            **({"end_time": millis(row["finished"])} if row["finished"] else {}),
            "artifact_uri": run_uri(row["id"]),
            "lifecycle_stage": "deleted" if row["deleted"] else "active",
        }


_ATTRIBUTES = {"created": "start_time", "run name": "run_name", "run_uuid": "run_id", "user": "user_id"}


def see(reader: Reader, rows: Sequence[Mapping[str, Any]]) -> list[Seen]:
    """Runs with all that belongs to them; `rows` have the fields of runs without graphs."""
    ids = tuple(row["id"] for row in rows)
    tags = tags_of(reader, (f"run:{run}" for run in ids))
    metrics: dict[str, dict[str, Metric]] = {run: {} for run in ids}
    for metric in reader.find(Metric, run=ids, final=True):
        metrics[metric.run][metric.name] = metric  # of several steps, the last that measured it
    data: dict[str, list[UsedData]] = {run: [] for run in ids}
    for used in reader.find(UsedData, run=ids):
        data[used.run].append(used)
    return [
        Seen(
            row=row,
            params={name: as_text(value) for name, value in row["params"].items()},
            tags=_told(row) | tags[f"run:{row['id']}"],
            metrics=metrics[row["id"]],
            data=data[row["id"]],
        )
        for row in rows
    ]


def run_form(seen: Seen, outputs: Iterable[LoggedModel]) -> Answer:
    """A run with its data."""
    data = [each for each in seen.data if each.source_type != MODEL]
    return {
        "info": seen.info(),
        "data": {
            "metrics": [metric_form(metric) for metric in seen.metrics.values()],
            "params": pairs(seen.params),
            "tags": pairs(seen.tags),
        },
        "inputs": {
            "dataset_inputs": [{"tags": pairs(each.tags), "dataset": _data_form(each)} for each in data],
            "model_inputs": [{"model_id": each.name} for each in seen.data if each.source_type == MODEL],
        },
        "outputs": {"model_outputs": [{"model_id": each.id, "step": each.step} for each in outputs]},
    }


MODEL = "logged model"
"""The source type of a logged model that a run used."""


def metric_form(metric: Metric) -> Answer:
    """A metric's value."""
    return {
        "key": metric.name,
        "value": metric.value,
        "timestamp": millis(metric.time),
        "step": metric.index,
        "run_id": metric.run,
    }


def experiment_form(experiment: Experiment, tags: Mapping[str, str]) -> Answer:
    """An experiment."""
    return {
        "experiment_id": experiment.id,
        "name": experiment.name,
        "artifact_location": f"mlflow-artifacts:/experiments/{experiment.id}",
        "lifecycle_stage": "deleted" if experiment.deleted else "active",
        "creation_time": millis(experiment.created),
        "last_update_time": millis(experiment.changed),
        "tags": pairs(tags),
    }


def logged_form(model: LoggedModel, tags: Mapping[str, str]) -> Answer:
    """A logged model."""
    statuses = {
        "pending": "LOGGED_MODEL_PENDING",
        "ready": "LOGGED_MODEL_READY",
        "failed": "LOGGED_MODEL_UPLOAD_FAILED",
    }
    return {
        "info": {
            "model_id": model.id,
            "experiment_id": model.experiment,
            "name": model.name,
            "creation_timestamp_ms": millis(model.created),
            "last_updated_timestamp_ms": millis(model.changed),
            "artifact_uri": logged_uri(model.id),
            "status": statuses[model.status],
            "model_type": model.kind,
            "source_run_id": model.run,
            "tags": pairs(tags),
        },
        "data": {
            "params": pairs(model.params),
            "metrics": [_measurement(model.id, each) for each in model.metrics],
        },
    }


def pairs(texts: Mapping[str, str]) -> list[Answer]:
    """Texts by key, as lists of pairs."""
    return [{"key": key, "value": value} for key, value in texts.items()]


def as_text(value: Any) -> str:
    """A parameter as text."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def millis(time: datetime) -> int:
    """Milliseconds since 1970."""
    return (time - _EPOCH) // _MILLISECOND


def moment(milliseconds: int) -> datetime:
    """The moment so many milliseconds after 1970; those that no calendar has are the nearest that it has."""
    return _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _MOST))


def _told(row: Mapping[str, Any]) -> dict[str, str]:
    """The tags that tell of a run of Penstock's own what other clients write into theirs."""
    if not row["project"]:
        return {}
    told = {
        NAME: f"{row['pipeline']}-{row['id']}",
        "mlflow.user": row["actor"],
        "mlflow.source.name": row["pipeline"],
        "mlflow.source.type": "PROJECT",
        "mlflow.source.git.commit": row["origin"].commit,
        "penstock.project": row["project"],
        "penstock.environment": row["environment"],
        "penstock.release": row["release"],
        "penstock.sweep": row["sweep"],
    }
    return {key: text for key, text in told.items() if text}


def _of_data(data: UsedData, key: str) -> str | None:
    return {"name": data.name, "digest": data.digest}.get(key) or data.tags.get(f"mlflow.data.{key}")


def _data_form(data: UsedData) -> Answer:
    return {
        name: getattr(data, name)
        for name in ("name", "digest", "source_type", "source", "schema", "profile")
        if getattr(data, name)
    }


def _measurement(model: str, each: Measurement) -> Answer:
    return {
        "key": each.name,
        "value": each.value,
        "timestamp": millis(each.time),
        "step": each.index,
        "model_id": model,
        "run_id": each.run,
        "dataset_name": each.data,
        "dataset_digest": each.digest,
    }
