"""The thinnest way through the console."""

from __future__ import annotations

from tests.api.conftest import Client
from tests.console.conftest import Person


async def test_who_has_come_by_the_link_sees_the_proof_and_the_payments(admin: Person, client: Client) -> None:
    account = await client.open_account()
    await client.deposit(account["code"], "12.50")
    assert "The trial balance is zero" in await admin.page("")
    assert "12.50" in await admin.page("/payments")
    assert (await admin.get("/console")).headers["location"] == f"/console/{admin.ledger}"
    nowhere = await admin.get("/console/nowhere/at/all")
    assert nowhere.status_code == 404
    assert "not_found" in nowhere.text
