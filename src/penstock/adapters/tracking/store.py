"""MLflow's tracking store for one step: metrics, parameters and texts go to the log, files at its end."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow.entities import (
    Experiment,
    LifecycleStage,
    LoggedModel,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore

from penstock.core.errors import InvalidValue
from penstock.pipelines.log import log

RUN = "step"
"""What the run of a step is called here; its real number is nobody's business inside it."""
PICTURES = (".png", ".svg")
OWN = "mlflow."
"""What begins the tags that MLflow writes for its own pages."""


def _now() -> int:
    return int(time.time() * 1000)


class Told:
    """What was logged in the step so far, and the folder in which its files lie until it ends."""

    def __init__(self) -> None:
        self.metrics: dict[str, list[Metric]] = {}
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.models: dict[str, LoggedModel] = {}
        self.status = RunStatus.RUNNING
        self.began = _now()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def folder(self) -> Path:
        """Where files lie: those of the run in `run`, those of a model in a folder by its id."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="penstock-step-")
            (self.files_of("run")).mkdir()
        return Path(self._folder.name)

    def files_of(self, owner: str) -> Path:
        """The folder of the run, or of a model."""
        return self.folder / owner

    def keep_files(self) -> None:
        """Give every file to the log, pictures as figures, and remove the folder."""
        if self._folder is None:
            return
        names = {"run": ""} | {key: f"{model.name}/" for key, model in self.models.items()}
        for owner, before in names.items():
            for file in sorted(self.files_of(owner).rglob("*")):
                if file.is_file():
                    _keep(f"{before}{file.relative_to(self.files_of(owner)).as_posix()}", file)
        self._folder.cleanup()
        self._folder = None


_told = Told()


def finish() -> None:
    """The step has ended: keep its files, and forget it."""
    global _told
    try:
        _told.keep_files()
    finally:
        _told = Told()


class StepStore(AbstractStore):
    """The one run of the step that this process is running, whatever run is asked for."""

    # Experiments: there is one, called as whoever asks likes.

    def search_experiments(self, *_: Any, **__: Any) -> PagedList[Any]:
        """The one there is."""
        return PagedList([_experiment()], None)

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> str:
        """The one there is."""
        del name, artifact_location, tags
        return "0"

    def get_experiment(self, experiment_id: str) -> Experiment:
        """The one there is."""
        del experiment_id
        return _experiment()

    def get_experiment_by_name(self, experiment_name: str) -> Experiment:
        """The one there is."""
        return _experiment(experiment_name)

    # The run.

    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: list[RunTag], run_name: str
    ) -> Run:
        """The step's own run, however often one is begun."""
        del experiment_id, user_id, start_time, run_name
        _told.tags |= {tag.key: tag.value for tag in tags or ()}
        return self.get_run(RUN)

    def get_run(self, run_id: str) -> Run:
        """The step's run with what was logged so far."""
        del run_id
        last = [values[-1] for values in _told.metrics.values()]
        data = RunData(
            metrics=last,
            params=[Param(key, value) for key, value in _told.params.items()],
            tags=[RunTag(key, value) for key, value in _told.tags.items()],
        )
        return Run(_info(), data, RunInputs([], []), RunOutputs([]))

    def update_run_info(self, run_id: str, run_status: int, end_time: int, run_name: str) -> RunInfo:
        """How it ended is the executor's to say."""
        del run_id, end_time, run_name
        _told.status = run_status or _told.status
        return _info()

    def log_batch(self, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> None:
        """Give all of it to the step's log."""
        del run_id
        for metric in metrics:
            _measured(metric)
        for param in params:
            if _told.params.setdefault(param.key, param.value) != param.value:
                raise MlflowException.invalid_parameter_value(
                    f"The parameter {param.key} has a value and cannot become {param.value!r}."
                )
            log.param(param.key, param.value)
        for tag in tags:
            _told.tags[tag.key] = tag.value
            if not tag.key.startswith(OWN):
                log.text(tag.key, str(tag.value))

    def delete_tag(self, run_id: str, key: str) -> None:
        """Forget a tag; the log keeps that it was there."""
        del run_id
        _told.tags.pop(key, None)

    def log_inputs(self, run_id: str, datasets: Any = None, models: Any = None) -> None:
        """Tell of data in the log: what a step reads, its inputs say."""
        del run_id, models
        for each in datasets or ():
            log.text(f"data {each.dataset.name}", str(each.dataset.digest))

    def log_outputs(self, run_id: str, models: Any) -> None:
        """Their files say the same."""

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Their files say the same."""

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Any]:
        """Every value so far."""
        del run_id, max_results, page_token
        return PagedList(list(_told.metrics.get(metric_key, ())), None)

    def _search_runs(self, *_: Any, **__: Any) -> tuple[list[Run], None]:
        return [self.get_run(RUN)], None

    # What belongs to no step.

    def _not_here(self, *_: Any, **__: Any) -> Any:
        """Raises MlflowException."""
        raise MlflowException("Inside a step there is only the step's own run, which its executor ends.")

    delete_experiment = restore_experiment = rename_experiment = _not_here
    delete_run = restore_run = link_traces_to_run = _not_here

    # Models: files of the step until it publishes one.

    def create_logged_model(  # noqa: PLR0917 MLflow's signature
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Any = None,
        params: Any = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """A model whose files are kept with the step, in a folder of the model's name."""
        key = f"m-{len(_told.models) + 1}"
        place = _told.files_of(key)
        place.mkdir()
        model = LoggedModel(
            experiment_id=experiment_id,
            model_id=key,
            name=name or key,
            artifact_location=place.as_uri(),
            creation_timestamp=_now(),
            last_updated_timestamp=_now(),
            model_type=model_type,
            source_run_id=source_run_id,
            status=LoggedModelStatus.PENDING,
            tags=tags,
            params=params,
        )
        _told.models[key] = model
        return model

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel:
        """A model that this step has logged."""
        del allow_deleted
        if model_id not in _told.models:
            raise MlflowException(f"This step has logged no model {model_id}.")
        return _told.models[model_id]

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        """All files of a model are there."""
        model = self.get_logged_model(model_id)
        model.status = status
        return model

    def log_logged_model_params(self, model_id: str, params: Any) -> None:
        """Parameters of a model; the step's own are logged beside."""
        del model_id, params

    def set_logged_model_tags(self, model_id: str, tags: Any) -> None:
        """Tags of a model, until the step ends."""
        self.get_logged_model(model_id).tags.update({tag.key: tag.value for tag in tags})

    def search_logged_models(self, *_: Any, **__: Any) -> PagedList[Any]:
        """The models that this step has logged."""
        return PagedList(list(_told.models.values()), None)


def _measured(metric: Metric) -> None:
    before = _told.metrics.setdefault(metric.key, [])
    if metric.model_id and any(_place(each) == _place(metric) for each in before):
        return  # it is told again, as that of a model
    before.append(metric)
    try:
        log.metric(metric.key, metric.value, metric.step)
    except InvalidValue:
        log.text(f"undefined.{metric.key}", f"{metric.value} at {metric.step}")


def _place(metric: Metric) -> tuple[int, int, str]:
    return metric.step, metric.timestamp, repr(metric.value)


def _keep(name: str, file: Path) -> None:
    if file.suffix in PICTURES:
        with suppress(InvalidValue):
            log.figure(name, file)
            return
    log.file(name, file)


def _info() -> RunInfo:
    return RunInfo(
        run_id=RUN,
        experiment_id="0",
        user_id="",
        status=RunStatus.to_string(_told.status),
        start_time=_told.began,
        end_time=None,
        lifecycle_stage=LifecycleStage.ACTIVE,
        artifact_uri=_told.files_of("run").as_uri(),
        run_name=RUN,
    )


def _experiment(name: str = "step") -> Experiment:
    return Experiment("0", name, _told.folder.as_uri(), LifecycleStage.ACTIVE)
