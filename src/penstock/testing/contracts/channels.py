"""What every channel does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from penstock.core.errors import InvalidValue, PenstockError, Unavailable
from penstock.core.events import Event
from penstock.testing.receiver import Receiver
from penstock.triggers.ports import Channel, Message

EVENT = Event(
    kind="gate.failed",
    subject="version:delay@3",
    time=datetime(2013, 3, 1, 12, tzinfo=UTC),
    project="flights",
    evidence={"environment": "production"},
    id=41,
)
MESSAGE = Message(
    delivery="d1",
    event=EVENT,
    chain="c1",
    source="http://penstock.example/flights",
    title="flights: gate failed: delay@3 in production",
    text="roc_auc is too low",
)
SECRET = "a-secret-path"  # noqa: S105 a made-up one


class ChannelContract:
    """Inherit, and give fixtures `channel`, a `receiver` behind it and the `address` with SECRET in it."""

    def test_what_is_told_arrives(self, channel: Channel, receiver: Receiver, address: str) -> None:
        channel.send(address, "", MESSAGE)
        [post] = receiver.posts
        assert MESSAGE.title.encode() in post.body
        assert MESSAGE.text.encode() in post.body

    def test_trouble_is_told_without_the_address(
        self, channel: Channel, receiver: Receiver, address: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        for status in (500, 404):
            receiver.trouble = [(status, {})]
            with pytest.raises(PenstockError) as refused:
                channel.send(address, "", MESSAGE)
            assert SECRET not in str(refused.value) + caplog.text

    def test_nobody_is_sent_elsewhere(self, channel: Channel, receiver: Receiver, address: str) -> None:
        receiver.trouble = [(307, {"Location": f"http://{receiver.host}/elsewhere"})]
        with pytest.raises(Unavailable):
            channel.send(address, "", MESSAGE)
        assert receiver.posts == []

    def test_a_receiver_that_is_gone_is_unavailable(
        self, channel: Channel, receiver: Receiver, address: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(Unavailable) as refused:
            channel.send(address.replace(receiver.host, "127.0.0.1:9"), "", MESSAGE)
        assert SECRET not in str(refused.value) + caplog.text

    def test_what_is_no_address_is_refused_without_showing_it(self, channel: Channel) -> None:
        with pytest.raises(InvalidValue) as refused:
            channel.send(f"nonsense-{SECRET}", "", MESSAGE)
        assert SECRET not in str(refused.value)
