"""What `zerosum ingest` is told of inputs and places for outcomes: what is wrong is one line, and names no password."""

from __future__ import annotations

import pytest

from zerosum.cli.ingest_inputs import InputOptions, make_inputs, make_replies, read_senders
from zerosum.cli.talk import CommandFailed

OPTIONS = InputOptions(None, 65_536, 1_000)
SECRET = "s3cret-word"


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (["-"], ["stdin"]),
        (["redis://localhost/0?stream=payments"], ["redis"]),
        (["rediss://u:p@localhost?stream=payments&name=east"], ["east"]),
        (["nats://localhost:4222/PAYMENTS?subject=payments.in"], ["nats"]),
        (["amqp://u:p@localhost/vhost?queue=payments"], ["rabbitmq"]),
        (["kafka://u:p@one:9092,two:9092/payments,refunds?group=g"], ["kafka"]),
        (["tcp://127.0.0.1:7070", "tcp://[::1]:7071?name=other", "-"], ["tcp", "other", "stdin"]),
    ],
)
def test_addresses_make_inputs_with_names(texts: list[str], named: list[str]) -> None:
    assert [made.name for made in make_inputs(texts, OPTIONS)] == named


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        ([], "--from"),
        (["file:///tmp/x"], "inputs are"),
        (["nonsense"], "inputs are"),
        ([f"redis://u:{SECRET}@localhost/0"], "?stream="),
        ([f"redis://u:{SECRET}@localhost/0?stream=a&flow=b"], "'flow' is unknown"),
        ([f"redis://u:{SECRET}@localhost/0?stream=a&name=a%20b"], "a name has"),
        ([f"nats://u:{SECRET}@localhost:4222"], "which stream"),
        ([f"amqp://u:{SECRET}@localhost/"], "?queue="),
        ([f"kafka://u:{SECRET}@localhost:9092"], "which topics"),
        (["kafka://localhost:9092/a?session_ms=soon"], "session_ms is a number"),
        (["tcp://127.0.0.1"], "at which port"),
        (["tcp://0.0.0.0:7070"], "only from this machine"),
        (["tcp://example.com:7070"], "only from this machine"),
        (["redis://a?stream=a", "redis://b?stream=b"], "two inputs are called redis"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_in_one_line(texts: list[str], word: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        make_inputs(texts, OPTIONS)
    said = str(failed.value)
    assert word in said
    assert SECRET not in said
    assert "\n" not in said


def test_a_name_of_stdin_is_checked() -> None:
    with pytest.raises(CommandFailed, match="--name"):
        make_inputs(["-"], InputOptions("a b", 65_536, 1_000))


async def test_places_for_outcomes() -> None:
    assert make_replies(None) is None
    for text in ("-", "redis://localhost?stream=out", "nats://localhost?subject=out", "amqp://localhost?queue=out"):
        assert make_replies(text) is not None
    for text in ("tcp://127.0.0.1:1", "kafka://localhost:9092", "redis://localhost"):
        with pytest.raises(CommandFailed):
            make_replies(text)


def test_a_sender_is_said_once_of_an_input_that_there_is() -> None:
    inputs = make_inputs(["-"], InputOptions("orders", 65_536, 1_000))
    assert read_senders(["orders=oidc|ann=x"], inputs) == {"orders": "oidc|ann=x"}
    assert read_senders([], inputs) == {}
    for wrong in (["orders"], ["orders="], ["orders=a", "orders=b"], ["other=a"], ["orders=a\nb"]):
        with pytest.raises(CommandFailed, match="--sender"):
            read_senders(wrong, inputs)
