"""A refund's life: from its payment to it, to its entries, its processor call, its events, and back."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from tests.api.conftest import Client, fresh_key
from tests.console.conftest import Person, shown
from tests.console.test_pages import paid
from tests.console.test_work import MARKUP, asked, done
from zerosum.domain.identifiers import LedgerId


async def refunded(client: Client, payment: str, **body: str) -> str:
    answer = await client.post(f"/v1/payments/{payment}/refund", body, key=fresh_key())
    assert answer.status_code in (201, 202), answer.text
    refund: str = answer.json()["id"]
    return refund


def links(page: str) -> set[str]:
    return set(re.findall(r'href="/console/led_[^/]+/([^"]+)"', page))


async def test_from_a_payment_to_its_refund_to_its_entry_and_event_and_back(admin: Person, client: Client) -> None:
    payment = await paid(client)
    refund = await refunded(client, payment, amount="2.00", reason=MARKUP)
    bare = refund.removeprefix("ref_")
    assert f"refunds/{refund}" in links(await admin.page(f"/payments/{payment}"))
    page = await admin.page(f"/refunds/{refund}")
    assert {f"payments/{payment}", f"journal/je_{bare}", f"events/evt_{bare}"} <= links(page)
    assert shown(MARKUP) in page
    assert MARKUP not in page
    for told in ("payment.refunded", "2.00", "succeeded"):
        assert told in page
    for back in (f"/journal/je_{bare}", f"/events/evt_{bare}"):
        found = links(await admin.page(back))
        assert f"refunds/{refund}" in found
        assert f"journal/je_{bare}" in found or back.startswith("/journal")


async def test_a_refund_that_a_processor_is_asked_for_shows_its_call_and_what_became_of_it(
    admin: Person, client: Client
) -> None:
    payment = await asked(client)
    said = {"outcome": "approved", "reason": "Seen there", "processor": "away"}
    await done(admin, f"/processor-calls/{payment}/settle", **said)
    refund = await refunded(client, payment, amount="3.00")
    page = await admin.page(f"/refunds/{refund}")
    assert f"processor-calls/{refund}" in links(page)
    assert "processing" in page
    assert f"refunds/{refund}" in links(await admin.page(f"/processor-calls/{refund}"))
    await done(admin, f"/processor-calls/{refund}/settle", outcome="declined", reason="Closed card", processor="away")
    page = await admin.page(f"/refunds/{refund}")
    for told in ("failed", "Closed card", "away: declined"):
        assert told in page
    entries = {link for link in links(page) if re.fullmatch(r"journal/je_[0-9a-f-]+", link)}
    assert len(entries) == 2, "that which proposed it, and that which settled it"
    life = await admin.page(f"/payments/{payment}")
    assert life.count(f"/refunds/{refund}") >= 3, "in the list, and at both of its entries"


async def test_a_refund_of_another_ledger_is_not_there(admin: Person, stranger: Client) -> None:
    refund = await refunded(stranger, await paid(stranger), amount="1.00")
    assert (await admin.get(f"/refunds/{refund}")).status_code == 404
    assert (await admin.get("/refunds/ref_1")).status_code == 422


async def test_where_a_webhook_goes_is_told_without_what_receivers_take_for_a_secret(
    admin: Person, client: Client, superuser: Any, ledger_id: LedgerId
) -> None:
    made = await client.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/in/s3cret?token=s3cret"})
    endpoint = UUID(made.json()["id"].removeprefix("we_"))
    payment = await paid(client)
    await superuser.execute(
        "insert into webhook_deliveries (ledger_id, endpoint_id, event_id, event_xid, type, resource_type, "
        "resource_id, status, next_at) select $1, $2, id, xid, type, resource_type, id, 'pending', now() "
        "from events where ledger_id = $1 and id = $3",
        ledger_id,
        endpoint,
        UUID(payment.removeprefix("pay_")),
    )
    page = await admin.page(f"/payments/{payment}")
    assert "https://hooks.example.com" in page
    assert "s3cret" not in page
