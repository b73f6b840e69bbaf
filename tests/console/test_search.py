"""The search box: what people have in their hands when they ask, and that each finds it by an index."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tests.api.conftest import Client, fresh_key
from tests.console.conftest import Person, signed_in
from tests.console.test_reconciliation import told
from tests.console.test_work import disputed
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries import console_search
from zerosum.db.queries.console_search import called
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

OUTSIDE = "psp_4711/x"


async def leads_to(person: Person, text: str, *parts: str) -> None:
    """What is found is one thing, whose page this is."""
    found = await person.get("/search", params={"q": text})
    assert found.status_code == 303, found.text
    assert found.headers["location"] == "/".join((f"/console/{person.ledger}", *parts))
    if "?" not in parts[-1]:
        assert (await person.http.get(found.headers["location"])).status_code == 200


async def test_a_refused_request_is_found_by_its_key_and_says_why(admin: Person, client: Client) -> None:
    key = fresh_key()
    payer, payee = [(await client.open_account())["code"] for _ in range(2)]
    order = {"type": "transfer", "amount": "9.00", "currency": "USD", "from": payer, "to": payee}
    assert (await client.pay(order, key)).status_code == 422
    page = await admin.page("/search", params={"q": key})
    assert key in page
    assert "refused as insufficient_funds" in page


async def test_a_key_of_what_has_no_page_says_what_it_has_made(admin: Person, client: Client) -> None:
    key = fresh_key()
    made = await client.http.put("/v1/account-groups/shops", json={"members": ["**"]}, headers={"Idempotency-Key": key})
    assert made.status_code == 200, made.text
    page = await admin.page("/search", params={"q": key})
    assert "account group shops" in page
    assert "Nothing in this ledger" not in page


async def test_references_of_holds_and_of_scheduled_payments_are_found(admin: Person, client: Client) -> None:
    payer, payee = [(await client.open_account())["code"] for _ in range(2)]
    await client.deposit(payer, "50.00")
    held, later = f"held {fresh_key()}", f"later {fresh_key()}"
    order = {"amount": "9.00", "currency": "USD", "from": payer, "to": payee}
    hold = await client.post("/v1/holds", {**order, "reference": held}, key=fresh_key())
    assert hold.status_code == 201, hold.text
    await leads_to(admin, held, "holds", hold.json()["id"])
    plan = {**order, "type": "transfer", "execute_at": "2035-12-24T09:00:00Z", "reference": later}
    made = await client.post("/v1/scheduled-payments", plan, key=fresh_key())
    assert made.status_code == 201, made.text
    await leads_to(admin, later, "scheduled-payments", made.json()["id"])


async def test_a_dispute_is_found_by_the_provider_s_case(admin: Person, client: Client, superuser: Any) -> None:
    dispute, case = await disputed(client), f"case {fresh_key()}"
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute("update disputes set provider_case_id = $1 where id = $2", case, UUID(dispute[4:]))
    await superuser.execute("set session_replication_role = origin")
    await leads_to(admin, case, "disputes", dispute)


async def test_a_payment_is_found_by_what_its_processor_calls_it(
    admin: Person, client: Client, superuser: Any, ledger_id: LedgerId
) -> None:
    ids = [new_uuid(), new_uuid()]
    for id_, refunded in ((ids[0], None), (ids[1], ids[0])):
        await superuser.execute(
            "insert into processor_calls (ledger_id, id, processor, type, currency, amount, payer_id, payee_id, state, "
            "created_at, attempts, processor_payment_id, refunded_payment_id) values ($1, $2, 'acme', 'deposit', "
            "'USD', 1, gen_random_uuid(), gen_random_uuid(), 'parked', now(), 1, $3, $4)",
            ledger_id,
            id_,
            OUTSIDE if refunded is None else f"{OUTSIDE}-refund",
            refunded,
        )
    for name, path in ((OUTSIDE, f"pay_{ids[0]}"), (f"{OUTSIDE}-refund", f"ref_{ids[1]}")):
        found = await admin.get("/search", params={"q": name})
        assert found.headers["location"] == f"/console/{admin.ledger}/processor-calls/{path}"


async def test_endpoints_files_and_statements_are_found_by_their_ids(admin: Person, client: Client) -> None:
    endpoint = (await client.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/x"})).json()["id"]
    await leads_to(admin, endpoint, "webhooks", endpoint)
    file = await told(client)
    await leads_to(admin, file, "reconciliation", "files", file)
    account = await client.open_account()
    body = {"from": "2020-01-01", "to": "2020-02-01"}
    statement = await client.post(f"/v1/accounts/{account['id']}/statements", body, key=fresh_key())
    assert statement.status_code == 201, statement.text
    await leads_to(admin, statement.json()["id"], "accounts", account["id"], "statements", "1")


async def test_an_api_key_is_found_by_its_id_and_shown_alone(
    admin: Person, service: Service, ledger_id: LedgerId
) -> None:
    found = []
    for name in ("first", "second"):
        record, _ = await service.services.api_keys.create(ledger_id, name, ["payments:read"])
        found.append(f"key_{record.id}")
    await leads_to(admin, found[0], f"api-keys?key={found[0]}")
    page = await admin.page(f"/api-keys?key={found[0]}")
    assert (found[0] in page, found[1] in page) == (True, False)
    assert (await admin.get(f"/api-keys?key=key_{new_uuid()}")).status_code == 404


async def test_an_imported_file_is_found_by_its_name(admin: Person, superuser: Any, ledger_id: LedgerId) -> None:
    await superuser.execute("insert into imports values ($1, 'march.csv', '\\x00', now())", ledger_id)
    assert "imported at" in await admin.page("/search", params={"q": "march.csv"})


async def test_what_somebody_may_not_open_is_not_found(
    service: Service, client: Client, ledger_id: LedgerId, stranger: Client
) -> None:
    endpoint = (await client.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/x"})).json()["id"]
    record, _ = await service.services.api_keys.create(ledger_id, "a", ["payments:read"])
    theirs = (await stranger.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/x"})).json()["id"]
    viewer, admin = await signed_in(service, ledger_id, Role.VIEWER), await signed_in(service, ledger_id)
    for person, text in ((viewer, f"key_{record.id}"), (viewer, endpoint), (admin, theirs)):
        assert "Nothing in this ledger" in await person.page("/search", params={"q": text})
    for person in (viewer, admin):
        await person.http.aclose()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("_CALLS", "processor_calls_by_outside_id"),
        ("_DISPUTES", "disputes_case_unique"),
        ("_SCHEDULES", "scheduled_payments_by_reference"),
        ("_IMPORTS", "imports_pkey"),
    ],
)
async def test_names_of_the_outside_are_looked_up_by_their_index(
    database: Database, ledger_id: LedgerId, statement: str, index: str
) -> None:
    """However young the planner's statistics are."""
    asked = getattr(console_search, statement)
    explained = type(asked)(f"explain (format json) {asked.text}")
    async with database.work(ledger_id) as connection:
        await called(connection, ledger_id, "x", 20)
        plan = (await connection.execute(explained, {"ledger_id": ledger_id, "name": "x", "limit": 20})).scalar_one()
    assert f'"Index Name": "{index}"' in json.dumps(plan)
    assert "Seq Scan" not in json.dumps(plan)
