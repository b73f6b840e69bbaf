"""Deliveries that are signed as the service signs them, and all that is not."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from zerosum.client import WebhookRefused, verify_webhook

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2Vjb25kLXNlY3JldC1vZi0yNC1ieXRl"
EVENT = {
    "id": "evt_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1",
    "type": "payment.succeeded",
    "created_at": "2026-11-21T09:30:00.000000Z",
    "ledger": "led_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1",
    "resource": {"type": "payment", "id": "pay_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1"},
    "account_versions": {"acc_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1": 7},
    "data": {"amount": "12.34"},
}
BODY = json.dumps(EVENT)
AT = 1_770_000_000


def headers(*secrets: str, body: str = BODY, at: int = AT) -> dict[str, str]:
    """As a library of the standard signs, with each of the secrets."""
    signatures = [Webhook(one).sign("evt_1", datetime.fromtimestamp(at, tz=UTC), body) for one in secrets]
    return {"Webhook-Id": "evt_1", "webhook-timestamp": str(at), "webhook-signature": " ".join(signatures)}


def test_an_event_is_believed_by_any_signature_that_fits_while_secrets_rotate() -> None:
    event = verify_webhook(BODY.encode(), headers(OLD), OLD, at=AT)
    assert (event.id, event.resource.type, event.data["amount"]) == (EVENT["id"], "payment", "12.34")
    assert verify_webhook(BODY, headers(OLD, NEW), NEW, at=AT) == event  # the service still signs with both
    assert verify_webhook(BODY, headers(NEW), [OLD, NEW], at=AT) == event  # we still know both
    assert verify_webhook(BODY, headers(OLD, at=AT - 300), OLD, at=AT) == event
    assert verify_webhook(BODY, headers(OLD, at=int(time.time())), OLD) == event


@pytest.mark.parametrize(
    ("body", "given", "secrets"),
    [
        (BODY, headers(NEW), [OLD]),
        (BODY, headers(OLD), []),
        (BODY.replace("12.34", "99.34"), headers(OLD), [OLD]),
        (BODY, headers(OLD, at=AT - 301), [OLD]),
        (BODY, headers(OLD, at=AT + 301), [OLD]),
        (BODY, {**headers(OLD), "webhook-timestamp": "now"}, [OLD]),
        (BODY, {**headers(OLD), "webhook-timestamp": str(AT - 1)}, [OLD]),
        (BODY, {**headers(OLD), "Webhook-Id": "evt_2"}, [OLD]),
        (BODY, {**headers(OLD), "webhook-signature": headers(OLD)["webhook-signature"].replace("v1,", "v2,")}, [OLD]),
        (BODY, {**headers(OLD), "webhook-signature": "ü"}, [OLD]),
        (BODY, {**headers(OLD), "webhook-signature": "v1,\udcff"}, [OLD]),
        (BODY, {**headers(OLD), "Webhook-Id": "evt_\udcff"}, [OLD]),
        (BODY, {"webhook-id": "evt_1"}, [OLD]),
        ("{", headers(OLD, body="{"), [OLD]),
    ],
    ids=[
        "another secret", "no secret", "changed", "too old", "too new", "no time", "another time", "another id",
        "version", "no signature", "a signature in no signs", "an id in no signs", "headers", "no JSON",
    ],
)  # fmt: skip
def test_all_else_is_refused(body: str, given: dict[str, str], secrets: list[str]) -> None:
    with pytest.raises(WebhookRefused):
        verify_webhook(body, given, secrets, at=AT)


def test_however_many_signatures_a_stranger_sends_the_body_is_hashed_once_a_secret() -> None:
    body, many = "x" * 4_000_000, " ".join(["v1,aaaa"] * 5_000)
    begun = time.process_time()
    with pytest.raises(WebhookRefused):
        verify_webhook(body, {**headers(OLD), "webhook-signature": many}, [OLD, NEW], at=AT)
    assert time.process_time() - begun < 5, "and not for each of them"


def test_a_secret_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        verify_webhook(BODY, headers(OLD), "whsec_?", at=AT)
