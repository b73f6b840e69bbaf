"""What the pages show, and how they answer what cannot be."""

from __future__ import annotations

import csv
import io
import re

import pytest

from tests.api.conftest import Client, fresh_key
from tests.console.conftest import Person, shown, signed_in
from zerosum.console.pages.payments_csv import COLUMNS
from zerosum.db.identifiers import new_uuid
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.main import Service
from zerosum.services.requests.caller import Caller

MARKUP = "<script>alert('a\"b')</script>&amp;{{ 7*7 }}<img src=x onerror=alert(1)>"


async def paid(client: Client, **members: str) -> str:
    payer, payee = [(await client.open_account())["code"] for _ in range(2)]
    await client.deposit(payer, "100.00")
    order = {"type": "transfer", "amount": "12.34", "currency": "USD", "from": payer, "to": payee, **members}
    answer = await client.pay(order)
    assert answer.status_code == 201, answer.text
    payment: str = answer.json()["id"]
    return payment


async def test_the_first_line_is_the_proof(admin: Person, client: Client) -> None:
    await paid(client)
    page = await admin.page("")
    assert "The trial balance is zero" in page or "The books prove" in page
    assert (await admin.get("/console")).headers["location"] == f"/console/{admin.ledger}"
    times, rates = (await admin.get("/overview/series")).json()
    assert len(times) == len(rates) > 0
    assert sum(rates) > 0
    assert "2" in await admin.page("/overview/live")


async def test_who_may_not_see_dead_letters_is_not_told_that_there_are_none(
    service: Service, ledger_id: LedgerId
) -> None:
    operator = await signed_in(service, ledger_id, Role.OPERATOR)
    try:
        page = await operator.page("")
    finally:
        await operator.http.aclose()
    assert "no dead letters" not in page
    assert "told to administrators alone" in page


async def test_what_needs_a_hand_is_told(admin: Person, client: Client) -> None:
    assert "Nothing waits" in await admin.page("")
    payment = await paid(client)
    answer = await client.post(f"/v1/payments/{payment}/dispute", {"reason": "Not received"}, key=fresh_key())
    assert answer.status_code == 201, answer.text
    assert re.search(r"open disputes.*<strong>1</strong>", await admin.page(""), re.DOTALL)


async def test_the_life_of_a_payment_is_told_whole(admin: Person, client: Client) -> None:
    key = fresh_key()
    payer, payee = [(await client.open_account())["code"] for _ in range(2)]
    await client.deposit(payer, "100.00")
    hold = (
        await client.post(
            "/v1/holds", {"from": payer, "to": payee, "amount": "50.00", "currency": "USD"}, key=fresh_key()
        )
    ).json()
    captured = (await client.post(f"/v1/holds/{hold['id']}/capture", {"amount": "40.00"}, key=key)).json()
    payment = captured["payment_ids"][0]
    refund = (
        await client.post(f"/v1/payments/{payment}/refund", {"amount": "5.00", "reason": "Cold"}, key=fresh_key())
    ).json()
    dispute = (
        await client.post(
            f"/v1/payments/{payment}/dispute", {"reason": "Stolen card", "amount": "20.00"}, key=fresh_key()
        )
    ).json()
    page = await admin.page(f"/payments/{payment}")
    for told in (payment, key, hold["id"], refund["id"], "Cold", dispute["id"], "Stolen card", payer, payee,
                 "hold.captured", "payment.refunded", "dispute.opened", "40.00", "5.00", "20.00"):  # fmt: skip
        assert told in page, told
    entry = (await client.get(f"/v1/journal-entries/{payment.replace('pay_', 'je_')}")).json()
    assert entry["actor"] in page
    assert len(re.findall(r"<code>[0-9a-f]{64}</code>", page)) >= 8, "a hash for each line, and the fingerprints"


async def test_of_which_trace_a_payment_was_a_part_is_told(admin: Person, client: Client) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    account = (await client.open_account())["code"]
    body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": account}
    parent = {"traceparent": f"00-{trace}-00f067aa0ba902b7-00"}
    payment = (await client.post("/v1/payments", body, key=fresh_key(), headers=parent)).json()
    (entry,) = payment["journal_entry_ids"]
    for path in (f"/payments/{payment['id']}", f"/journal/{entry}"):
        assert trace in await admin.page(path), path


async def test_a_payment_that_is_not_there_is_told_so(admin: Person) -> None:
    unknown = await admin.get(f"/payments/pay_{new_uuid()}")
    assert unknown.status_code == 404
    assert "payment_not_found" in unknown.text


async def test_what_people_have_written_is_shown_as_text(admin: Person, client: Client) -> None:
    metadata = {"note": MARKUP}
    payment = await paid(client, reference=MARKUP, description=MARKUP, metadata=metadata)  # type: ignore[arg-type]
    await client.post(f"/v1/payments/{payment}/refund", {"amount": "1.00", "reason": MARKUP}, key=fresh_key())
    await client.post(f"/v1/payments/{payment}/dispute", {"amount": "1.00", "reason": MARKUP}, key=fresh_key())
    searched = await admin.page("/search", params={"q": MARKUP + "x"})
    pages = [await admin.page(f"/payments/{payment}"), await admin.page("/payments"), searched]
    for page in pages:
        assert shown(MARKUP) in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "49" not in shown(MARKUP)


@pytest.mark.parametrize("what", ["payment", "refund", "dispute", "reference", "key", "account", "bare", "event"])
async def test_one_box_finds_everything(admin: Person, client: Client, what: str) -> None:
    key, reference = fresh_key(), f"order {fresh_key()}"
    payer, payee = [(await client.open_account())["code"] for _ in range(2)]
    await client.deposit(payer, "100.00")
    order = {
        "type": "transfer",
        "amount": "9.00",
        "currency": "USD",
        "from": payer,
        "to": payee,
        "reference": reference,
    }
    payment = (await client.pay(order, key)).json()["id"]
    refund = await client.post(f"/v1/payments/{payment}/refund", {"amount": "1.00"}, key=fresh_key())
    dispute = await client.post(f"/v1/payments/{payment}/dispute", {"reason": "x", "amount": "1.00"}, key=fresh_key())
    asked = {
        "payment": payment.upper().replace("PAY_", "pay_"),
        "refund": refund.json()["id"],
        "dispute": dispute.json()["id"],
        "reference": reference,
        "key": key,
        "account": payee,
        "bare": payment.removeprefix("pay_"),
        "event": payment.replace("pay_", "evt_"),
    }[what]
    found = await admin.get("/search", params={"q": f"  {asked} "})
    leads = found.headers.get("location", "") if found.status_code == 303 else found.text
    named = "/accounts/acc_" if what == "account" else payment.removeprefix("pay_")
    assert named in leads, found.text


async def test_nothing_of_another_ledger_is_found(admin: Person, stranger: Client) -> None:
    payment = await paid(stranger, reference="theirs")
    assert (await admin.get(f"/payments/{payment}")).status_code == 404
    for text in (payment, "theirs", payment.removeprefix("pay_")):
        assert "Nothing in this ledger" in await admin.page("/search", params={"q": text})
    assert "theirs" not in await admin.page("/payments")


async def test_filters_stand_in_the_address_and_pages_go_by_key(admin: Person, client: Client) -> None:
    payer, payee = [(await client.open_account())["code"] for _ in range(2)]
    await client.deposit(payer, "100.00")
    items = [
        {"type": "transfer", "amount": "1.00", "currency": "USD", "from": payer, "to": payee, "reference": f"n{number}",
         "idempotency_key": fresh_key()}
        for number in range(55)
    ]  # fmt: skip
    assert (await client.post("/v1/payments/bulk", {"items": items})).status_code == 200
    page = await admin.page("/payments", params={"type": "transfer", "reference": "", "account": payee})
    assert page.count("<tr>") == 51
    link = re.search(r'rel="next" href="([^"]+)"', page)
    assert link is not None
    rest = await admin.page(link[1].replace("&amp;", "&"))
    assert rest.count("<tr>") == 6
    assert 'rel="next"' not in rest
    assert "No payment fits" in await admin.page("/payments", params={"status": "refunded"})


async def test_the_table_for_spreadsheets_holds_no_formula(admin: Person, client: Client) -> None:
    payment = await paid(client, reference="=1+1")
    answer = await admin.get("/payments.csv", params={"type": "transfer"})
    assert answer.headers["content-disposition"] == 'attachment; filename="payments.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert tuple(row) == COLUMNS
    assert (row["id"], row["amount"], row["reference"]) == (payment, "12.34", "'=1+1")
    log = (await client.get("/v1/audit-log", params={"type": "console.viewed", "ledger": client.ledger})).json()["data"]
    assert [(one["actor"], one["resource"]) for one in log] == [("console|admin", "payments.csv")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/payments?odd=1", 422),
        ("/payments?type=a&type=b", 422),
        ("/payments?cursor=made-up", 400),
        ("/payments?effective_from=yesterday", 422),
        ("/payments?effective_from=2026-02-01&effective_to=2026-01-01", 422),
        ("/payments?status=odd", 422),
        ("/payments?type=odd", 422),
        ("/payments?account=%20/", 422),
        ("/payments?reference=%00", 422),
        ("/payments?currency=%ff", 422),
        ("/payments/pay_x", 422),
        ("/payments/%2e%2e", 404),
        ("/search?q=" + "x" * 300, 422),
        ("/search?q=pay_", 200),
        ("/search?q=%00", 422),
        ("/console/led_x", 422),
        ("/console/static/..%2fconsole.py", 404),
    ],
)
async def test_what_cannot_be_is_told_clearly_and_is_never_a_failure(admin: Person, path: str, status: int) -> None:
    answer = await admin.get(path)
    assert answer.status_code in (status, 400 if status == 422 else status), answer.text
    assert answer.status_code < 500
    if status >= 400:
        assert "<code>" in answer.text, "the code of the refusal"


async def test_a_look_at_somebody_s_data_is_told_once_an_hour(service: Service, admin: Person, client: Client) -> None:
    ledger = LedgerId(parse_id(Prefix.LEDGER, admin.ledger))
    caller = Caller(ledger, "console|ann")
    for _ in range(3):
        await service.console.viewings.note(caller, "acc_1")
    service.console.viewings._seen.clear()  # another process
    await service.console.viewings.note(caller, "acc_1")
    await service.console.viewings.note(caller, "acc_2")
    log = (await client.get("/v1/audit-log", params={"type": "console.viewed", "ledger": client.ledger})).json()["data"]
    assert [(one["actor"], one["resource"]) for one in log] == [("console|ann", "acc_2"), ("console|ann", "acc_1")]
