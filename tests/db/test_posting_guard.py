"""What PostgreSQL itself refuses to take for a posting, on whichever way it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.db.conftest import Dsns
from tests.db.journal import Batch, line, open_account, set_ledgers, transfer
from tests.db.servers import Connection, connected
from zerosum.db.identifiers import new_uuid


@dataclass
class Ground:
    """A transaction of the service's role that sees one ledger, with two empty accounts in it."""

    connection: Connection
    ledger_id: UUID
    alice: UUID
    bob: UUID

    def transfer(self, amount: str = "10.00") -> Batch:
        return transfer(self.ledger_id, self.alice, self.bob, amount)


@pytest.fixture
async def ground(service_role: Connection) -> AsyncIterator[Ground]:
    transaction = service_role.transaction()
    await transaction.start()
    ledger_id = new_uuid()
    await set_ledgers(service_role, ledger_id)
    yield Ground(
        service_role,
        ledger_id,
        await open_account(service_role, ledger_id),
        await open_account(service_role, ledger_id),
    )
    await transaction.rollback()


def second_transfer(ground: Ground) -> list[dict[str, Any]]:
    """After one of 10.00: 4.00 of them back."""
    entry_id = new_uuid()
    return [
        line(ground.ledger_id, ground.alice, entry_id, "credit", "4.00", account_version=2, balance_after=Decimal(-6)),
        line(ground.ledger_id, ground.bob, entry_id, "debit", "4.00", account_version=2, balance_after=Decimal(6)),
    ]


async def balances(ground: Ground) -> dict[UUID, tuple[Decimal, Decimal, Decimal, int, bytes]]:
    rows = await ground.connection.fetch(
        "select id, posted_debits, posted_credits, held, version, head from accounts where ledger_id = $1",
        ground.ledger_id,
    )
    return {row[0]: (row[1], row[2], row[3], row[4], row[5]) for row in rows}


async def refused_by(ground: Ground, batch: Batch) -> str:
    """The name of the guard that says no."""
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await batch.write(ground.connection)
    return str(caught.value.constraint_name)


# --- What is right ---------------------------------------------------------------------------------------------------


async def test_a_transfer_that_fits_its_accounts_is_taken(ground: Ground) -> None:
    await ground.transfer().write(ground.connection)
    assert await ground.connection.fetchval("select count(*) from postings where ledger_id = $1", ground.ledger_id) == 2


async def test_the_side_that_increases_an_account_is_its_types(ground: Ground) -> None:
    asset = await open_account(ground.connection, ground.ledger_id, type_="asset")
    expense = await open_account(ground.connection, ground.ledger_id, type_="expense")
    batch = transfer(ground.ledger_id, asset, expense)
    batch.postings[0]["balance_after"] = Decimal("10.00")
    batch.postings[1]["balance_after"] = Decimal("-10.00")
    await batch.write(ground.connection)


async def test_several_postings_of_one_account_are_carried_together(ground: Ground) -> None:
    batch = ground.transfer("10.00")
    batch.postings += second_transfer(ground)
    await batch.write(ground.connection)


# --- Balance ---------------------------------------------------------------------------------------------------------


async def test_postings_that_do_not_balance_are_refused(ground: Ground) -> None:
    batch = ground.transfer()
    batch.postings[1]["amount"] = Decimal("9.99")
    assert await refused_by(ground, batch) == "postings_balance"


async def test_one_posting_alone_is_refused(ground: Ground) -> None:
    batch = ground.transfer()
    del batch.postings[1]
    assert await refused_by(ground, batch) == "postings_balance"


async def test_postings_that_balance_only_across_currencies_are_refused(ground: Ground) -> None:
    batch = ground.transfer()
    batch.postings[1]["currency"] = "EUR"
    assert await refused_by(ground, batch) == "postings_balance"


async def test_postings_that_balance_only_across_layers_are_refused(ground: Ground) -> None:
    batch = ground.transfer()
    batch.postings[1]["layer"] = b"h"
    assert await refused_by(ground, batch) == "postings_balance"


async def test_a_placement_cannot_balance_a_release(ground: Ground) -> None:
    batch = ground.transfer()
    for posting, releases in zip(batch.postings, (True, False), strict=True):
        posting |= {"layer": b"h", "releases": releases, "balance_after": Decimal(0)}
    assert await refused_by(ground, batch) == "postings_balance"


