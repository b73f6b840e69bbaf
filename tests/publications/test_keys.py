"""All that is told of a payment, a hold or a schedule bears one key, so that it keeps its order."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import Any

from tests.api.conftest import Client, fresh_key
from tests.publications.brokers import RedisEvents
from tests.publications.ground import publisher, running
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId


async def sent(client: Client, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = await client.post(path, body, key=fresh_key())
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_is_told_of_one_thing_has_the_account_of_who_paid_or_was_paid_by_a_deposit(
    database: Database, ledger_id: LedgerId, client: Client, redis_events: RedisEvents
) -> None:
    payer, payee = [(await client.open_account())["id"] for _ in range(2)]
    money = {"amount": "5.00", "currency": "USD", "from": payer, "to": payee}
    for amount in ("100.00", "20.00"):
        deposit = await client.deposit(payer, amount)
    await sent(client, f"/v1/payments/{deposit['id']}/refund", {"amount": "1.00"})
    paid = await sent(client, "/v1/payments", {"type": "transfer", **money})
    await sent(client, f"/v1/payments/{paid['id']}/refund", {"amount": "1.00"})
    disputed = await sent(client, "/v1/payments", {"type": "transfer", **money})
    dispute = await sent(client, f"/v1/payments/{disputed['id']}/dispute", {"reason": "fraud"})
    hold = await sent(client, "/v1/holds", money)
    await sent(client, f"/v1/holds/{hold['id']}/capture", {"amount": "2.00"})
    rent = {"type": "transfer", **money, "execute_at": "2030-01-01T00:00:00Z"}
    schedule = await sent(client, "/v1/scheduled-payments", rent)
    await sent(client, f"/v1/scheduled-payments/{schedule['id']}/cancel")
    wanted = {deposit["id"], paid["id"], dispute["id"], hold["id"], schedule["id"]}
    keys: dict[str, list[str]] = defaultdict(list)
    async with running(publisher(database, ledger_id, redis_events, topic=f"{redis_events.prefix}.payment", types="")):
        async with asyncio.timeout(20):
            while not wanted <= keys.keys() or len(keys[schedule["id"]]) < 2:
                await asyncio.sleep(0.05)
                keys.clear()
                for one in await redis_events.received():
                    keys[json.loads(one.body)["resource"]["id"]].append(one.key)
    assert {id_: set(found) for id_, found in keys.items() if id_ in wanted} == {id_: {payer} for id_ in wanted}
    assert len(keys[paid["id"]]) == len(keys[hold["id"]]) == 2
