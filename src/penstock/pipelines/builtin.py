"""The nodes that Penstock brings: snapshots of sources, training rows and publication."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from penstock.core.clock import moment_of
from penstock.core.durations import duration
from penstock.core.errors import InvalidPipeline
from penstock.datasets.places import secrets_of
from penstock.datasets.types import Source
from penstock.features.holdout import USUAL, USUAL_UNDATED, read_holdout
from penstock.features.shares import PART, PARTS, SPINE, Share, part_name, parted, require_parts
from penstock.features.types import RowsSettings
from penstock.features.views import FeatureView
from penstock.pipelines.code import views_digest
from penstock.pipelines.drawing import Drawing, current
from penstock.pipelines.features import AS_OF, timeline_of, unpinned
from penstock.pipelines.standins import StandIn, about, result_stand_in
from penstock.pipelines.types import Candidate, Node, Options, Output

if TYPE_CHECKING:
    import polars as pl


class Rows:
    """What `training_rows` gives inside a pipeline: tables of rows and the schema of a model's inputs."""

    train: pl.DataFrame
    holdout: pl.DataFrame
    schema: Mapping[str, Any]


def training_rows(
    source: Source,
    views: Sequence[FeatureView] = (),
    *,
    label: str,
    span: str = "",
    holdout: str = "",
    computed: Mapping[str, str] | None = None,
    partitions: int = 1,
    as_of: str = "",
) -> Rows:
    """Draw a training set: the rows of `source` that have a label, joined in time with feature views.

    `span` (such as `"60d"`, all of history where it is empty) is measured back from the newest row with a
    label that is known when the pipeline runs. The `holdout` is kept apart: the last `"14d"` of it, or the
    newest share of its rows such as `"20%"`, by chance among rows of the same time; unless it is said, 14
    days, and 20 % of rows without an event time. `computed` features, such as
    `{"pace": "distance / minutes"}`, are SQL expressions of a row's columns and features; the prediction
    service computes them where a request does not give them. See `features.training_set`.
    In `partitions` it is made by so many steps, which may run side by side; the rows are the same.
    `as_of`, such as `"2026-05-01T00:00:00+00:00"`, is a time (UTC where it has no zone) beyond which nothing
    of the source and of those of the views is known, however late the pipeline runs.
    Used inside a pipeline only. Raises InvalidPipeline or InvalidValue.
    """
    drawing = _drawing("training_rows")
    require_parts(partitions)
    texts = {f"computed[{name!r}]": text for name, text in (computed or {}).items()}
    written = {"label": label, "span": span, "holdout": holdout, "as_of": as_of, **texts}
    for name, value in written.items():
        _written("training_rows", name, value)
    if not isinstance(source, Source):
        raise InvalidPipeline(
            what="training_rows needs a source",
            expected="what `files(...)` gave",
            found=type(source).__name__,
        )
    for view in views:
        if not isinstance(view, FeatureView):
            raise InvalidPipeline(
                what="training_rows takes feature views",
                found=repr(view),
                fix="Decorate the function with @feature_view.",
            )
    holdout = holdout or (USUAL_UNDATED if source.undated else USUAL)
    apart = read_holdout(holdout)
    if span and duration(span) <= apart.span:
        raise InvalidPipeline(
            what="training_rows would leave an empty part",
            expected="a holdout that is shorter than the span",
            found=f"span={span!r}, holdout={holdout!r}",
        )
    if label and label in {source.event_time, source.known_time, *source.key}:
        raise InvalidPipeline(
            what=f"The label of the source {source.name} is what its rows are told by",
            expected="a column that is no key and no time of it",
            found=f"label={label!r}",
        )
    settings = RowsSettings(
        source=source,
        label=label,
        span=span,
        holdout=holdout,
        views=tuple(view.settings for view in views),
        computed=dict(computed or {}),
    )
    node = Node(
        name="rows",
        kind="rows",
        outputs=("train", "holdout", "schema"),
        settings=_as_data(settings),
        code=views_digest({view.settings.name: view.settings.target for view in views}),
    )
    pinned = _moment(as_of) if as_of else ""
    given = {source.name: _snapshot(drawing, source, pinned)}
    laid_out = {
        timeline_of(view.settings.name): _timeline(drawing, view, partitions, pinned) for view in views
    }
    if partitions == 1:
        return cast(Rows, drawing.add(node, given | laid_out))
    bare = msgspec.structs.replace(settings, views=(), computed={})
    spine = Node(name=SPINE, kind="spine", outputs=("rows",), settings=_as_data(bare))
    known = given | laid_out | {SPINE: drawing.add(spine, given)}
    parts: dict[str, StandIn] = {}
    for number in range(partitions):
        parts |= _part(drawing, node, Share(number, partitions), known)
    whole = msgspec.structs.replace(node, settings={**node.settings, PARTS: partitions})
    return cast(Rows, drawing.add(whole, given | laid_out | parts))


def _part(drawing: Drawing, rows: Node, share: Share, given: Mapping[str, StandIn]) -> dict[str, StandIn]:
    """The node that makes a share of training rows: its two tables, named as inputs."""
    settings = {**rows.settings, PART: share.number, PARTS: share.of}
    node = msgspec.structs.replace(
        rows, name=part_name(rows.name, share), kind="part", outputs=("train", "holdout"), settings=settings
    )
    made = drawing.add(node, given)
    return {part_name(output, share): getattr(made, output) for output in node.outputs}


