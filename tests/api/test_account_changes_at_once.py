"""Changes of one account at once: each is in its history, also one that another takes back in the same breath."""

from __future__ import annotations

import asyncio

from tests.api.conftest import Client
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger


async def test_what_is_changed_and_changed_back_at_once_is_told_and_recorded(
    neighbours: tuple[Client, Client], database: Database, ledger_id: LedgerId
) -> None:
    for code in ("named", "frozen"):
        await neighbours[0].open_account(code)
    for _ in range(5):
        calls = [
            client.http.patch("/v1/accounts/named", json={"name": name})
            for client in neighbours
            for name in ("x", "y", "x", "y")
        ]
        calls += [
            client.post(f"/v1/accounts/frozen/{verb}")
            for client in neighbours
            for verb in ("freeze", "unfreeze", "freeze")
        ]
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []
