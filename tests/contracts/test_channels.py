"""All channels keep the contract, each against a receiver of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator

import msgspec
import pytest

from penstock.adapters.forges.signatures import standard
from penstock.adapters.notices.apprise import Apprise
from penstock.adapters.notices.webhook import Webhook
from penstock.core.errors import Busy, InvalidValue, NotAllowed, Unavailable
from penstock.testing.contracts.channels import EVENT, MESSAGE, SECRET, ChannelContract
from penstock.testing.receiver import Receiver

NOW = 1_700_000_000
KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


class TestWebhook(ChannelContract):
    @pytest.fixture
    def channel(self) -> Webhook:
        return Webhook(timeout=0.5, now=lambda: NOW)

    @pytest.fixture
    def address(self, receiver: Receiver) -> str:
        return f"http://{receiver.host}/{SECRET}"

    def test_both_kinds_of_receivers_know_the_signature(
        self, channel: Webhook, receiver: Receiver, address: str
    ) -> None:
        channel.send(address, KEY, MESSAGE)
        [post] = receiver.posts
        assert standard(post.headers, post.body, KEY, NOW)
        assert not standard(post.headers, post.body + b" ", KEY, NOW)
        # as mlflow.webhooks.delivery: base64(HMAC-SHA256(secret, "delivery_id.timestamp.payload"))
        signed = hmac.new(KEY.encode(), b"d1.%d." % NOW + post.body, hashlib.sha256).digest()
        assert post.headers["x-mlflow-signature"] == f"v1,{base64.b64encode(signed).decode()}"

    def test_the_body_is_a_cloud_event_that_holds_a_cdevent(
        self, channel: Webhook, receiver: Receiver, address: str
    ) -> None:
        channel.send(address, "", MESSAGE)
        other = msgspec.structs.replace(EVENT, kind="alarm.raised", subject="alarm:2")
        channel.send(address, "", msgspec.structs.replace(MESSAGE, event=other))
        own, known = (msgspec.json.decode(post.body) for post in receiver.posts)
        assert receiver.posts[0].headers["content-type"].startswith("application/cloudevents+json")
        assert (own["specversion"], own["id"], own["type"], own["subject"]) == (
            "1.0",
            "d1",
            "dev.cdeventsx.penstock-gate.failed.0.1.0",
            "version:delay@3",
        )
        assert own["data"]["context"]["chainId"] == "c1"
        assert own["data"]["customData"]["event"]["id"] == 41
        assert known["type"] == known["data"]["context"]["type"] == "dev.cdevents.incident.detected.0.2.0"
        assert known["data"]["subject"]["content"]["environment"] == {"id": "production"}

    @pytest.mark.parametrize(
        ("status", "said", "error"),
        [
            (422, {}, InvalidValue),
            (410, {}, NotAllowed),
            (302, {"Location": "http://127.0.0.1:9"}, Unavailable),
            (503, {}, Unavailable),
        ],
    )
    def test_what_the_receiver_says_decides_whether_to_try_again(
        self,
        channel: Webhook,
        receiver: Receiver,
        address: str,
        status: int,
        said: dict[str, str],
        error: type,
    ) -> None:
        receiver.trouble = [(status, said)]
        with pytest.raises(error, match=str(status)):
            channel.send(address, "", MESSAGE)

    def test_a_receiver_that_wants_rest_gets_it_and_a_slow_one_is_given_up(
        self, channel: Webhook, receiver: Receiver, address: str
    ) -> None:
        receiver.trouble = [(429, {"Retry-After": "7"})]
        with pytest.raises(Busy) as busy:
            channel.send(address, "", MESSAGE)
        assert busy.value.seconds == 7
        receiver.trouble = [(429, {"Retry-After": "nan"})]
        with pytest.raises(Busy) as busy:
            channel.send(address, "", MESSAGE)
        assert busy.value.seconds == 60
        receiver.stuck = threading.Event()
        with pytest.raises(Unavailable, match="in time"):
            channel.send(address, "", MESSAGE)

    def test_an_answer_without_end_is_not_read(
        self, channel: Webhook, receiver: Receiver, address: str
    ) -> None:
        receiver.trouble = [(200, {"Content-Length": "1000000"})]
        channel.send(address, "", MESSAGE)
        assert len(receiver.posts) == 1

    def test_a_spoiled_key_is_refused(self, channel: Webhook, address: str) -> None:
        with pytest.raises(InvalidValue, match="spoiled") as refused:
            channel.send(address, "whsec_?", MESSAGE)
        assert "whsec_?" not in str(refused.value)


@pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")  # Apprise imports it
class TestApprise(ChannelContract):
    @pytest.fixture
    def channel(self) -> Apprise:
        return Apprise()

    @pytest.fixture
    def address(self, receiver: Receiver) -> str:
        return f"json://{receiver.host}/{SECRET}"