def publish(
    name: str,
    model: object,
    metrics: Mapping[str, float],
    *,
    inputs: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    unsafe_pickle: bool = False,
) -> Candidate:
    """Draw the publication of a model as a candidate for the registry under `name`.

    `metrics` are its measured qualities on the holdout; `inputs` is the `schema` of the training rows,
    which also says on which rows versions are compared. `tags` are texts by which its versions are found;
    `metadata` is whatever else a step, or the pipeline, has to say of the version, as JSON.
    A model that neither ONNX nor skops can keep is refused, or with `unsafe_pickle` pickled, which
    `penstock.toml` has to allow with a reason. What the model is for and who answers for it stands there too.
    Used inside a pipeline only.
    Raises InvalidPipeline.
    """
    drawing = _drawing("publish")
    _written("publish", "name", name)
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise InvalidPipeline(
            what="This cannot be the name of a model",
            expected="small letters, digits, - and _, beginning with a letter",
            found=repr(name),
        )
    rows = about(inputs).refers_to if isinstance(inputs, StandIn) else None
    if not isinstance(rows, Output) or drawing.nodes[rows.node].kind != "rows" or rows.name != "schema":
        raise InvalidPipeline(
            what="publish needs the schema of the training rows", fix="Pass inputs=rows.schema."
        )
    if any(node.kind == "publish" and node.settings["model"] == name for node in drawing.nodes.values()):
        raise InvalidPipeline(what=f"The pipeline publishes the model {name} twice.")
    for key, text in (tags or {}).items():
        _written("publish", f"tags[{key!r}]", text)
    node = Node(
        name="publish",
        kind="publish",
        inputs={"holdout": Output(rows.node, "holdout")},
        outputs=("candidate",),
        settings={"model": name}
        | ({"tags": dict(tags)} if tags else {})
        | ({"unsafe_pickle": True} if unsafe_pickle else {}),
    )
    given = {"model": model, "metrics": metrics, "inputs": inputs}
    return cast(Candidate, drawing.add(node, given | ({} if metadata is None else {"metadata": metadata})))


def _snapshot(drawing: Drawing, source: Source, as_of: str) -> StandIn:
    """The node that reads a source, as of a time where one is named; a pipeline reads each source once."""
    node = Node(
        name=f"{source.name}.snapshot",
        kind="snapshot",
        outputs=("rows",),
        settings={"source": _as_data(source)} | ({AS_OF: as_of} if as_of else {}),
        options=Options(cache=False, secrets=secrets_of(source)),
    )
    drawn = drawing.nodes.get(node.name)
    if drawn and unpinned(drawn) == unpinned(node) and drawn != node:
        times = (each.settings.get(AS_OF, "that of the run") for each in (drawn, node))
        raise InvalidPipeline(
            what=f"The source {source.name} is asked as of two times",
            expected="one time for all that a pipeline reads of a source",
            found=" and ".join(times),
        )
    twice = f"Two sources are called {source.name}."
    return _once(drawing, node, twice, "Give one of them another name: files(..., name=).")


def _timeline(drawing: Drawing, view: FeatureView, wanted: int, as_of: str) -> StandIn:
    """The node that lays out what a view makes of its source, in partitions; a pipeline has each once."""
    declared = view.settings
    read = about(_snapshot(drawing, declared.source, as_of)).refers_to
    assert isinstance(read, Output)  # noqa: S101 - a node was drawn
    of, name = parted(declared, wanted), timeline_of(declared.name)
    node = Node(
        name=f"{name}.of{of}" if of > 1 else name,
        kind="timeline",
        inputs={declared.source.name: read},
        outputs=("rows",),
        settings={"view": _as_data(declared)} | ({PARTS: of} if of > 1 else {}),
        code=views_digest({declared.name: declared.target}),
    )
    twice = f"Two feature views are called {declared.name}."
    return _once(drawing, node, twice, "Give one of them another name.")


def _once(drawing: Drawing, node: Node, twice: str, fix: str) -> StandIn:
    drawn = drawing.nodes.get(node.name)
    if drawn is None:
        return drawing.add(node, {})
    if drawn != node:
        raise InvalidPipeline(what=twice, fix=fix)
    return result_stand_in(drawing, node.name, node.outputs)


def _moment(text: str) -> str:
    """A time as graphs keep it: in UTC, always spelt the same."""
    try:
        return moment_of(text).isoformat()
    except ValueError:
        raise InvalidPipeline(
            what="`as_of` of `training_rows` is no time",
            expected="one such as 2026-05-01 or 2026-05-01T12:00:00+00:00",
            found=repr(text),
        ) from None


def _as_data(value: msgspec.Struct) -> Any:
    """A value as JSON gives it back, so that a graph equals itself when it was stored."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _drawing(word: str) -> Drawing:
    drawing = current.get()
    if drawing is None:
        raise InvalidPipeline(
            what=f"`{word}` is called outside a pipeline.",
            fix="Call it in a function that is decorated with @pipeline.",
        )
    return drawing


def _written(word: str, name: str, value: object) -> None:
    """Some settings belong to the graph itself and so cannot come from a step or a parameter."""
    if not isinstance(value, str):
        raise InvalidPipeline(
            what=f"`{name}` of `{word}` must be written in the pipeline", expected="a text", found=repr(value)
        )
