"""What `[builds]` says of a release's outputs, and what it refuses."""

import pytest

from penstock.core.errors import InvalidProject
from penstock.revisions.config import ImageConfig, OutputsConfig, parse_config

START = '[project]\nname = "shop"\n[environments.live]\ndeploy = { on = "push", branch = "dev" }\n'


def test_an_image_is_made_only_when_it_is_declared() -> None:
    assert parse_config(START).outputs == OutputsConfig(executable=True, image=None)
    text = f'{START}[builds]\nimage = {{ base = "python:3.11-slim", push = "localhost:5000/team/shop" }}\n'
    image = ImageConfig(base="python:3.11-slim", push="localhost:5000/team/shop")
    assert parse_config(text).outputs == OutputsConfig(image=image)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('image = { bass = "a" }', "penstock.toml:6: 'bass' is not a key"),
        ('image = { push = "a" }', "builds.image lacks the key 'base'"),
        ('image = { base = "a b" }', "'base' is not the name of an image"),
        ('image = { base = "-f" }', "'base' is not the name of an image"),
        ('image = { base = "a\\nRUN b" }', "'base' is not the name of an image"),
        ('image = { base = "a", push = "host/b:latest" }', "'push' names a tag"),
        ('executable = false\nimage = { base = "a" }', "the image runs the executable"),
        ('executable = "no"', "'executable' has an impossible value"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(table: str, said: str) -> None:
    with pytest.raises(InvalidProject, match=r"penstock\.toml:[67]: ") as refused:
        parse_config(f"{START}[builds]\n{table}\n")
    assert said in str(refused.value)