async def test_one_entry_cannot_make_up_for_another(ground: Ground) -> None:
    batch = ground.transfer()
    batch.postings[1]["entry_id"] = new_uuid()
    assert await refused_by(ground, batch) == "postings_balance"


async def test_one_ledger_cannot_make_up_for_another(ground: Ground) -> None:
    other = new_uuid()
    await set_ledgers(ground.connection, ground.ledger_id, other)
    batch = ground.transfer()
    batch.postings[1]["ledger_id"] = other
    assert await refused_by(ground, batch) == "postings_balance"


# --- The account -----------------------------------------------------------------------------------------------------


async def test_a_posting_into_an_account_of_another_currency_is_refused(ground: Ground) -> None:
    batch = ground.transfer()
    for posting in batch.postings:
        posting["currency"] = "EUR"
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_a_wrong_currency_is_refused_wherever_in_the_batch_it_stands(ground: Ground) -> None:
    batch = ground.transfer("10.00")
    entry_id = new_uuid()
    for posting in batch.postings:
        posting["currency"] = "EUR"
    more = [
        line(ground.ledger_id, ground.alice, entry_id, "credit", "4.00", account_version=2, balance_after=Decimal(-6)),
        line(ground.ledger_id, ground.bob, entry_id, "debit", "4.00", account_version=2, balance_after=Decimal(6)),
    ]
    batch.postings += more
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_a_posting_to_an_account_that_does_not_exist_is_refused(ground: Ground) -> None:
    batch = ground.transfer()
    batch.postings[1]["account_id"] = new_uuid()
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_a_posting_to_another_ledgers_account_is_refused_as_if_it_did_not_exist(
    ground: Ground, any_database: Dsns
) -> None:
    elsewhere = new_uuid()
    async with connected(any_database.service) as other, other.transaction():
        await set_ledgers(other, elsewhere)
        stranger = await open_account(other, elsewhere)
    batch = ground.transfer()
    batch.postings[1]["account_id"] = stranger
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_an_account_of_one_ledger_takes_no_posting_of_another_though_both_are_seen(ground: Ground) -> None:
    other = new_uuid()
    await set_ledgers(ground.connection, ground.ledger_id, other)
    batch = ground.transfer()
    for posting in batch.postings:
        posting["ledger_id"] = other
    assert await refused_by(ground, batch) == "postings_fit_account"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda posting: posting.update(balance_after=posting["balance_after"] + Decimal("0.01")),
        lambda posting: posting.update(balance_after=-posting["balance_after"]),
        lambda posting: posting.update(held_after=Decimal("0.01")),
        lambda posting: posting.update(account_version=2),
    ],
    ids=["balance", "sign of balance", "held", "version"],
)
@pytest.mark.parametrize("place", [0, 1])
async def test_a_posting_that_says_other_than_its_accounts_row_is_refused(
    ground: Ground, spoil: Callable[[dict[str, object]], None], place: int
) -> None:
    batch = ground.transfer()
    spoil(batch.postings[place])
    assert await refused_by(ground, batch) == "postings_fit_account"


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda posting: posting.update(balance_after=posting["balance_after"] + Decimal("0.01")),
        lambda posting: posting.update(balance_after=-posting["balance_after"]),
        lambda posting: posting.update(held_after=Decimal("0.01")),
    ],
    ids=["balance", "sign of balance", "held"],
)
async def test_every_posting_of_a_batch_follows_the_one_before_it(
    ground: Ground, spoil: Callable[[dict[str, object]], None], is_last: bool
) -> None:
    batch = ground.transfer("10.00")
    batch.postings += second_transfer(ground)
    spoil(batch.postings[2 if is_last else 0])
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_two_wrong_steps_do_not_make_a_right_one(ground: Ground) -> None:
    batch = ground.transfer("10.00")
    batch.postings += second_transfer(ground)
    batch.postings[0]["balance_after"] = Decimal(4)  # As if the second had been first, the other way round.
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_time_does_not_go_back_on_an_account(ground: Ground) -> None:
    await ground.transfer("10.00").write(ground.connection)
    earlier = second_transfer(ground)
    for posting in earlier:
        posting["posted_at"] -= timedelta(microseconds=1)
    assert await refused_by(ground, Batch(earlier)) == "postings_fit_account"


