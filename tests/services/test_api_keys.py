"""API keys from their making to their end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tests.services.fresh_database import make_ledger
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.domain.errors import ApiKeyNotFound, LedgerNotFound, ValidationFailed
from zerosum.domain.identifiers import SERVICE_LEDGER, ApiKeyId, LedgerId
from zerosum.services.credentials import api_key_text, base64url
from zerosum.services.credentials.api_keys import ApiKeys

PEPPER = bytes(range(32))


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class CountedDatabase(Database):
    """Counts the units of work that are opened."""

    def __init__(self, database: Database) -> None:
        super().__init__(database._engine)
        self.count = 0

    def work(self, *ledger_ids: object):  # type: ignore[no-untyped-def]
        self.count += 1
        return super().work(*ledger_ids)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api_keys(database: Database, clock: Clock) -> ApiKeys:
    return ApiKeys(database, PEPPER, clock)


async def test_a_new_key_is_accepted(api_keys: ApiKeys, ledger_id: LedgerId, clock: Clock) -> None:
    record, text = await api_keys.create(ledger_id, "till", ["payments:write", "accounts:read", "accounts:read"])
    assert record.scopes == ("accounts:read", "payments:write")
    assert (record.ledger_id, record.name, record.created_at) == (ledger_id, "till", clock.now)
    assert await api_keys.authenticate(text) == record


async def test_the_text_of_a_key_is_kept_nowhere(
    api_keys: ApiKeys, ledger_id: LedgerId, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    record, text = await api_keys.create(ledger_id, "till", ["payments:write"])
    row = await superuser.fetchrow("select k.*, k::text as everything from api_keys k where id = $1", record.id)
    assert row is not None
    assert row["secret_hash"] == api_key_text.hash_secret(PEPPER, text)
    secret = base64url.decode(text[4:])[32:64]
    assert secret.hex() not in row["everything"]
    assert text[4:] not in row["everything"]


async def test_a_key_of_a_ledger_that_does_not_exist_is_not_made(api_keys: ApiKeys) -> None:
    with pytest.raises(LedgerNotFound):
        await api_keys.create(LedgerId(new_uuid()), "till", ["admin"])


async def test_a_tenants_key_is_not_made_without_a_ledger(api_keys: ApiKeys) -> None:
    with pytest.raises(ValueError, match="operator"):
        await api_keys.create(SERVICE_LEDGER, "till", ["admin"])


async def test_a_key_that_has_expired_before_it_is_made_is_refused(
    api_keys: ApiKeys, ledger_id: LedgerId, clock: Clock
) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        await api_keys.create(ledger_id, "till", [], clock.now)
    assert refusal.value.pointer == "/expires_at"


async def test_a_key_expires_on_the_moment(api_keys: ApiKeys, ledger_id: LedgerId, clock: Clock) -> None:
    record, text = await api_keys.create(ledger_id, "till", [], clock.now + timedelta(hours=1))
    clock.pass_seconds(3599.999)
    assert await api_keys.authenticate(text) == record
    assert await api_keys.find_active(ledger_id, record.id) is not None
    clock.pass_seconds(0.001)
    assert await api_keys.authenticate(text) is None
    assert await api_keys.find_active(ledger_id, record.id) is None


async def test_a_revoked_key_is_refused_at_once_and_for_ever(
    api_keys: ApiKeys, ledger_id: LedgerId, clock: Clock
) -> None:
    record, text = await api_keys.create(ledger_id, "till", [])
    revoked = await api_keys.revoke(record.id)
    assert revoked.revoked_at == clock.now
    assert await api_keys.authenticate(text) is None
    assert await api_keys.find_active(ledger_id, record.id) is None
    clock.pass_seconds(86_400)
    assert await api_keys.authenticate(text) is None


async def test_revoking_twice_keeps_the_first_time(api_keys: ApiKeys, ledger_id: LedgerId, clock: Clock) -> None:
    record, _ = await api_keys.create(ledger_id, "till", [])
    first = await api_keys.revoke(record.id)
    clock.pass_seconds(60)
    assert await api_keys.revoke(record.id) == first


async def test_revoking_an_unknown_key_says_so(api_keys: ApiKeys) -> None:
    with pytest.raises(ApiKeyNotFound):
        await api_keys.revoke(ApiKeyId(new_uuid()))


async def test_a_rotation_of_keys_overlaps_as_long_as_the_owner_likes(api_keys: ApiKeys, ledger_id: LedgerId) -> None:
    old, old_text = await api_keys.create(ledger_id, "till", [])
    new, new_text = await api_keys.create(ledger_id, "till", [])
    assert await api_keys.authenticate(old_text) == old
    assert await api_keys.authenticate(new_text) == new
    await api_keys.revoke(old.id)
    assert await api_keys.authenticate(old_text) is None
    assert await api_keys.authenticate(new_text) == new


async def test_the_right_ids_with_another_secret_are_refused(api_keys: ApiKeys, ledger_id: LedgerId) -> None:
    record, _ = await api_keys.create(ledger_id, "till", [])
    assert await api_keys.authenticate(api_key_text.make(ledger_id, record.id)) is None


async def test_a_key_of_one_ledger_is_none_of_another(
    api_keys: ApiKeys, database: Database, ledger_id: LedgerId
) -> None:
    record, _ = await api_keys.create(ledger_id, "till", [])
    other = await make_ledger(database)
    assert await api_keys.authenticate(api_key_text.make(other, record.id)) is None
    assert await api_keys.find_active(other, record.id) is None


async def test_a_key_is_worth_nothing_under_another_pepper(
    api_keys: ApiKeys, database: Database, ledger_id: LedgerId, clock: Clock
) -> None:
    _, text = await api_keys.create(ledger_id, "till", [])
    assert await ApiKeys(database, bytes(32), clock).authenticate(text) is None


def test_a_short_pepper_is_refused(database: Database, clock: Clock) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        ApiKeys(database, b"pepper", clock)


async def test_guesses_at_one_key_cost_one_look_up_a_second(
    database: Database, ledger_id: LedgerId, clock: Clock
) -> None:
    counted = CountedDatabase(database)
    api_keys = ApiKeys(counted, PEPPER, clock)
    record, text = await api_keys.create(ledger_id, "till", [])
    counted.count = 0
    for _ in range(100):
        assert await api_keys.authenticate(api_key_text.make(ledger_id, record.id)) is None
    assert counted.count == 1
    assert await api_keys.authenticate(text) == record  # the owner is not locked out by the guesses
    clock.pass_seconds(1)
    assert await api_keys.authenticate(api_key_text.make(ledger_id, record.id)) is None
    assert counted.count == 3


async def test_an_unknown_or_revoked_key_costs_one_look_up_a_second(
    database: Database, ledger_id: LedgerId, clock: Clock
) -> None:
    counted = CountedDatabase(database)
    api_keys = ApiKeys(counted, PEPPER, clock)
    record, revoked = await api_keys.create(ledger_id, "till", [])
    await api_keys.revoke(record.id)
    counted.count = 0
    for text in (revoked, api_key_text.make(ledger_id, ApiKeyId(new_uuid()))):
        for _ in range(10):
            assert await api_keys.authenticate(text) is None
    assert counted.count == 2


async def test_a_clock_that_is_set_back_does_not_prolong_a_refusal(
    database: Database, ledger_id: LedgerId, clock: Clock
) -> None:
    counted = CountedDatabase(database)
    api_keys = ApiKeys(counted, PEPPER, clock)
    text = api_key_text.make(ledger_id, ApiKeyId(new_uuid()))
    await api_keys.authenticate(text)
    clock.pass_seconds(-3600)
    await api_keys.authenticate(text)
    assert counted.count == 2


async def test_a_malformed_text_does_not_reach_the_database(database: Database, clock: Clock) -> None:
    counted = CountedDatabase(database)
    assert await ApiKeys(counted, PEPPER, clock).authenticate("zsk_" + "A" * 88) is None
    assert counted.count == 0


async def test_keys_are_listed_a_page_at_a_time(api_keys: ApiKeys, database: Database, ledger_id: LedgerId) -> None:
    made = [(await api_keys.create(ledger_id, f"key {number}", []))[0] for number in range(5)]
    other, _ = await api_keys.create(await make_ledger(database), "other", [])
    first = await api_keys.list(ledger_id, after=None, limit=3, is_ascending=True)
    rest = await api_keys.list(ledger_id, after=first[-1].id, limit=3, is_ascending=True)
    assert [*first, *rest] == made
    assert await api_keys.list(ledger_id, after=None, limit=9) == made[::-1]
    assert (await api_keys.list(None, after=None, limit=1))[0] == other


async def test_many_keys_can_be_used_at_once(api_keys: ApiKeys, ledger_id: LedgerId) -> None:
    made = [await api_keys.create(ledger_id, "till", []) for _ in range(20)]
    found = await asyncio.gather(*(api_keys.authenticate(text) for _, text in made))
    assert found == [record for record, _ in made]
