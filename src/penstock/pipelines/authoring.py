"""How a user writes pipelines: `@step` and `@pipeline` on plain functions."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

import msgspec

from penstock.core.errors import InvalidPipeline, PenstockError
from penstock.core.targets import target_of
from penstock.pipelines.code import code_digest
from penstock.pipelines.drawing import Drawing, current
from penstock.pipelines.graph import coerce
from penstock.pipelines.options import asked, options
from penstock.pipelines.parameters import parameters_of, typed
from penstock.pipelines.signatures import bind, check_step, returns_value
from penstock.pipelines.standins import StandIn
from penstock.pipelines.types import Graph, Node, Options

P = ParamSpec("P")
R = TypeVar("R")


class StepFunction(Generic[P, R]):
    """A step: called, it is its function; called while a pipeline is drawn, it adds a node.

    The function itself is `__wrapped__`.
    """

    __wrapped__: Callable[P, R]
    __name__: str

    def __init__(
        self, function: Callable[P, R], wanted: Options, outputs: tuple[str, ...], formats: dict[str, str]
    ) -> None:
        self.target = target_of(function, "step")
        check_step(function)
        functools.update_wrapper(self, function)
        self.options = wanted
        self.outputs = outputs
        self.formats = formats

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's value, or a stand-in for it while a pipeline is drawn."""
        drawing = current.get()
        if drawing is None:
            return self.__wrapped__(*args, **kwargs)
        node = Node(
            name=self.__name__,
            kind="step",
            target=self.target,
            outputs=self.outputs,
            settings={"formats": self.formats} if self.formats else {},
            options=self.options,
            code=code_digest(self.target),
        )
        values = bind(self.__wrapped__, args, kwargs)
        return cast(R, drawing.add(node, values, returns=returns_value(self.__wrapped__)))

    def __repr__(self) -> str:
        return f"<step {self.target}>"


@overload
def step(function: Callable[P, R], /) -> StepFunction[P, R]: ...
@overload
def step(
    *,
    retries: int = 0,
    retry_on: tuple[str, ...] = (),
    backoff: str = "1s",
    timeout: str = "",
    cache: bool = True,
    cpus: float = 1,
    memory: str = "",
    gpus: float = 0,
    secrets: Sequence[str] = (),
    outputs: tuple[str, ...] = ("result",),
    formats: Mapping[str, str] | None = None,
) -> Callable[[Callable[P, R]], StepFunction[P, R]]: ...
def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    retries: int = 0,
    retry_on: tuple[str, ...] = (),
    backoff: str = "1s",
    timeout: str = "",
    cache: bool = True,
    cpus: float = 1,
    memory: str = "",
    gpus: float = 0,
    secrets: Sequence[str] = (),
    outputs: tuple[str, ...] = ("result",),
    formats: Mapping[str, str] | None = None,
) -> StepFunction[P, R] | Callable[[Callable[P, R]], StepFunction[P, R]]:
    """Declare a function as a step: `@step` or `@step(retries=2, timeout="10m", memory="2GB")`.

    An error is tried again `retries` times: after `backoff`, then after twice as long each time, ten
    minutes at most. `retry_on` names the errors that are worth it, such as ("ConnectionError",); without
    it any is. A step starts when its `cpus`, `gpus` and `memory` are free, and is ended when it needs more
    memory than it declared. Its `secrets`, such as ["DB_PASSWORD"], are environment variables while it runs.

    A step with several `outputs` returns a NamedTuple with these fields; in a pipeline each is an
    attribute of the result. What is returned is kept in a format of its type that cannot execute code;
    `formats={"result": "unsafe_pickle"}` has an output pickled instead.

    Raises InvalidPipeline for a function that cannot be found by its name or whose arguments have none,
    and InvalidValue or InvalidPipeline for impossible options.
    """
    wanted = options(
        retries=retries,
        retry_on=retry_on,
        backoff=backoff if retries else "",
        timeout=timeout,
        cache=cache,
        cpus=cpus,
        memory=memory,
        gpus=gpus,
        secrets=secrets,
    )
    if not outputs or len(set(outputs)) < len(outputs) or not all(name.isidentifier() for name in outputs):
        raise InvalidPipeline(what="A step's `outputs` are different names", found=repr(outputs))

    named = asked(formats or {}, tuple(outputs))

    def declare(function: Callable[P, R]) -> StepFunction[P, R]:
        return StepFunction(function, wanted, tuple(outputs), named)

    return declare if function is None else declare(function)


