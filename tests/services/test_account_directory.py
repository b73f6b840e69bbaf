"""What is remembered of accounts' names, and what is forgotten to make room."""

from __future__ import annotations

import pytest

from tests.committer.ground import Ground
from zerosum.db.engine import Database
from zerosum.domain.identifiers import AccountId, LedgerId, Prefix, render_id
from zerosum.services.requests.account_directory import AccountDirectory

ROOM = 6
"""For three accounts: each is remembered by its id and by its code."""


@pytest.fixture
async def account_ids(database: Database, ledger_id: LedgerId) -> list[AccountId]:
    return await Ground(database, ledger_id).open(6)


async def test_what_a_request_has_asked_to_load_is_known_though_there_is_little_room(
    database: Database, ledger_id: LedgerId, account_ids: list[AccountId]
) -> None:
    """The one it had known for longest is not what makes room for the others."""
    directory = AccountDirectory(database, remembered_max=ROOM)
    first, *others = [render_id(Prefix.ACCOUNT, account_id) for account_id in account_ids]
    for other in others:
        await directory.load(ledger_id, [first, other])
        for wanted in (first, other):
            assert directory.known(ledger_id, wanted, is_prepared=True, pointer="/to").wire_id == wanted


async def test_the_least_lately_loaded_are_forgotten_first(
    database: Database, ledger_id: LedgerId, account_ids: list[AccountId]
) -> None:
    directory = AccountDirectory(database, remembered_max=ROOM)
    names = [render_id(Prefix.ACCOUNT, account_id) for account_id in account_ids]
    for name in names:
        await directory.load(ledger_id, [name])
    assert [name for name in names if directory.find_known(ledger_id, name)] == names[-3:]
