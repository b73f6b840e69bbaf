"""Growth for nothing: what one ledger may take up, and what makes room again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.api.conftest import fresh_key, make_client, service_settings
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from zerosum.adapters import clock
from zerosum.domain.errors import QuotaExceeded
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.background.refusal_purge import RefusalPurge
from zerosum.services.requests.quotas import COUNT_SECONDS, NEAR_SECONDS, CountedQuota, RefusalQuota

Limited = Callable[..., Any]


@pytest.fixture
def limited(test_database: TestDatabase, servers: Servers) -> Limited:
    @asynccontextmanager
    async def running(**settings: Any) -> AsyncIterator[Service]:
        made = Service(service_settings(test_database, servers, workers=1, **settings))
        await made.start()
        try:
            yield made
        finally:
            await made.stop()

    return running


async def test_a_ledger_has_so_many_accounts_however_they_are_opened(limited: Limited, ledger_id: LedgerId) -> None:
    async with limited(accounts_per_ledger=3) as service:
        client = await make_client(service, ledger_id)
        await client.open_account("a")
        await client.deposit("a", "1")  # opens the clearing account
        await client.open_account("b")
        body = {"code": "c", "currency": "USD", "type": "liability"}
        refused(
            await client.post("/v1/accounts", body),
            409,
            "quota_exceeded",
            facts={"quota": "accounts", "quota_limit": 3},
        )
        deposit = {"type": "deposit", "amount": "1", "currency": "EUR", "to": "a"}
        assert (await client.pay(deposit)).status_code in (409, 422)
        row = {"type": "deposit", "client": 1, "tx": 1, "amount": "1.0"}
        refused(await client.post("/v1/transactions", row, key=fresh_key()), 409, "quota_exceeded")
        rule = {"pattern": "customers:*", "type": "liability"}
        assert (await client.http.put("/v1/chart", json={"rules": [rule]})).status_code == 200
        refused(await client.transfer("a", "customers:new", "1"), 409, "quota_exceeded")
        await client.deposit("a", "1")
        await client.http.aclose()


async def test_a_ledger_has_so_many_subjects_and_what_is_refused_makes_them_too(
    limited: Limited, ledger_id: LedgerId
) -> None:
    async with limited(subjects_per_ledger=2) as service:
        client = await make_client(service, ledger_id)
        await client.open_account("a")
        deposit = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}
        said = [{**deposit, "personal": {"subject": f"s-{n}", "members": {"name": "Ada"}}} for n in range(3)]
        assert (await client.pay(said[0])).status_code == 201
        refused(await client.pay({**said[1], "to": "nobody"}), 422, "account_not_found", members={"account"})
        facts = {"quota": "subjects", "quota_limit": 2}
        refused(await client.pay(said[2]), 409, "quota_exceeded", "/personal/subject", facts=facts)
        items = [{**one, "idempotency_key": fresh_key()} for one in (said[2], said[2], said[1], deposit)]
        answer = await client.post("/v1/payments/bulk", {"items": items}, params={"mode": "independent"})
        results = answer.json()["results"]
        assert [one["status"] for one in results] == [409, 409, 201, 201]
        assert [[fault["pointer"] for fault in one["problem"]["errors"]] for one in results[:2]] == [
            [f"/items/{place}/personal/subject"] for place in range(2)
        ]
        await client.http.aclose()


async def test_a_ledger_has_so_many_good_keys_and_revoking_makes_room(limited: Limited, ledger_id: LedgerId) -> None:
    async with limited(api_keys_per_ledger=2) as service:
        client = await make_client(service, ledger_id)
        body = {"ledger": client.ledger, "name": "k", "scopes": ["accounts:read"]}
        made = await client.post("/v1/api-keys", body)
        assert made.status_code == 201
        refused(await client.post("/v1/api-keys", body), 409, "quota_exceeded", members={"quota"})
        assert (await client.http.delete(f"/v1/api-keys/{made.json()['id']}")).status_code < 300
        assert (await client.post("/v1/api-keys", body)).status_code == 201
        await client.http.aclose()


async def test_refusals_beyond_the_quota_are_not_recorded_and_good_payments_go_on(
    limited: Limited, ledger_id: LedgerId
) -> None:
    async with limited(refusals_per_ledger_and_day=2) as service:
        client = await make_client(service, ledger_id)
        for code in ("a", "b"):
            await client.open_account(code)
        kept = [fresh_key() for _ in range(2)]
        for key in kept:
            refused(await client.transfer("a", "b", "5", key), 422, "insufficient_funds")
        late = fresh_key()
        problem = refused(await client.transfer("a", "b", "5", late), 429, "rate_limited")
        assert problem["limit"] == "refusals"
        await client.deposit("a", "5")
        assert (await client.transfer("a", "b", "5", late)).status_code == 201, "nothing was recorded under the key"
        again = await client.transfer("a", "b", "5", kept[0])
        assert again.headers["idempotency-replayed"] == "true"
        refused(again, 422, "insufficient_funds")
        await client.http.aclose()


async def test_old_refusals_make_room_and_young_ones_stay(
    limited: Limited, ledger_id: LedgerId, test_database: TestDatabase
) -> None:
    async with limited() as service:
        client = await make_client(service, ledger_id)
        for code in ("a", "b"):
            await client.open_account(code)
        keys = [fresh_key() for _ in range(2)]
        for key in keys:
            await client.transfer("a", "b", "5", key)
        now = clock.now()
        young = RefusalPurge(service.database, lambda: now + timedelta(days=29), 30)
        assert await young.run_once() == 0
        # The time of the database decides whether they may go, not ours.
        assert await RefusalPurge(service.database, lambda: now + timedelta(days=31), 30).run_once() == 0
        await _age(test_database, ledger_id, keys[0])
        assert await RefusalPurge(service.database, lambda: now, 30).run_once() == 1
        assert (await client.get(f"/v1/idempotency-keys/{keys[0]}")).status_code == 404
        assert (await client.get(f"/v1/idempotency-keys/{keys[1]}")).status_code == 200
        await client.http.aclose()


async def _age(test_database: TestDatabase, ledger_id: LedgerId, key: str) -> None:
    """As a superuser who takes the guards away, as nobody else can."""
    connection = await asyncpg.connect(test_database.superuser_dsn)
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(
            "update refusals set created_at = now() - interval '31 days' where ledger_id = $1 and idempotency_key = $2",
            ledger_id,
            key,
        )
    finally:
        await connection.close()


async def test_not_even_the_superuser_deletes_refusals_in_any_other_way(
    limited: Limited, ledger_id: LedgerId, test_database: TestDatabase
) -> None:
    async with limited() as service:
        client = await make_client(service, ledger_id)
        for code in ("a", "b"):
            await client.open_account(code)
        key = fresh_key()
        await client.transfer("a", "b", "5", key)
        await client.http.aclose()
    connection = await asyncpg.connect(test_database.superuser_dsn)
    try:
        for statement in ("set zerosum.purging = 'on'", "set zerosum.purging = ''"):
            await connection.execute(statement)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("delete from refusals where idempotency_key = $1", key)
    finally:
        await connection.close()


async def test_accounts_are_counted_seldom_until_the_quota_is_near() -> None:
    time = [0.0]
    counted = 0
    there = 50

    async def count() -> int:
        nonlocal counted
        counted += 1
        return there

    quota = CountedQuota("accounts", 100, lambda: time[0])
    for _ in range(41):
        await quota.take("a", 1, count)
    assert counted == 1
    time[0] += NEAR_SECONDS + 1
    there = 95
    await quota.take("a", 1, count)
    assert counted == 2
    with pytest.raises(QuotaExceeded):
        await quota.take("a", 10, count)
    await quota.take("b", 1, count)
    time[0] += COUNT_SECONDS + 1
    there = 10
    await quota.take("a", 10, count)
    assert counted == 4


def test_the_quota_of_refusals_begins_anew_each_day_and_is_shared_by_processes() -> None:
    quota = RefusalQuota(4, processes=2)
    evening = datetime(2026, 11, 28, 23, 59, tzinfo=UTC)
    assert [quota.take("a", evening) for _ in range(2)] == [None, None]
    refusal = quota.take("a", evening)
    assert refusal is not None
    assert refusal.facts["retry_after"] == 60
    assert quota.take("b", evening) is None
    assert quota.take("a", evening + timedelta(minutes=2)) is None
