"""Messages that are made up at random, or nearly right: each is an order or refused in words, and never a defect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.api.conftest import Client
from tests.fuzzing.examples import OFTEN
from tests.fuzzing.parsers import is_order
from tests.ingest.ground import desk_of
from tests.ingest.test_messages import message
from zerosum.api.messages import MessageDesk
from zerosum.main import Service

scalars = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-(2**70), 2**70),
    some.text(max_size=12),
    some.sampled_from(["deposit", "payment", "refund", "1.00", "1e3", "USD", "usd", "-1", "acc_x", "1.0"]),
)
anything = some.recursive(
    scalars,
    lambda inner: some.one_of(
        some.lists(inner, max_size=3), some.dictionaries(some.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = (
    *("command", "idempotency_key", "ledger", "schema_version", "type", "amount", "currency", "to", "from", "client"),
    *("tx", "data", "data_base64", "datacontenttype", "specversion", "source", "id", "metadata", "hold", "postings"),
)
SOUND: dict[str, Any] = {"command": "payment", "type": "deposit", "amount": "1.00", "currency": "USD", "to": "x"}
changed = some.dictionaries(some.sampled_from(NAMES), anything, max_size=5).map(lambda other: {**SOUND, **other})
events = some.builds(
    lambda data, other: {"specversion": "1.0", "source": "s", "id": "i", "type": "t", "data": data, **other},
    some.one_of(changed, anything),
    some.dictionaries(some.sampled_from(NAMES), anything, max_size=3),
)
headers = some.dictionaries(
    some.sampled_from(["ce-specversion", "ce-source", "ce-id", "ce-type", "content-type", "traceparent"]),
    some.one_of(some.text(max_size=12), some.sampled_from(["1.0", "application/json"])),
    max_size=4,
)


@pytest.fixture
def desk(service: Service, client: Client) -> MessageDesk:
    return desk_of(service, client)


@OFTEN
@given(content=some.one_of(changed, events, anything), given_headers=headers, is_named=some.booleans())
def test_whatever_json_is_sent_is_an_order_or_refused(
    desk: MessageDesk, content: Any, given_headers: dict[str, str], *, is_named: bool
) -> None:
    body = json.dumps(content).encode("utf-8", "surrogatepass")
    is_order(desk, message(body, is_named=is_named, headers=given_headers))


@OFTEN
@given(body=some.one_of(some.binary(max_size=60), some.text('{}[]":,0123456789.eE+-truefalsn\\u ', max_size=60)))
def test_whatever_bytes_are_sent_are_an_order_or_refused(desk: MessageDesk, body: bytes | str) -> None:
    is_order(desk, message(body.encode() if isinstance(body, str) else body, headers={}))
