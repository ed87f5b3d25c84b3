"""What `penstock.toml` may say, and how mistakes in it are told."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.core.errors import InvalidProject, NotFound
from penstock.revisions.config import (
    EnvironmentConfig,
    ModelConfig,
    ScheduleCondition,
    TriggerConfig,
    WorseCondition,
    parse_config,
    preview_name,
)
from penstock.revisions.names import check_name

FLIGHTS = """\
[project]
name = "flights"

[environments.test]
deploy = { on = "push", branch = "dev" }

[environments.staging]
deploy = { on = "merge", approvals = 2 }
data = "sample"

[environments.production]
deploy = { on = "promote", after = "staging", successful_runs = 3 }
run = false

[[triggers]]
pipeline = "train_delay"
environments = ["staging", "production"]
any = [
  { schedule = "0 3 * * *" },
  { worse = "roc_auc", by = 0.03, over = "7d" },
]
cooldown = "1d"

[models.delay]
gate = [
  "roc_auc >= 0.62",  # better than a coin
  "contract",
]
"""
SMALLEST = """\
[project]
name = "small"
[environments.live]
deploy = { on = "push", branch = "dev" }
"""


def test_everything_is_read() -> None:
    config = parse_config(FLIGHTS)
    assert config.name == "flights"
    assert config.environments == (
        EnvironmentConfig(name="test", on="push", branch="dev"),
        EnvironmentConfig(name="staging", on="merge", branch="main", approvals=2, data="sample"),
        EnvironmentConfig(
            name="production", on="promote", after="staging", successful_runs=3, serve=True, run=False
        ),
    )
    assert config.triggers == (
        TriggerConfig(
            pipeline="train_delay",
            environments=("staging", "production"),
            conditions=(
                ScheduleCondition(cron="0 3 * * *", missed="once"),
                WorseCondition(metric="roc_auc", by=0.03, over="7d", labels=500),
            ),
            cooldown="1d",
        ),
    )
    assert config.models == {"delay": ModelConfig(gate=("roc_auc >= 0.62", "contract"), monitor="roc_auc")}


def test_without_promotion_every_environment_serves() -> None:
    assert [e.serve for e in parse_config(SMALLEST).environments] == [True]


def test_what_serves_can_be_said() -> None:
    config = parse_config(FLIGHTS.replace('data = "sample"', "serve = true"))
    assert [e.serve for e in config.environments] == [False, True, True]


def test_an_environment_is_found_by_name() -> None:
    config = parse_config(FLIGHTS)
    assert config.environment("staging").approvals == 2
    with pytest.raises(NotFound, match="one of test, staging, production"):
        config.environment("prod")


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ("successful_runs", "sucessful_runs", 12, "Did you mean 'successful_runs'?"),
        ("[[triggers]]", "[[trigger]]", 15, "Did you mean 'triggers'?"),
        ("cooldown", "load", 22, "one of pipeline, environments, any, all, cooldown"),
        ("[models.delay]", "[models.delay]\nrollout = {}", 25, "lacks the key 'every'"),
        ('name = "flights"', "", 1, "project lacks the key 'name'"),
        ('name = "flights"', "name = 3", 2, "a text in quotes; found 3"),
        ('"flights"', '"Flights!"', 2, "found 'Flights!'"),
        ("environments.test", "environments.Test", 4, "cannot be the name of an environment"),
        ("environments.test", "environments.development", 4, "Choose another name"),
        ("environments.test", "environments.builds", 4, "'builds' is where secrets of builds belong"),
        ('"push"', '"pull"', 5, "one of push, merge, promote, branch; found 'pull'."),
        ('branch = "dev"', 'branch = ""', 5, "the name of a branch"),
        (', branch = "dev"', "", 5, "lacks the key 'branch'"),
        ("approvals = 2", "approvals = -1", 8, "at least 0; found -1"),
        ("approvals = 2", 'branch = "master"', 8, "expected main; found 'master'"),
        ("approvals = 2", "approvals = true", 8, "a whole number; found True"),
        ("approvals = 2", "successful_runs = 2", 8, "one of on, branch, approvals"),
        ('after = "staging"', 'after = "stagin"', 12, "Did you mean 'staging'?"),
        ('after = "staging"', 'after = "production"', 12, "one of test, staging"),
        ('deploy = { on = "promote"', 'deplo = { on = "promote"', 12, "Did you mean 'deploy'?"),
        ("run = false", "run = 0", 13, "true or false; found 0"),
        ('"staging", "production"]', '"staging", "prod"]', 17, "Did you mean 'production'?"),
        ('"staging", "production"]', '"staging", "staging"]', 17, "each once"),
        ('["staging", "production"]', "[]", 17, "at least one text"),
        ("0 3 * * *", "61 3 * * *", 19, "minute, hour"),
        ("0 3 * * *", "0 0 30 2 *", 19, "minute, hour"),
        ("0 3 * * *", "0 0 3 * * *", 19, "minute, hour"),
        ('{ schedule = "0 3 * * *" }', "{ new_rows = 5 }", 19, 'such as "orders", the name of a source'),
        ('{ schedule = "0 3 * * *" }', "{ hours = 5 }", 19, "one of schedule, new_rows, new_bytes"),
        ('cooldown = "1d"', 'at_most = "3"', 22, 'such as "3 per 7d"'),
        ('cooldown = "1d"', 'zone = "Berlin"', 22, "the name of a time zone"),
        ('cooldown = "1d"', 'quiet = { from = "2", until = "6" }', 22, 'an hour such as "22:00"'),
        ('cooldown = "1d"', 'quiet = { from = "22:00", until = "22:00" }', 22, "leave no time to start"),
        ('cooldown = "1d"', 'quiet = { from = "02:00", until = "06:00" }', 22, "none fires on time"),
        ('cooldown = "1d"', 'all = [{ schedule = "0 4 * * *" }]', 22, "one condition only"),
        (
            'cooldown = "1d"',
            'all = [{ schedule = "0 4 * * *" }, { schedule = "0 3 * * *" }]',
            22,
            "stands in `any` too",
        ),
        ('{ schedule = "0 3 * * *" }', "{}", 19, "a condition is empty"),
        ('{ schedule = "0 3 * * *" }', "3", 19, "a table; found 3"),
        ('0 3 * * *"', '0 3 * * *", missed = "all"', 19, "one of once, skip"),
        ('0 3 * * *"', '0 3 * * *", worse = "roc_auc"', 19, "asks one thing"),
        ('"roc_auc", by', '"roc_auk", by', 20, "Did you mean 'roc_auc'?"),
        ('worse = "roc_auc", by = 0.03, over = "7d"', 'skew = "skew < 1%"', 20, 'such as "skew > 1%"'),
        ('worse = "roc_auc", by = 0.03, over = "7d"', 'skew = "footfall"', 20, 'such as "skew > 1%"'),
        ("by = 0.03", "by = 0", 20, "a number above 0"),
        ("by = 0.03", "by = nan", 20, "a number above 0"),
        ('over = "7d"', 'over = "a week"', 20, "a duration such as"),
        ('over = "7d"', 'over = "7d", labels = 0', 20, "at least 1"),
        ('  "contract",', '  "infrastructur",', 27, "a proof (contract, infrastructure), a load"),
        ('  "contract",', '  "sign_of",', 27, "Did you mean `sign_off`?"),
        ('  "contract",', '  "load: 500",', 27, "This is not a load"),
        ('  "contract",', '  "load: 500/s for 2h, p99 <= 1s",', 27, "up to 20000 a second for up to 600"),
        ('  "contract",', '  "load: 500/s for 2s, p99 <= 20",', 27, "p50, p95, p99, max in ms or s"),
        ('  "contract",', '  "load: 500/s for 2s, auc >= 1",', 27, "'auc >= 1' cannot be measured of a load"),
        ("roc_auc >= 0.62", "roc_auc = 0.62", 26, "roc_auc = 0.62"),
        ("[models.delay]", "[models.delay]\nmonitor = 'auc'", 25, "one of roc_auc"),
        ("[models.delay]", '[models."a b"]', 24, "cannot be the name of a model"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(
    right: str, wrong: str, line: int, said: str
) -> None:
    assert right in FLIGHTS
    with pytest.raises(InvalidProject) as refused:
        parse_config(FLIGHTS.replace(right, wrong, 1))
    assert str(refused.value).startswith(f"penstock.toml:{line}: ")
    assert said in str(refused.value)


def test_a_gate_that_asks_nothing_is_refused() -> None:
    text = SMALLEST + "[models.m]\ngate = []\n"
    with pytest.raises(InvalidProject, match="'gate' is empty"):
        parse_config(text)


def test_two_triggers_of_one_pipeline_and_environment_are_refused() -> None:
    trigger = '[[triggers]]\npipeline = "p"\nenvironments = ["live"]\nany = [{ schedule = "0 3 * * *" }]\n'
    with pytest.raises(InvalidProject, match=r"penstock\.toml:10: 'p' already has a trigger in 'live'"):
        parse_config(SMALLEST + trigger + trigger)


def test_a_trigger_needs_a_condition() -> None:
    with pytest.raises(InvalidProject, match="the trigger has no condition"):
        parse_config(SMALLEST + '[[triggers]]\npipeline = "p"\nenvironments = ["live"]\n')


def test_a_project_needs_an_environment() -> None:
    with pytest.raises(InvalidProject, match="there is no environment"):
        parse_config('[project]\nname = "p"\n')


def test_what_is_not_toml_is_told_with_its_line() -> None:
    with pytest.raises(InvalidProject, match=r"other\.toml is not a TOML document.*line 2"):
        parse_config("[project]\nname\n", file="other.toml")


OWN = (
    FLIGHTS
    + """
