"""Secrets at rest: they open where they were sealed, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.conftest import Servers
from tests.services.fresh_database import fresh_database, make_ledger
from zerosum.adapters.clock import now
from zerosum.db.credentials.data_keys import find_newest_data_key
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.schema.tables import data_keys
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.services.credentials import envelope
from zerosum.services.credentials.envelope import MasterKeys, SealBroken, SealedPlace
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.credentials.signing_keys import SigningKeys

FIRST, SECOND = bytes(range(32)), bytes(range(1, 33))
UNDER_FIRST = MasterKeys("first", {"first": FIRST})
OVERLAP = MasterKeys("second", {"first": FIRST, "second": SECOND})
UNDER_SECOND = MasterKeys("second", {"second": SECOND})

SECRET = b"a secret"


@pytest.fixture
async def own_database(servers: Servers) -> AsyncIterator[Database]:
    async with fresh_database(servers) as database:
        yield database


@pytest.fixture
def sealer(database: Database) -> Sealer:
    return Sealer(database, UNDER_FIRST, now)


async def count_data_keys(database: Database, ledger_id: LedgerId) -> int:
    async with database.work(ledger_id) as connection:
        statement = select(func.count()).where(data_keys.c.ledger_id == ledger_id)
        return int((await connection.execute(statement)).scalar_one())


# --- The envelope alone -----------------------------------------------------------------------------------------------


def place(**changes: object) -> SealedPlace:
    members: dict[str, object] = {"table": "t", "column": "c", "ledger_id": LedgerId(UUID(int=1)), "row_id": "1"}
    return SealedPlace(**{**members, **changes})  # type: ignore[arg-type]


KEY = envelope.make_data_key(LedgerId(UUID(int=1)), UUID(int=2))


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_what_was_sealed_opens_in_its_place(plaintext: bytes, row_id: str) -> None:
    try:
        sealed = envelope.seal(KEY, plaintext, place(row_id=row_id))
    except UnicodeEncodeError:
        return  # a lone surrogate is no row id
    assert envelope.unseal(KEY, sealed, place(row_id=row_id)) == plaintext
    assert envelope.data_key_id(sealed) == KEY.id


def test_two_seals_of_one_secret_differ() -> None:
    assert len({envelope.seal(KEY, SECRET, place()) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("changes", [{"table": "u"}, {"column": "d"}, {"row_id": "2"}, {"row_id": ""}])
def test_a_value_moved_to_another_place_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(SealBroken):
        envelope.unseal(KEY, envelope.seal(KEY, SECRET, place()), place(**changes))


def test_a_value_moved_to_another_ledger_is_refused_even_under_the_same_secret() -> None:
    other = LedgerId(UUID(int=3))
    sealed = envelope.seal(KEY, SECRET, place())
    with pytest.raises(SealBroken):
        envelope.unseal(KEY, sealed, place(ledger_id=other))
    with pytest.raises(SealBroken):
        envelope.unseal(envelope.DataKey(other, KEY.id, KEY.secret), sealed, place(ledger_id=other))


def test_places_that_read_alike_are_kept_apart() -> None:
    sealed = envelope.seal(KEY, SECRET, place(row_id="1|2"))
    with pytest.raises(SealBroken):
        envelope.unseal(KEY, sealed, place(row_id="1"))
    with pytest.raises(ValueError, match="names"):
        envelope.seal(KEY, SECRET, place(column="c|1"))


def test_every_change_of_a_single_character_of_a_sealed_value_is_refused() -> None:
    sealed = envelope.seal(KEY, SECRET, place())
    for index, character in enumerate(sealed):
        for other in "A|-1v\n ":
            if other != character:
                with pytest.raises(SealBroken):
                    envelope.unseal(KEY, sealed[:index] + other + sealed[index + 1 :], place())


@pytest.mark.parametrize(
    "text", ["", "v1", "v1|||", "v2|x|y|z", "v1|" + str(KEY.id), "v1|" + str(KEY.id) + "|AAAA|BBBB"]
)
def test_a_malformed_value_is_refused(text: str) -> None:
    with pytest.raises(SealBroken):
        envelope.unseal(KEY, text, place())


@pytest.mark.parametrize("change", [str.upper, lambda text: text + "\n", lambda text: text[:-4]])
def test_another_writing_of_a_sealed_value_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(SealBroken):
        envelope.unseal(KEY, change(envelope.seal(KEY, SECRET, place())), place())


@given(st.uuids(), st.uuids())
def test_a_wrapped_key_opens_only_as_what_it_was(ledger_id: UUID, key_id: UUID) -> None:
    key = envelope.make_data_key(LedgerId(ledger_id), key_id)
    wrapped = envelope.wrap(OVERLAP, key)
    assert envelope.unwrap(OVERLAP, key.ledger_id, key.id, "second", wrapped) == key
    other = UUID(int=key_id.int ^ 1)
    for broken in ((LedgerId(other), key.id, "second"), (key.ledger_id, other, "second")):
        with pytest.raises(SealBroken):
            envelope.unwrap(OVERLAP, *broken, wrapped)
    for master_key_id in ("first", "third"):
        with pytest.raises(SealBroken):
            envelope.unwrap(OVERLAP, key.ledger_id, key.id, master_key_id, wrapped)


@pytest.mark.parametrize("keys", [{}, {"a": b"short"}, {"a": bytes(33)}, {"b": FIRST}, {"a": FIRST, "": FIRST}])
def test_master_keys_that_cannot_work_are_refused(keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="master key"):
        MasterKeys("a", keys)


def test_no_key_shows_in_a_representation() -> None:
    shown = repr(UNDER_FIRST) + repr(KEY)
    for secret in (FIRST, KEY.secret):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown


# --- With the database ------------------------------------------------------------------------------------------------


async def test_a_secret_is_opened_again_by_another_process(
    sealer: Sealer, database: Database, ledger_id: LedgerId
) -> None:
    sealed = await sealer.seal(ledger_id, SECRET, table="t", column="c", row_id="1")
    assert SECRET.decode() not in sealed
    other = Sealer(database, UNDER_FIRST, now)
    assert await other.open(ledger_id, sealed, table="t", column="c", row_id="1") == SECRET


async def test_the_services_own_secrets_have_a_data_key_of_their_own(own_database: Database) -> None:
    sealer = Sealer(own_database, UNDER_FIRST, now)
    sealed = await sealer.seal(SERVICE_LEDGER, SECRET, table="t", column="c", row_id="1")
    assert await sealer.open(SERVICE_LEDGER, sealed, table="t", column="c", row_id="1") == SECRET


@pytest.mark.parametrize("changes", [{"table": "u"}, {"column": "d"}, {"row_id": "2"}])
async def test_a_stored_value_moved_to_another_row_or_column_is_refused(
    sealer: Sealer, ledger_id: LedgerId, changes: dict[str, str]
) -> None:
    where = {"table": "t", "column": "c", "row_id": "1"}
    sealed = await sealer.seal(ledger_id, SECRET, **where)
    with pytest.raises(SealBroken):
        await sealer.open(ledger_id, sealed, **{**where, **changes})


async def test_a_stored_value_moved_to_another_ledger_is_refused(
    sealer: Sealer, database: Database, ledger_id: LedgerId
) -> None:
    sealed = await sealer.seal(ledger_id, SECRET, table="t", column="c", row_id="1")
    other = await make_ledger(database)
    await sealer.seal(other, SECRET, table="t", column="c", row_id="1")
    for reader in (sealer, Sealer(database, UNDER_FIRST, now)):  # with the key in memory, and without
        with pytest.raises(SealBroken):
            await reader.open(other, sealed, table="t", column="c", row_id="1")


async def test_a_data_key_moved_to_another_ledger_does_not_open(
    sealer: Sealer, database: Database, ledger_id: LedgerId, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    sealed = await sealer.seal(ledger_id, SECRET, table="t", column="c", row_id="1")
    other = await make_ledger(database)
    await superuser.execute(
        "insert into data_keys select $2, id, master_key_id, wrapped_key, created_at from data_keys "
        "where ledger_id = $1",
        ledger_id,
        other,
    )
    with pytest.raises(SealBroken):
        await Sealer(database, UNDER_FIRST, now).open(other, sealed, table="t", column="c", row_id="1")


async def test_without_its_master_key_nothing_opens(sealer: Sealer, database: Database, ledger_id: LedgerId) -> None:
    sealed = await sealer.seal(ledger_id, SECRET, table="t", column="c", row_id="1")
    impostor = MasterKeys("first", {"first": SECOND})
    for masters in (UNDER_SECOND, impostor):
        with pytest.raises(SealBroken):
            await Sealer(database, masters, now).open(ledger_id, sealed, table="t", column="c", row_id="1")


async def test_a_ledgers_first_secrets_at_once_make_one_data_key(database: Database, ledger_id: LedgerId) -> None:
    sealers = [Sealer(database, UNDER_FIRST, now) for _ in range(8)]
    sealed = await asyncio.gather(
        *(each.seal(ledger_id, SECRET, table="t", column="c", row_id=str(n)) for n, each in enumerate(sealers))
    )
    assert await count_data_keys(database, ledger_id) == 1
    for number, text in enumerate(sealed):
        assert await sealers[0].open(ledger_id, text, table="t", column="c", row_id=str(number)) == SECRET


async def test_no_unit_of_work_is_open_when_a_key_is_made(
    sealer: Sealer, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_now = 0
    seen: list[int] = []
    real_work, real_make, real_wrap = Database.work, envelope.make_data_key, envelope.wrap

    def spy(real: object) -> object:
        def called(*arguments: object) -> object:
            seen.append(open_now)
            assert callable(real)
            return real(*arguments)

        return called

    @asynccontextmanager
    async def counted(self: Database, *ledger_ids: UUID):  # type: ignore[no-untyped-def]
        nonlocal open_now
        async with real_work(self, *ledger_ids) as connection:
            open_now += 1
            try:
                yield connection
            finally:
                open_now -= 1

    monkeypatch.setattr(Database, "work", counted)
    monkeypatch.setattr(envelope, "make_data_key", spy(real_make))
    monkeypatch.setattr(envelope, "wrap", spy(real_wrap))
    await sealer.seal(ledger_id, SECRET, table="t", column="c", row_id="1")
    await sealer.rotate_data_key(ledger_id)
    assert seen
    assert set(seen) == {0}


async def test_another_master_key_takes_over_while_everything_stays_readable(own_database: Database) -> None:
    ledgers = [SERVICE_LEDGER, *[await make_ledger(own_database) for _ in range(3)]]
    old = Sealer(own_database, UNDER_FIRST, now)
    where = {"table": "t", "column": "c", "row_id": "1"}
    before = {ledger: await old.seal(ledger, SECRET, **where) for ledger in ledgers}
    overlap = Sealer(own_database, OVERLAP, now)
    for ledger, sealed in before.items():
        assert await overlap.open(ledger, sealed, **where) == SECRET
    assert await overlap.rewrap() == len(ledgers)
    assert await overlap.rewrap() == 0
    new = Sealer(own_database, UNDER_SECOND, now)
    for ledger, sealed in before.items():
        assert await new.open(ledger, sealed, **where) == SECRET
    with pytest.raises(SealBroken):
        await Sealer(own_database, UNDER_FIRST, now).open(ledgers[1], before[ledgers[1]], **where)


async def test_rewrapping_covers_every_page_of_ledgers_and_keys(
    own_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zerosum.services.credentials.sealing.PAGE_SIZE", 2)
    old = Sealer(own_database, UNDER_FIRST, now)
    for ledger_id in [await make_ledger(own_database) for _ in range(5)]:
        await old.seal(ledger_id, SECRET, table="t", column="c", row_id="1")
        await old.rotate_data_key(ledger_id)
        await old.rotate_data_key(ledger_id)
    assert await Sealer(own_database, OVERLAP, now).rewrap() == 15


async def test_two_processes_may_rewrap_at_once(own_database: Database) -> None:
    old = Sealer(own_database, UNDER_FIRST, now)
    ledgers = [await make_ledger(own_database) for _ in range(10)]
    sealed = [await old.seal(ledger, SECRET, table="t", column="c", row_id="1") for ledger in ledgers]
    counts = await asyncio.gather(*(Sealer(own_database, OVERLAP, now).rewrap() for _ in range(3)))
    assert sum(counts) == 10
    new = Sealer(own_database, UNDER_SECOND, now)
    for ledger, text in zip(ledgers, sealed, strict=True):
        assert await new.open(ledger, text, table="t", column="c", row_id="1") == SECRET


async def test_rewrapping_stops_at_a_key_whose_master_key_is_missing(own_database: Database) -> None:
    ledger_id = await make_ledger(own_database)
    await Sealer(own_database, UNDER_FIRST, now).seal(ledger_id, SECRET, table="t", column="c", row_id="1")
    with pytest.raises(SealBroken, match="first, which is not configured"):
        await Sealer(own_database, UNDER_SECOND, now).rewrap()


async def test_a_new_data_key_seals_what_comes_and_the_old_one_still_opens(
    sealer: Sealer, database: Database, ledger_id: LedgerId
) -> None:
    where = {"table": "t", "column": "c", "row_id": "1"}
    before = await sealer.seal(ledger_id, SECRET, **where)
    await sealer.rotate_data_key(ledger_id)
    after = await sealer.seal(ledger_id, SECRET, **where)
    assert envelope.data_key_id(before) != envelope.data_key_id(after)
    for text in (before, after):
        assert await Sealer(database, UNDER_FIRST, now).open(ledger_id, text, **where) == SECRET


async def test_the_new_data_key_is_the_newest_although_this_clock_is_behind(
    sealer: Sealer, database: Database, ledger_id: LedgerId
) -> None:
    await sealer.seal(ledger_id, SECRET, table="t", column="c", row_id="1")
    behind = Sealer(database, UNDER_FIRST, lambda: datetime(2020, 1, 1, tzinfo=UTC))
    await behind.rotate_data_key(ledger_id)
    sealed = await behind.seal(ledger_id, SECRET, table="t", column="c", row_id="1")
    async with database.work(ledger_id) as connection:
        newest = await find_newest_data_key(connection, ledger_id)
    assert newest is not None
    assert newest.id == envelope.data_key_id(sealed)


async def test_rotating_the_services_data_key_moves_the_signing_keys_and_they_still_open(
    own_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zerosum.services.credentials.sealing.PAGE_SIZE", 2)
    sealer = Sealer(own_database, UNDER_FIRST, now)
    signing_keys = SigningKeys(own_database, sealer)
    for _ in range(5):
        await signing_keys.rotate(now())
    before = await signing_keys.current(now())
    assert await sealer.rotate_data_key(SERVICE_LEDGER) == 5
    after = await SigningKeys(own_database, Sealer(own_database, UNDER_FIRST, now)).current(now())
    assert after.kid == before.kid
    assert after.private_key.private_numbers() == before.private_key.private_numbers()


async def test_a_value_that_is_not_there_any_more_has_no_data_key(sealer: Sealer, ledger_id: LedgerId) -> None:
    with pytest.raises(SealBroken, match="no data key"):
        await sealer.open(ledger_id, f"v1|{new_uuid()}|AAAA|BBBB", table="t", column="c", row_id="1")