class Pipeline:
    """A pipeline: a function that is drawn, once, by calling it with stand-ins."""

    __name__: str

    def __init__(self, function: Callable[..., Any], concurrency: int = 0) -> None:
        self.target = target_of(function, "pipeline")
        self.parameters = parameters_of(function)
        self.concurrency = concurrency
        self.name = function.__name__
        functools.update_wrapper(self, function)
        self._function = function

    def draw(self, **params: Any) -> Graph:
        """The graph, with `params` as the defaults of its parameters. No step is run.

        Raises InvalidPipeline, with the line, when the function cannot be drawn, and InvalidValue
        for parameters that it does not take.
        """
        drawing = Drawing(self.parameters)
        token = current.set(drawing)
        try:
            with drawing.inside(self.target):
                nodes = drawing.finish(self._function(**drawing.parameters))
        except Exception as error:
            raise self._cannot_be_drawn(error) from error
        finally:
            current.reset(token)
        graph = Graph(
            pipeline=self.name,
            target=self.target,
            parameters=self.parameters,
            nodes=nodes,
            concurrency=self.concurrency,
        )
        given = (
            {name: value for name, value in coerce(graph, params).items() if name in params} if params else {}
        )
        return msgspec.structs.replace(
            graph,
            parameters=tuple(
                msgspec.structs.replace(each, default=given[each.name], required=False)
                if each.name in given
                else each
                for each in self.parameters
            ),
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In another pipeline that is drawn: this one's steps, named `pipeline.step`, and what it returns.

        Its parameters may then be results of steps. Raises InvalidPipeline everywhere else.
        """
        drawing = current.get()
        if drawing is None:
            raise InvalidPipeline(
                what=f"The pipeline {self.name} is drawn, not called.",
                fix=f"`{self.name}.draw()` gives its graph and `penstock run {self.target}` runs it. "
                "Steps can be called in a test, and pipelines inside other pipelines.",
            )
        values = bind(self._function, args, kwargs, word="pipeline")
        for parameter in self.parameters:
            if parameter.name in values and not isinstance(values[parameter.name], StandIn):
                values[parameter.name] = typed(self.name, parameter, values[parameter.name])
        with drawing.inside(self.target, prefix=self.name):
            return self._function(**values)

    def __repr__(self) -> str:
        return f"<pipeline {self.target}>"

    def _cannot_be_drawn(self, error: Exception) -> InvalidPipeline:
        """The refusal with the user's line that led to it."""
        file = self._function.__code__.co_filename
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file
        ]
        place = f", {Path(file).name} line {lines[-1]}" if lines else ""
        what = f"The pipeline {self.name} cannot be drawn{place}"
        if isinstance(error, PenstockError):
            what = f"{what}: {error.what}"
            return InvalidPipeline(what=what, expected=error.expected, found=error.found, fix=error.fix)
        return InvalidPipeline(what=what, found=f"{type(error).__name__}: {error}")


@overload
def pipeline(function: Callable[..., Any], /) -> Pipeline: ...
@overload
def pipeline(*, concurrency: int = 0) -> Callable[[Callable[..., Any]], Pipeline]: ...
def pipeline(
    function: Callable[..., Any] | None = None, /, *, concurrency: int = 0
) -> Pipeline | Callable[[Callable[..., Any]], Pipeline]:
    """Declare a function as a pipeline: `@pipeline` or `@pipeline(concurrency=1)`.

    What it is called with while drawn are stand-ins. Its parameters have the type int, float, str, bool,
    datetime, Literal or an enum, are lists of these, or may be None as well; they become parameters of every
    run. At most `concurrency` runs of it are under way at once in an
    environment; others wait. Raises InvalidPipeline for a function that cannot be found by its name or
    has other parameters.
    """
    if concurrency < 0:
        raise InvalidPipeline(what="A pipeline's `concurrency` cannot be negative", found=str(concurrency))

    def declare(function: Callable[..., Any]) -> Pipeline:
        return Pipeline(function, concurrency)

    return declare if function is None else declare(function)