[environments.production.models.delay]
gate = ["roc_auc >= 0.7"]

[environments.staging.models.delay]
monitor = "accuracy"

[environments.staging.triggers.train_delay]
cooldown = "7d"

[environments.test.triggers.train_delay]
any = [{ schedule = "0 4 * * *" }]
"""
)


def test_an_environment_says_what_holds_there_key_by_key() -> None:
    config = parse_config(OWN)
    everywhere = parse_config(FLIGHTS)
    [usual], gate = everywhere.triggers, everywhere.models["delay"].gate
    production, staging, test = (config.inside(name) for name in ("production", "staging", "test"))
    assert production.models == {"delay": ModelConfig(gate=("roc_auc >= 0.7",))}
    assert production.triggers == (usual,)
    assert staging.models == {"delay": ModelConfig(gate=gate, monitor="accuracy")}
    assert staging.triggers == (replace(usual, environments=("staging",), cooldown="7d"),)
    assert test.models == everywhere.models
    assert [trigger.conditions for trigger in test.triggers] == [(ScheduleCondition(cron="0 4 * * *"),)]
    assert (config.triggers, config.models) == (everywhere.triggers, everywhere.models)


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ('gate = ["roc_auc >= 0.7"]', 'gaet = ["roc_auc >= 0.7"]', 31, "Did you mean 'gate'?"),
        ('gate = ["roc_auc >= 0.7"]', 'gate = ["roc_auc >= "]', 31, "the gate asks something unknown"),
        ("staging.models.delay", "staging.models.late", 33, "lacks the key 'gate'"),
        ('cooldown = "7d"', 'cooldown = "week"', 37, "a duration such as"),
        ('any = [{ schedule = "0 4 * * *" }]', 'cooldown = "2d"', 39, "the trigger has no condition"),
        ('any = [{ schedule = "0 4 * * *" }]', 'pipeline = "other"', 40, "one of any, all, cooldown"),
    ],
)
def test_a_mistake_in_what_is_an_environments_own_is_told(
    right: str, wrong: str, line: int, said: str
) -> None:
    assert right in OWN
    with pytest.raises(InvalidProject) as refused:
        parse_config(OWN.replace(right, wrong, 1))
    assert str(refused.value).startswith(f"penstock.toml:{line}: ")
    assert said in str(refused.value)


PREVIEW = """
[project]
name = "flights"

