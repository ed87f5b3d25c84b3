"""A run of very many steps fits on a screen, and hides no trouble."""

from typing import Any

from penstock.cli.pages import Table
from penstock.cli.runs import LONG, show


def steps_on_page(*steps: dict[str, Any]) -> tuple[list[str], int]:
    """The steps that the page has lines for, and how many it says there are besides."""
    data = {"id": "1", "graph": {"target": "shapes:run"}, "steps": list(steps), "metrics": []}
    page = show(data)
    [table] = [part for part in page.parts if isinstance(part, Table) and "status" in part.columns]
    notes = [part for part in page.parts if isinstance(part, str)]
    more = int(notes[0].split()[1]) if notes else 0
    assert page.data == data
    return [row["name"] for row in table.rows], more


def step(number: int, status: str = "succeeded", seconds: float = 1.0) -> dict[str, Any]:
    return {"name": f"s{number}", "status": status, "seconds": seconds, "memory": 0}


def test_a_short_run_is_shown_whole() -> None:
    assert steps_on_page(*(step(n) for n in range(LONG))) == ([f"s{n}" for n in range(LONG)], 0)


def test_of_a_long_run_the_failed_and_the_slowest_are_shown_in_order() -> None:
    steps = [step(n, seconds=n / 1000) for n in range(500)]
    steps[3] = step(3, "failed", 0.0)

    shown, more = steps_on_page(*steps)

    assert shown == ["s3", *(f"s{n}" for n in range(491, 500))]
    assert more == 490


def test_trouble_is_never_left_out() -> None:
    shown, more = steps_on_page(*(step(n, "failed" if n % 2 else "succeeded") for n in range(200)))

    assert len(shown) == 100
    assert more == 100
