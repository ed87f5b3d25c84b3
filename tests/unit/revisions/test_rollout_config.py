"""What `rollout` says of how versions take over, and what it refuses."""

import pytest

from penstock.core.errors import InvalidProject
from penstock.revisions.config import RolloutConfig, parse_config

START = """[project]
name = "shop"
[environments.live]
deploy = { on = "push", branch = "dev" }
[models.delay]
gate = ["contract"]
"""


def read(rollout: str) -> RolloutConfig | None:
    return parse_config(f"{START}rollout = {{ {rollout} }}\n").models["delay"].rollout


def test_a_canary_has_steps_and_blue_green_is_one() -> None:
    assert parse_config(START).models["delay"].rollout is None
    guard = ("error_rate <= 0.01", "p99 <= champion.p99 + 20ms", "roc_auc >= champion.roc_auc - 0.02")
    text = f'canary = [5, 25, 100], every = "10m", guard = {list(guard)}, requests = 50, key = "carrier"'
    assert read(text.replace("'", '"')) == RolloutConfig(
        steps=(5, 25, 100), every="10m", guard=guard, requests=50, key="carrier"
    )
    whole = read('blue_green = true, every = "1h", guard = ["error_rate <= 0.01"]')
    assert whole == RolloutConfig(steps=(100,), every="1h", guard=("error_rate <= 0.01",))


@pytest.mark.parametrize(
    ("rollout", "said"),
    [
        ('every = "1h", guard = ["max <= 1s"]', "a rollout is a canary or blue/green"),
        (
            'canary = [5, 100], blue_green = true, every = "1h", guard = ["max <= 1s"]',
            "a canary or blue/green",
        ),
        ('canary = [25, 5, 100], every = "1h", guard = ["max <= 1s"]', "percentages that rise to 100"),
        ('canary = [5, 25], every = "1h", guard = ["max <= 1s"]', "percentages that rise to 100"),
        ('canary = [0.5, 100], every = "1h", guard = ["max <= 1s"]', "percentages that rise to 100"),
        ('canary = [100], every = "1h", guard = ["max <= 1s"]', "All at once is blue_green = true"),
        ('canary = [5, 100], every = "0s", guard = ["max <= 1s"]', "a step takes no time"),
        ('canary = [5, 100], guard = ["max <= 1s"]', "lacks the key 'every'"),
        ('canary = [5, 100], every = "1h", guard = []', "'guard' is empty"),
        ('canary = [5, 100], every = "1h", guard = ["p98 <= 1s"]', "Did you mean `p99`?"),
        ('canary = [5, 100], every = "1h", guard = ["error_rate <= 1ms"]', "This is not a guard"),
        ('canary = [5, 100], every = "1h", guard = ["p99 <= champion.p50"]', "This is not a guard"),
        ('canary = [5, 100], every = "1h", guard = ["p99 < 1s"], requests = 0', "at least 1"),
        ('canary = [5, 100], every = "1h", guard = ["distance <= champion.distance"]', "from the champion"),
        ('blue_green = true, every = "1h", guard = ["distance <= 0.1"]', "no answers of the champion"),
        ('canery = [5, 100], every = "1h", guard = ["max <= 1s"]', "Did you mean 'canary'?"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(rollout: str, said: str) -> None:
    with pytest.raises(InvalidProject, match=r"penstock\.toml:7: ") as refused:
        read(rollout)
    assert said in str(refused.value)


def test_an_environment_may_have_a_rollout_of_its_own() -> None:
    own = 'rollout = { blue_green = true, every = "1h", guard = ["error_rate <= 0.01"] }'
    config = parse_config(f"{START}[environments.live.models.delay]\n{own}\n")
    assert config.models["delay"].rollout is None
    inside = config.inside("live").models["delay"]
    assert inside.rollout is not None
    assert (inside.rollout.steps, inside.gate) == ((100,), ("contract",))