[environments.preview]
deploy = { on = "branch", branches = "feature/*", limit = 3 }

[environments.production]
deploy = { on = "push", branch = "main" }

[[triggers]]
pipeline = "train_delay"
environments = ["preview"]
any = [{ schedule = "0 3 * * *" }]
"""


def test_a_preview_is_an_environment_of_its_own() -> None:
    config = parse_config(PREVIEW)
    preview = config.environment("preview-x")
    assert (preview.name, preview.on, preview.limit, preview.serve) == ("preview-x", "branch", 3, False)
    assert (config.declared("preview-x"), config.declared("production")) == ("preview", "production")
    assert config.last == "production"
    with pytest.raises(NotFound, match="one of preview-BRANCH, production"):
        config.environment("preview")


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ('"feature/*"', '"feature"', 6, "a pattern with one star, such as feature/*; found 'feature'"),
        ('"feature/*"', '"*/*"', 6, "a pattern with one star"),
        ('branches = "feature/*", ', "", 6, "lacks the key 'branches'"),
        ("branches", "branch", 6, "Did you mean 'branches'?"),
        ("limit = 3", "limit = 0", 6, "at least 1; found 0"),
        ("limit = 3 }", "limit = 3 }\nserve = true", 7, "previews rehearse and serve no models"),
        ("environments.preview]", f"environments.{'p' * 41}]", 5, "at most 40 characters"),
        ("environments.production", "environments.preview-x", 8, "could be the name of a preview"),
        ('"push", branch = "main"', '"promote", after = "preview"', 9, "'after' has an impossible value"),
    ],
)
def test_a_mistake_about_previews_is_told(right: str, wrong: str, line: int, said: str) -> None:
    assert right in PREVIEW
    with pytest.raises(InvalidProject) as refused:
        parse_config(PREVIEW.replace(right, wrong, 1))
    assert str(refused.value).startswith(f"penstock.toml:{line}: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("branch", "name"),
    [
        ("feature/new-model", "preview-new-model"),
        ("feature/", ""),
        ("feature", ""),
        ("fix/x", ""),
        ("feature/A b/ü", r"preview-a-b--[0-9a-f]{8}"),
        ("feature/a--b", r"preview-a-b--[0-9a-f]{8}"),
        ("feature/é", r"preview-branch--[0-9a-f]{8}"),
        (f"feature/{'long-' * 30}", r"preview-(long-)+lon--[0-9a-f]{8}|preview-[a-z-]+--[0-9a-f]{8}"),
    ],
)
def test_the_environment_of_a_branch(branch: str, name: str) -> None:
    assert re.fullmatch(name, preview_name("preview", "feature/*", branch))


@given(st.lists(st.text(min_size=1, max_size=80), min_size=2, max_size=2, unique=True))
def test_no_two_branches_share_a_preview_and_every_name_is_plain(names: list[str]) -> None:
    one, other = (preview_name("preview", "feature/*", f"feature/{name}") for name in names)
    assert one != other
    assert check_name(one, "environment") == one
