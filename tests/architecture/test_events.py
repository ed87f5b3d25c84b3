"""Every kind of event that the code publishes can be subscribed to."""

from __future__ import annotations

import re
from pathlib import Path

import penstock
from penstock.revisions.config import EVENTS

SOURCE = Path(penstock.__file__).parent
PLAIN = re.compile(r'"([a-z]+)\.([a-z_]+)",?')
SHAPED = re.compile(r'kind=f"([a-z]+)\.\{|_(?:event|told|tell)\([^\n]*f"([a-z]+)\.\{')


def test_each_kind_is_known():
    kinds, subjects = set(), set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "publish(" in text or "Event(" in text or "_tell(" in text:
            kinds |= {match for match in PLAIN.findall(text) if match[0] in EVENTS}
            subjects |= {a or b for a, b in SHAPED.findall(text)}
            unknown = set(re.findall(r'kind="([a-z]+)\.', text)) - {*EVENTS, "token", "tags", "channel"}
            assert not unknown, f"{path.name}: {unknown}"
    assert subjects <= {*EVENTS}
    missing = {f"{noun}.{verb}" for noun, verb in kinds if verb not in EVENTS[noun]} - {"model.onnx"}
    assert not missing


def test_the_page_lists_them():
    page = (SOURCE.parents[1] / "docs/notify.md").read_text(encoding="utf-8")
    for noun, verbs in EVENTS.items():
        assert f"| `{noun}` | {', '.join(verbs)} |" in page
