"""The shapes in Dagster, with its persistent instance (DAGSTER_HOME): `… SHAPE SEED EXECUTOR`."""

import sys

import work
from dagster import (
    DagsterInstance,
    DynamicOut,
    DynamicOutput,
    Field,
    JobDefinition,
    execute_job,
    graph,
    in_process_executor,
    multiprocess_executor,
    op,
    reconstructable,
)

grow = op(work.grow)
last = op(work.last)
square = op(work.square)
total = op(work.total)
summed = op(work.summed)


@op(config_schema={"seed": Field(int)})
def first(context):
    return work.grow(context.op_config["seed"])


@op(config_schema={"seed": Field(int)}, out=DynamicOut())
def numbers(context):
    for i, x in enumerate(work.numbers(context.op_config["seed"])):
        yield DynamicOutput(x, mapping_key=str(i))


@op(config_schema={"seed": Field(int)})
def table(context):
    return work.table(context.op_config["seed"])


def chained(steps):
    @graph(name=f"chain_{steps}")
    def chain():
        x = first()
        for _ in range(steps - 2):
            x = grow(x)
        last(x)

    return chain


@graph
def fan():
    total(numbers().map(square).collect())


@graph
def handed_on():
    summed(table())


def job(shape: str, executor: str) -> JobDefinition:
    kinds = {"in-process": in_process_executor, "multiprocess": multiprocess_executor}
    shapes = {"fan": fan, "table": handed_on}
    drawn = shapes[shape] if shape in shapes else chained(int(shape.removeprefix("chain_")))
    return drawn.to_job(name=f"{drawn.name}_job", executor_def=kinds[executor])


def chain_10_multiprocess():
    return job("chain_10", "multiprocess")


def chain_10():
    return job("chain_10", "in-process")


def chain_100():
    return job("chain_100", "in-process")


def fan_job():
    return job("fan", "in-process")


def table_job():
    return job("table", "in-process")


def table_multiprocess():
    return job("table", "multiprocess")


JOBS = {
    ("chain_10", "in-process"): (chain_10, "first"),
    ("chain_10", "multiprocess"): (chain_10_multiprocess, "first"),
    ("chain_100", "in-process"): (chain_100, "first"),
    ("fan", "in-process"): (fan_job, "numbers"),
    ("table", "in-process"): (table_job, "table"),
    ("table", "multiprocess"): (table_multiprocess, "table"),
}

if __name__ == "__main__":
    shape, seed, executor = sys.argv[1:]
    made, source = JOBS[shape, executor]
    with DagsterInstance.get() as instance:
        config = {"ops": {source: {"config": {"seed": int(seed)}}}}
        done = execute_job(reconstructable(made), instance=instance, run_config=config)
    sys.exit(not done.success)
