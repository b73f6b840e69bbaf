"""What `zerosum publish` is told of brokers and topics: what is wrong is one line, and names no password."""

from __future__ import annotations

import pytest

from zerosum.cli.publish_targets import PublishWords, make_orders
from zerosum.cli.talk import USAGE, CommandFailed


def test_a_url_says_what_is_published_and_the_options_say_the_rest() -> None:
    (order,) = make_orders(
        ["amqp://me:secret@host/shop?exchange=events&topic={type}&types=payment.*,hold.placed&name=out"],
        PublishWords(topic="other", key="ledger", begin="latest"),
    )
    publication = order.publication
    assert (publication.name, publication.key, publication.topic.text) == ("out", "ledger", "{type}")
    assert publication.target == "amqp://host/shop?exchange=events"
    assert publication.types == ("hold.placed", "payment.*")
    assert (order.only, order.begins_latest) == (None, True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ftp://me:secret@host", "kafka://"),
        ("kafka://me:secret@host:9092/topic", "--topic"),
        ("nats://me:secret@host/STREAM", "which stream"),
        ("redis://me:secret@host?stream=x", "unknown"),
        ("redis://me:secret@host?topic={account}", "{ledger}"),
        ("redis://me:secret@host?key=payer", "account, ledger, resource"),
        ("redis://me:secret@host?types=payment.flew", "no event"),
        ("redis://me:secret@host?name=a%20b", "64 letters"),
        ("redis://me:secret@host?begin=now", "beginning or latest"),
        ("redis://me:secret@host?ledger=main", "led_"),
        ("redis://me:12/secret@host/0", "%2F"),
        ("redis://me:12?secret@host/0", "%3F"),
        ("redis://me:12#secret@host/0", "%23"),
        ("kafka://me:a,b/secret@host:9092", "%2F"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_without_a_password(text: str, why: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        make_orders([text], PublishWords())
    said = str(refused.value)
    assert why in said
    assert "secret" not in said
    assert "\n" not in said
    assert refused.value.exit_code == USAGE


def test_two_of_one_name_and_none_at_all_are_refused() -> None:
    with pytest.raises(CommandFailed, match="two publications are called redis"):
        make_orders(["redis://one", "redis://two"], PublishWords())
    with pytest.raises(CommandFailed, match="ZEROSUM_PUBLISH_TO"):
        make_orders([], PublishWords())
