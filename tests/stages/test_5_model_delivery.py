"""Stage 5: a version goes live through its gate, by hot swap, and back at once."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from penstock.cli.demo.traffic import Flight, Passengers

DATATYPES = ("category", "channel", "warehouse", "price", "discount", "load", "staff", "items")


def test_the_first_version_went_live_through_its_gate(live: Any) -> None:
    gate = live.items("/gates", model="returns", limit=0)[-1]
    assert (gate["number"], gate["outcome"]) == (1, "passed")
    verdicts = {verdict["check"]: verdict for verdict in gate["verdicts"]}
    assert verdicts["contract"]["evidence"]
    assert "no champion" in verdicts["roc_auc >= champion.roc_auc - 0.02"]["why"]
    assert live.items("/swaps", model="returns", limit=0)[-1]["after"] == 1


def test_the_registry_holds_what_an_auditor_asks_for(live: Any) -> None:
    version = live.system.get("/models/returns@1")["version"]
    assert (version["id"], version["model"], version["number"]) == ("returns@1", "returns", 1)
    assert version["location"].endswith(version["artifact"][2:]) or version["artifact"] in version["location"]
    assert version["training"]
    assert version["governance"]["commit"] == live.commit()
    assert version["metrics"]["roc_auc"] > 0.5


def test_versions_are_swapped_and_rolled_back_while_requests_go_on_and_none_fails(watched: Any) -> None:
    champion = champions(watched)
    enough = threading.Event()
    with watched.passengers() as client:
        asking = threading.Thread(target=ask_on, args=(client, watched.orders()[:50], enough))
        asking.start()
        try:
            watched.fire("production", "something to swap to")
            assert champions(watched) != champion
            watched.system.post("/rollback", what="returns", environment="production")
            watched.settle()
        finally:
            enough.set()
            asking.join()
    assert champions(watched) == champion
    assert client.counts.requests > 50
    assert (client.counts.failed, client.counts.retried) == (0, 0)


def test_a_whole_file_is_answered_as_the_service_answers(watched: Any, tmp_path: Path) -> None:
    orders = watched.orders()[:40]
    asked = [
        {"order": order.id, **{name: order.features.get(name) for name in DATATYPES}} for order in orders
    ]
    source, output = tmp_path / "orders.jsonl", tmp_path / "answers.csv"
    source.write_text(
        "".join(json.dumps(row) + "\n" for row in asked) + '{"order": "lame", "items": "many"}\n'
    )
    command = [sys.executable, "-m", "penstock.cli", "batch", "returns", str(source), str(output)]
    home = ["--keep", "order", "--json", "--home", str(watched.system.home.folder)]
    ran = subprocess.run([*command, *home], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["predicted"], told["misfits"]) == (40, 1)
    answers = pl.read_csv(output)
    assert answers["order"].to_list() == [order.id for order in orders]
    rows = [{name: row[name] for name in DATATYPES} for row in asked]
    url = watched.system.get("/status")["predict_url"]
    live = httpx.post(f"{url}/predict/returns", json={"rows": rows}, timeout=60).json()
    assert answers["score"].to_list() == pytest.approx([row["score"] for row in live["rows"]], abs=1e-6)
    assert set(answers["model_version"]) == {f"returns@{live['version']}"}


def test_a_row_gives_its_warehouse_and_the_rest_is_read_online(watched: Any) -> None:
    watched.system.post("/features/materialize", environment="production")
    watched.settle()
    order = watched.orders()[0].features
    found = watched.system.get("/features/warehouse_load/values", entity=f"warehouse={order['warehouse']}")
    values = {name: told["value"] for name, told in found["features"].items()}
    assert set(values) == {"load", "staff"}
    bare = {name: order[name] for name in DATATYPES if name not in values}
    url = watched.system.get("/status")["predict_url"]
    asked = {"rows": [bare, bare | values]}
    told = httpx.post(f"{url}/predict/returns", json=asked, timeout=60).raise_for_status().json()["rows"]
    assert told[0]["score"] == told[1]["score"]
    assert told[0]["features"] == {"warehouse_load": {"status": "PRESENT", "age": found["age"]}}
    assert told[1]["features"] == {"warehouse_load": {"status": "GIVEN", "age": None}}


def ask_on(client: Passengers, orders: list[Flight], enough: threading.Event) -> None:
    while not enough.is_set():
        client.ask(orders)


def champions(journey: Any) -> list[str]:
    [held] = [e["champions"] for e in journey.items("/environments") if e["environment"] == "production"]
    return list(held)
