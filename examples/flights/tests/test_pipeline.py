"""Drawing the pipeline gives its steps without running them."""

from flights.pipeline import train_delay


def test_it_draws_training_measuring_and_publishing() -> None:
    names = [node.name for node in train_delay.draw().nodes]
    assert {"rows", "fit", "evaluate", "publish"} <= set(names)
