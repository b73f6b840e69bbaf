"""What PostgreSQL itself refuses to take for a posting, on whichever way it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
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


async def test_several_postings_of_one_account_are_judged_by_the_last(ground: Ground) -> None:
    batch = ground.transfer("10.00")
    entry_id = new_uuid()
    more = [
        line(ground.ledger_id, ground.alice, entry_id, "credit", "4.00", account_version=2, balance_after=Decimal(-6)),
        line(ground.ledger_id, ground.bob, entry_id, "debit", "4.00", account_version=2, balance_after=Decimal(6)),
    ]
    batch.postings += more
    batch.accounts[ground.alice] |= {"version": 2, "head": more[0]["hash"], "posted_credits": Decimal(4)}
    batch.accounts[ground.bob] |= {"version": 2, "head": more[1]["hash"], "posted_debits": Decimal(4)}
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
    batch.accounts[ground.alice] |= {"version": 2, "head": more[0]["hash"], "posted_credits": Decimal(4)}
    batch.accounts[ground.bob] |= {"version": 2, "head": more[1]["hash"], "posted_debits": Decimal(4)}
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
        lambda posting: posting.update(hash=bytes(32)),
        lambda posting: posting.update(account_version=2),
    ],
    ids=["balance", "sign of balance", "held", "hash", "version"],
)
@pytest.mark.parametrize("place", [0, 1])
async def test_a_posting_that_says_other_than_its_accounts_row_is_refused(
    ground: Ground, spoil: Callable[[dict[str, object]], None], place: int
) -> None:
    batch = ground.transfer()
    spoil(batch.postings[place])
    assert await refused_by(ground, batch) == "postings_fit_account"


@pytest.mark.parametrize("column", ["version", "head", "held", "posted_debits", "posted_credits"])
async def test_a_balance_row_that_says_other_than_the_last_posting_is_refused(ground: Ground, column: str) -> None:
    batch = ground.transfer()
    wrong = {
        "version": 7,
        "head": bytes(32),
        "held": Decimal(1),
        "posted_debits": Decimal(3),
        "posted_credits": Decimal(4),
    }
    batch.accounts[ground.alice][column] = wrong[column]
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_postings_without_a_change_of_their_accounts_are_refused(ground: Ground) -> None:
    batch = ground.transfer()
    batch.accounts.clear()
    assert await refused_by(ground, batch) == "postings_fit_account"


# --- Versions --------------------------------------------------------------------------------------------------------


async def test_a_version_is_taken_once(ground: Ground) -> None:
    await ground.transfer().write(ground.connection)
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await ground.transfer().write(ground.connection)
    assert caught.value.constraint_name == "postings_pkey"


async def test_a_version_that_skips_one_is_refused_while_the_accounts_row_counts_on(ground: Ground) -> None:
    await ground.transfer().write(ground.connection)
    batch = ground.transfer()
    for posting in batch.postings:
        posting["account_version"] = 3
    for columns in batch.accounts.values():
        columns["version"] = 2
    assert await refused_by(ground, batch) == "postings_fit_account"


async def test_a_version_that_skips_one_is_refused_though_the_accounts_row_skips_it_too(ground: Ground) -> None:
    batch = ground.transfer()
    for posting in batch.postings:
        posting["account_version"] = 2
    for columns in batch.accounts.values():
        columns["version"] = 2
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
    account_id = await open_account(
        ground.connection, ground.ledger_id, min_available=Decimal("-5.00"), max_available=Decimal("50.00")
    )
    await ground.connection.execute("update accounts set posted_debits = 5.00 where id = $1", account_id)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await ground.connection.execute("update accounts set posted_debits = 5.01 where id = $1", account_id)
    assert caught.value.constraint_name == "accounts_available_above_floor"


async def test_the_floor_counts_what_is_held(ground: Ground) -> None:
    account_id = await open_account(
        ground.connection, ground.ledger_id, type_="asset", min_available=Decimal(0), posted_debits=Decimal("5.00")
    )
    await ground.connection.execute("update accounts set held = 5.00 where id = $1", account_id)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await ground.connection.execute("update accounts set held = 5.01 where id = $1", account_id)
    assert caught.value.constraint_name == "accounts_available_above_floor"


async def test_only_an_overdrawn_account_lies_below_its_floor(ground: Ground) -> None:
    account_id = await open_account(ground.connection, ground.ledger_id, min_available=Decimal(0))
    await ground.connection.execute("update accounts set held = 5.01, overdrawn = true where id = $1", account_id)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await ground.connection.execute("update accounts set overdrawn = false where id = $1", account_id)
    assert caught.value.constraint_name == "accounts_available_above_floor"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("version = -1", "accounts_version_not_negative"),
        ("held = -0.01", "accounts_totals_not_negative"),
        ("posted_debits = -0.01", "accounts_totals_not_negative"),
        ("posted_credits = -0.01", "accounts_totals_not_negative"),
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
    for account_id, columns in batch.accounts.items():
        await open_account(ground.connection, ground.ledger_id, id=account_id, **columns)
    with pytest.raises(asyncpg.CheckViolationError):
        await batch.insert_postings(ground.connection)


@pytest.mark.parametrize("setting", ["session_replication_role", "zerosum_check_postings"])
async def test_the_service_cannot_switch_the_guard_off(ground: Ground, setting: str) -> None:
    statement = (
        "set local session_replication_role = replica"
        if setting == "session_replication_role"
        else "create or replace function public.zerosum_check_postings() returns trigger language plpgsql as "
        "'begin return null; end'"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ground.connection.execute(statement)