async def test_what_is_written_at_once_has_one_time(ground: Ground) -> None:
    batch = ground.transfer("10.00")
    later = second_transfer(ground)
    for posting in later:
        posting["posted_at"] += timedelta(microseconds=1)
    batch.postings += later
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_balances_are_what_the_postings_say(ground: Ground) -> None:
    batch = ground.transfer("10.00")
    batch.postings += second_transfer(ground)
    await batch.write(ground.connection)
    assert await balances(ground) == {
        ground.alice: (Decimal(10), Decimal(4), Decimal(0), 2, batch.postings[2]["hash"]),
        ground.bob: (Decimal(4), Decimal(10), Decimal(0), 2, batch.postings[3]["hash"]),
    }


async def test_what_is_held_follows_placements_and_releases(ground: Ground) -> None:
    batch = ground.transfer("10.00")
    for posting in batch.postings:
        posting |= {"layer": b"h", "balance_after": Decimal(0)}
    batch.postings[0]["held_after"] = Decimal(10)  # Only where it will take out.
    await batch.write(ground.connection)
    assert (await balances(ground))[ground.alice][:3] == (Decimal(0), Decimal(0), Decimal(10))
    release = ground.transfer("4.00")
    for posting in release.postings:
        posting |= {"layer": b"h", "balance_after": Decimal(0), "releases": True, "account_version": 2}
    release.postings[0]["held_after"] = Decimal(6)
    await release.write(ground.connection)
    held = {account: row[2] for account, row in (await balances(ground)).items()}
    assert held == {ground.alice: Decimal(6), ground.bob: Decimal(0)}


async def test_an_account_is_overdrawn_by_right_until_it_reaches_its_floor(ground: Ground) -> None:
    floored = await open_account(ground.connection, ground.ledger_id, min_available=Decimal(0))
    await ground.connection.execute("update accounts set overdrawn = true where id = $1", floored)
    await transfer(ground.ledger_id, floored, ground.bob).write(ground.connection)
    assert await ground.connection.fetchval("select overdrawn from accounts where id = $1", floored)
    back = transfer(ground.ledger_id, ground.bob, floored)
    for posting in back.postings:
        posting |= {"account_version": 2, "balance_after": Decimal(0)}
    await back.write(ground.connection)
    assert not await ground.connection.fetchval("select overdrawn from accounts where id = $1", floored)


