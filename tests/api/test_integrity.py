"""The books prove themselves over HTTP, and name what contradicts itself."""

from __future__ import annotations

from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.api.conftest import Client

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TAMPERINGS = {
    "the account's stored balance is not the sum of its postings": (
        "update accounts set posted_credits = posted_credits + 1, posted_debits = posted_debits + 1 where id = $1",
        "update postings set amount = amount + 1 where account_id = $1 and account_version = 1",
        "update accounts set held = 1 where id = $1",
    ),
    "the account's version is not the number of its postings": (
        "delete from postings where account_id = $1 and account_version = 2",
        "update accounts set version = version + 1 where id = $1",
    ),
    "the account's head is not the hash of its last posting": (
        "update accounts set head = sha256(head) where id = $1",
        "update postings set hash = sha256(hash) where account_id = $1 and account_version = 3",
    ),
    "postings to an account that does not exist": ("delete from accounts where id = $1",),
}


async def integrity(client: Client) -> dict[str, Any]:
    answer = await client.get("/v1/integrity")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def account_with_history(client: Client) -> str:
    account = await client.open_account("a")
    await client.open_account("b")
    await client.deposit("a", "10")
    await client.transfer("a", "b", "1")
    await client.transfer("a", "b", "2")
    found: str = account["id"]
    return found


async def test_an_empty_ledger_is_intact(client: Client) -> None:
    found = await integrity(client)
    as_of = found.pop("as_of")
    assert as_of.endswith("Z")
    assert found == {"is_intact": True, "accounts": 0, "postings": 0, "breaks": []}


async def test_what_was_paid_is_intact(client: Client, stranger: Client) -> None:
    await account_with_history(client)
    found = await integrity(client)
    assert (found["is_intact"], found["accounts"], found["postings"], found["breaks"]) == (True, 3, 6, [])
    assert (await integrity(stranger))["postings"] == 0


@pytest.mark.parametrize(
    ("what", "statement"), [(what, statement) for what, statements in TAMPERINGS.items() for statement in statements]
)
async def test_a_touched_row_is_named(client: Client, superuser: Superuser, what: str, statement: str) -> None:
    account = await account_with_history(client)
    await superuser.execute("set session_replication_role = replica")  # which switches the guards off
    await superuser.execute(statement, account.removeprefix("acc_"))
    found = await integrity(client)
    assert found["is_intact"] is False
    assert (account, what) in [(one["account_id"], one["what"]) for one in found["breaks"]]


async def test_an_entry_out_of_balance_is_named(client: Client, superuser: Superuser) -> None:
    account = await account_with_history(client)
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute(
        "update postings set amount = amount + 1 where account_id = $1 and account_version = 2",
        account.removeprefix("acc_"),
    )
    entry = (await client.get("/v1/accounts/a/postings", params={"order": "asc"})).json()["data"][1]["journal_entry_id"]
    whats = [one["what"] for one in (await integrity(client))["breaks"]]
    assert f"the journal entry {entry} does not balance in USD" in whats
