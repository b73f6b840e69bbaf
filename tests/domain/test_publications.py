"""What a publication may be, and what an event is keyed by."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.events import EventType
from zerosum.domain.publications import (
    OutgoingMessage,
    Publication,
    PublicationKey,
    PublicationUnfit,
    TopicTemplate,
    key_of,
    runs_of_distinct_keys,
)


def test_a_template_names_the_ledger_the_type_and_the_kind_of_the_resource() -> None:
    template = TopicTemplate.parse("zerosum.{ledger}.{resource}.{type}")
    assert template.rendered(ledger="led_1", type="payment.succeeded", resource="payment") == (
        "zerosum.led_1.payment.payment.succeeded"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("zerosum.{account}", "there are {ledger}, {type}, {resource}"),
        ("zerosum.{type!r}", "there are"),
        ("zerosum.{}", "there are"),
        ("zerosum.{type", "braces"),
        ("zero sum", "braces"),
        ("zerosum.*", "braces"),
        ("zerosum.>", "braces"),
        ("zerosüm", "braces"),
        ("", "not empty"),
        ("zerosum..{type}", "not empty"),
        (".{type}", "not empty"),
        ("{type}.", "not empty"),
        ("x" * 220 + "{type}", "249 characters"),
    ],
)
def test_a_template_that_some_broker_could_not_take_is_refused(text: str, why: str) -> None:
    with pytest.raises(PublicationUnfit) as refused:
        TopicTemplate.parse(text)
    assert why in str(refused.value)


def test_a_publication_has_a_name_and_types_that_there_are() -> None:
    given_ = {"target": "redis://here", "topic": TopicTemplate("t"), "key": PublicationKey.LEDGER}
    made: Any = Publication
    for name, types in (("", ()), ("a b", ()), ("x" * 65, ()), ("a", ("payment.flew",)), ("a", ("pay*",))):
        with pytest.raises(PublicationUnfit):
            made(name=name, types=types, **given_)
    found = made(name="a", types=("payment.*", "hold.placed"), **given_).wanted_types()
    assert found == {one.value for one in EventType if one.value.startswith("payment.")} | {"hold.placed"}
    assert {"payment.succeeded", "payment.failed"} < found
    assert made(name="a", **given_).wanted_types() == frozenset(), "all, those of later versions too"


def event(kind: str, data: dict[str, Any], **members: Any) -> dict[str, Any]:
    resource = {"type": kind, "id": f"{kind}_1"}
    return {"ledger": "led_1", "resource": resource, "account_versions": {}, "data": data, **members}


PAID = {"type": "transfer", "from": "acc_a", "to": "acc_b"}


@pytest.mark.parametrize(
    ("told", "key"),
    [
        (event("payment", PAID), "acc_a"),
        (event("payment", PAID | {"type": "deposit"}), "acc_b"),
        (event("hold", {"from": "acc_a", "to": "acc_b"}), "acc_a"),
        (event("statement", {"account_id": "acc_c"}), "acc_c"),
        (event("account", {"id": "acc_x"}), "account_1"),
        (event("journal_entry", {}, account_versions={"acc_z": 3, "acc_a": 9}), "acc_z"),
        (event("house_rules", {}), "house_rules/house_rules_1"),
    ],
)
def test_an_event_is_keyed_by_the_account_it_is_about(told: dict[str, Any], key: str) -> None:
    assert key_of(told, PublicationKey.ACCOUNT) == key
    assert key_of(told, PublicationKey.ACCOUNT, {**PAID, "from": "acc_q"}) in ("acc_q", "account_1")
    assert key_of(told, PublicationKey.LEDGER) == "led_1"
    assert key_of(told, PublicationKey.RESOURCE) == f"{told['resource']['type']}/{told['resource']['id']}"


@given(st.lists(st.sampled_from("abcd"), max_size=40))
def test_a_run_has_each_key_once_and_all_of_them_are_the_whole(keys: list[str]) -> None:
    messages = [
        OutgoingMessage(id=str(place), topic="t", key=key, body=b"", attributes={}) for place, key in enumerate(keys)
    ]
    runs = runs_of_distinct_keys(messages)
    assert [one for run in runs for one in run] == messages
    for run in runs:
        assert len({one.key for one in run}) == len(run)