# --- Nobody else ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["version", "head", "held", "posted_debits", "posted_credits", "currency", "type"])
async def test_what_an_account_holds_is_set_by_nobody(ground: Ground, admin: Connection, column: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with ground.connection.transaction():
            await ground.connection.execute(f"update accounts set {column} = {column}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await admin.execute(f"update accounts set {column} = {column}")


@pytest.mark.parametrize(
    "target",
    ["payments set amount = amount", "payments set payee_id = payer_id", "client_transactions set amount = amount"],
)
async def test_what_moved_is_changed_by_nobody(ground: Ground, admin: Connection, target: str) -> None:
    for connection in (ground.connection, admin):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute(f"update {target}")


@pytest.mark.parametrize(
    "given", [{"posted_credits": Decimal(5)}, {"posted_debits": Decimal(5)}, {"held": Decimal(5)}, {"version": 5}]
)
async def test_an_account_begins_empty(ground: Ground, given: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await open_account(ground.connection, ground.ledger_id, **given)
    assert caught.value.constraint_name == "accounts_begin_empty"


# --- Versions --------------------------------------------------------------------------------------------------------


async def test_a_version_is_taken_once(ground: Ground) -> None:
    await ground.transfer().write(ground.connection)
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await ground.transfer().write(ground.connection)
    assert caught.value.constraint_name == "postings_pkey"


@pytest.mark.parametrize("version", [2, 3])
async def test_a_version_that_skips_one_is_refused(ground: Ground, version: int) -> None:
    if version == 3:
        await ground.transfer().write(ground.connection)
    batch = ground.transfer()
    for posting in batch.postings:
        posting["account_version"] = version
        posting["balance_after"] *= version - 1
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_a_batch_leaves_no_version_out(ground: Ground) -> None:
    batch = ground.transfer("10.00")
    batch.postings += second_transfer(ground)
    for posting in batch.postings[2:]:
        posting["account_version"] = 3
    assert await refused_by(ground, batch) == "postings_fit_account"


# --- Constraints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("amount", Decimal(0), "postings_amount_positive"),
        ("amount", Decimal("-0.01"), "postings_amount_positive"),
        ("held_after", Decimal("-0.01"), "postings_held_not_negative"),
        ("side", b"x", "postings_side_known"),
        ("layer", b"x", "postings_layer_known"),
    ],
)
async def test_a_line_that_means_nothing_is_refused(
    ground: Ground, column: str, value: object, constraint: str
) -> None:
    batch = ground.transfer()
    for posting in batch.postings:
        posting[column] = value
    assert await refused_by(ground, batch) == constraint


async def test_the_floor_is_kept_by_the_row_itself(ground: Ground) -> None:
    floored = await open_account(
        ground.connection, ground.ledger_id, min_available=Decimal("-5.00"), max_available=Decimal("50.00")
    )
    await transfer(ground.ledger_id, floored, ground.bob, "5.00").write(ground.connection)
    more = transfer(ground.ledger_id, floored, ground.bob, "0.01")
    for posting, balance in zip(more.postings, ("-5.01", "5.01"), strict=True):
        posting |= {"account_version": 2, "balance_after": Decimal(balance)}
    assert await refused_by(ground, more) == "accounts_available_above_floor"


async def test_the_floor_counts_what_is_held(ground: Ground) -> None:
    floored = await open_account(ground.connection, ground.ledger_id, min_available=Decimal(-5))
    batch = transfer(ground.ledger_id, floored, ground.bob, "5.01")
    for posting in batch.postings:
        posting |= {"layer": b"h", "balance_after": Decimal(0)}
    batch.postings[0]["held_after"] = Decimal("5.01")
    assert await refused_by(ground, batch) == "accounts_available_above_floor"


async def test_only_an_overdrawn_account_lies_below_its_floor(ground: Ground) -> None:
    floored = await open_account(ground.connection, ground.ledger_id, min_available=Decimal(0))
    await ground.connection.execute("update accounts set overdrawn = true where id = $1", floored)
    await transfer(ground.ledger_id, floored, ground.bob).write(ground.connection)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await ground.connection.execute("update accounts set overdrawn = false where id = $1", floored)
    assert caught.value.constraint_name == "accounts_available_above_floor"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'gone'", "accounts_status_known"),
        ("min_available = 2, max_available = 1, overdrawn = true", "accounts_limits_ordered"),
    ],
)
async def test_an_account_that_means_nothing_is_refused(ground: Ground, change: str, constraint: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await ground.connection.execute(f"update accounts set {change} where id = $1", ground.alice)
    assert caught.value.constraint_name == constraint


# --- Whoever comes with SQL of his own -------------------------------------------------------------------------------


async def test_the_guard_is_not_deceived_by_a_temporary_table(ground: Ground) -> None:
    """What an injected statement could do: say what every account should be, then post whatever fits that."""
    batch = ground.transfer("1000000.00")
    await ground.connection.execute(
        "create temporary table accounts (like public.accounts including defaults) on commit drop"
    )
    for account_id in (ground.alice, ground.bob):
        await open_account(ground.connection, ground.ledger_id, id=account_id, posted_credits=Decimal(1_000_000))
    await batch.write(ground.connection)
    assert await ground.connection.fetchval("select sum(posted_debits) from pg_temp.accounts") == 0
    assert await ground.connection.fetchval("select sum(posted_debits) from public.accounts") == 1_000_000


@pytest.mark.parametrize("setting", ["session_replication_role", "zerosum_carry_postings"])
async def test_the_service_cannot_switch_the_guard_off(ground: Ground, setting: str) -> None:
    statement = (
        "set local session_replication_role = replica"
        if setting == "session_replication_role"
        else "create or replace function public.zerosum_carry_postings() returns trigger language plpgsql as "
        "'begin return null; end'"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ground.connection.execute(statement)
