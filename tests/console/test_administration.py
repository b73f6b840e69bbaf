"""Keys, the audit log, webhooks' settings and routing: secrets are shown once, and nobody hands on what he lacks."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.api.conftest import Client, make_client
from tests.console.conftest import Person, operator_in, shown
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

MARKUP = "<img src=x onerror=alert(1)>"
ADDRESS = "https://93.184.215.14/"


def secret_in(answer: httpx.Response, pattern: str) -> str:
    """Of a page that shows one: in no address, and kept by no browser."""
    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["cache-control"]
    found = re.search(rf"<code>({pattern})</code>", answer.text)
    assert found is not None, answer.text
    return found[1]


async def test_a_key_is_made_shown_once_good_and_revoked(service: Service, admin: Person, client: Client) -> None:
    asked = {"name": MARKUP, "scope.payments:read": "true", "networks": "127.0.0.0/8, 2001:db8::/32"}
    answer = await admin.act("/api-keys", reason="For the till", **asked)
    text = secret_in(answer, "zsk_[A-Za-z0-9_-]+")
    assert MARKUP not in answer.text
    page = await admin.page("/api-keys")
    assert text not in page
    for told in (shown(MARKUP), "127.0.0.0/8", "payments:read", "console|admin"):
        assert told in page
    assert MARKUP not in page
    rights = {"authorization": f"Bearer {text}"}
    assert (await client.http.get("/v1/payments", headers=rights)).status_code == 200
    assert (await client.http.get("/v1/audit-log", headers=rights)).status_code == 403
    key = next(one["id"] for one in (await client.get("/v1/api-keys")).json()["data"] if one["name"] == MARKUP)
    assert (await admin.act(f"/api-keys/{key}/revoke", reason="Lost")).status_code == 303
    assert "revoked" in await admin.page("/api-keys")
    log = await admin.page("/audit-log?type=console.acted")
    for told in ("make an API key", "For the till", "Lost", "console|admin"):
        assert told in log, told
    assert text not in await admin.page("/audit-log")


@pytest.mark.parametrize(
    "form",
    [
        {"name": "x"},
        {"name": "", "scope.payments:read": "true"},
        {"name": "x", "scope.operator": "true"},
        {"name": "x", "scope.everything": "true"},
        {"name": "x", "scope.admin": "true", "networks": "nowhere"},
        {"name": "x", "scope.admin": "true", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "scope.admin": "true", "expires_at": "soon"},
    ],
)
async def test_a_key_that_cannot_be_is_refused(admin: Person, form: dict[str, str]) -> None:
    assert (await admin.act("/api-keys", **form)).status_code in (400, 403, 422)


async def test_the_audit_log_is_filtered_and_shows_markup_as_text(admin: Person) -> None:
    await admin.act("/webhooks", url=ADDRESS, reason=MARKUP)
    page = await admin.page("/audit-log")
    assert shown(MARKUP) in page
    assert MARKUP not in page
    assert "make a webhook" not in await admin.page("/audit-log?type=api_key.revoked")
    assert "Nothing fits" in await admin.page("/audit-log?effective_from=2020-01-01&effective_to=2020-01-02")
    for query in ("type=lost", "effective_from=soon", "cursor=x", "ledger=1"):
        assert (await admin.get(f"/audit-log?{query}")).status_code in (400, 422), query


async def test_a_webhook_is_made_changed_switched_and_deleted(admin: Person, client: Client) -> None:
    assert "Make it" in await admin.page("/new-webhook")
    told = {"url": ADDRESS, "description": MARKUP, "event_types": "payment.*, hold.expired", "headers": "x-key: one\n"}
    first = secret_in(await admin.act("/webhooks", **told), "whsec_[A-Za-z0-9+/=]+")
    made = (await client.get("/v1/webhook-endpoints")).json()["data"][0]
    assert (made["url"], made["event_types"]) == (ADDRESS, ["payment.*", "hold.expired"])
    one = f"/webhooks/{made['id']}"
    page = await admin.page(f"{one}/settings")
    assert shown(MARKUP) in page
    assert MARKUP not in page
    assert "x-key" in page
    assert first not in page
    second = secret_in(await admin.act(f"{one}/rotate-secret", overlap_hours="1"), "whsec_[A-Za-z0-9+/=]+")
    assert second != first
    for act, form in (
        ("ping", {}),
        ("disable", {}),
        ("enable", {}),
        ("settings", {"url": ADDRESS, "event_types": "hold.expired"}),
    ):
        answer = await admin.act(f"{one}/{act}", **form)
        assert answer.status_code == 303, answer.text
    changed = (await client.get(f"/v1/webhook-endpoints/{made['id']}")).json()
    assert (changed["event_types"], changed["description"], changed["status"]) == (["hold.expired"], None, "enabled")
    assert (await admin.act(f"{one}/delete")).status_code == 303
    assert (await admin.get(f"{one}/settings")).status_code == 404


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"url": "http://127.0.0.1/"},
        {"url": ADDRESS, "event_types": "no.such"},
        {"url": ADDRESS, "headers": "no colon"},
        {"url": ADDRESS, "headers": "host: x"},
    ],
)
async def test_a_webhook_that_cannot_be_is_refused(admin: Person, form: dict[str, str]) -> None:
    assert (await admin.act("/webhooks", **form)).status_code in (400, 403, 422)


async def test_what_is_of_another_ledger_is_not_there(service: Service, admin: Person) -> None:
    other = await make_client(service, LedgerId((await service.services.ledgers.create("another")).id))
    made = (await other.post("/v1/webhook-endpoints", {"url": ADDRESS})).json()["id"]
    key = (await other.get("/v1/api-keys")).json()["data"][0]["id"]
    assert key not in await admin.page("/api-keys")
    assert (await admin.act(f"/api-keys/{key}/revoke")).status_code == 404
    assert (await admin.get(f"/webhooks/{made}/settings")).status_code == 404
    for act in ("enable", "disable", "ping", "rotate-secret", "delete"):
        assert (await admin.act(f"/webhooks/{made}/{act}")).status_code == 404, act
    assert (await other.get("/v1/api-keys")).status_code == 200
    await other.http.aclose()


async def test_routing_shows_a_ledger_its_own_routes_and_the_file_to_those_who_may_open_every_ledger(
    service: Service, ledger_id: LedgerId, admin: Person, client: Client
) -> None:
    version = service.services.live_processors.outside.version
    page = await admin.page("/routing")
    assert (version in page, "is shown to those who may open every ledger" in page) == (True, True)
    for kept in ("away", "There are no routes"):
        assert kept not in page, kept
    own = {"routes": [{"name": "ours", "processors": ["away"]}], "why": "a test"}
    (await client.http.put("/v1/routes", json=own)).raise_for_status()
    page = await admin.page("/routing?type=withdrawal&amount=12.50&currency=USD&account=alice")
    for told in ("routes of its own", "ours", "To <strong>away</strong>"):
        assert told in page, told
    operator = await operator_in(service, ledger_id)
    assert "away" in await operator.page("/routing")
    await operator.http.aclose()


async def test_routing_tells_processors_and_where_a_payment_would_go(service: Service, ledger_id: LedgerId) -> None:
    admin = await operator_in(service, ledger_id)
    page = await admin.page("/routing")
    assert "away" in page
    assert "There are no routes" in page
    asked = "type=withdrawal&amount=12.50&currency=USD&account=alice&metadata=a=b"
    assert "No route leads" in await admin.page(f"/routing?{asked}")
    for query in ("amount=much", "amount=1&type=transfer", "amount=1&metadata=x", "colour=red", f"amount={'1' * 41}"):
        assert (await admin.get(f"/routing?{query}")).status_code in (400, 422), query
    await admin.http.aclose()
