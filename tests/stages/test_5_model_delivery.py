"""Stage 5: a version goes live through its gate, by hot swap, and back at once."""

import threading
from typing import Any

from penstock.cli.demo.traffic import Flight, Passengers


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


def ask_on(client: Passengers, orders: list[Flight], enough: threading.Event) -> None:
    while not enough.is_set():
        client.ask(orders)


def champions(journey: Any) -> list[str]:
    [held] = [e["champions"] for e in journey.items("/environments") if e["environment"] == "production"]
    return list(held)
