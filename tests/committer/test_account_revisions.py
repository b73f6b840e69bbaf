"""What one batch changes of an account is one revision of its history: nobody reads of a state that never was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.committer.ground import Ground, Superuser, connecting, running_committer
from tests.conftest import TestDatabase
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account_commands import ChangeAccount, FreezeAccount
from zerosum.domain.ledger.outcome import Posted
from zerosum.services.committing.committer import Committer
from zerosum.services.proofs.whole_ledger import verify_ledger

REVISIONS = """
select name, min_available::text, max_available::text, status, metadata::text from account_changes
where account_id = $1 order by revision
"""
OPENED = (None, "0.00", None, "open", None)
BOTH: dict[str, Any] = {"name": "B", "max_available": Decimal("7.00"), "new_metadata": {"k": "v"}}


@dataclass(frozen=True)
class Histories:
    ground: Ground
    committer: Committer
    superuser: Superuser

    async def of(self, account: UUID, *commands: Any) -> Sequence[tuple[Any, ...]]:
        """The revisions that these commands have made in one batch; the whole ledger is right afterwards."""
        before = await self.superuser.fetch(REVISIONS, account)
        answers = await self.committer.carry_out_each(
            [self.ground.change(kind, account, **of) for kind, of in commands]
        )
        assert all(isinstance(answer, Posted) for answer in answers), answers
        assert (await verify_ledger(self.ground.database, self.ground.ledger_id, lambda *_: None)).is_right
        return [tuple(row) for row in await self.superuser.fetch(REVISIONS, account)][len(before) :]


@pytest.fixture
async def histories(
    database: Database, ledger_id: LedgerId, test_database: TestDatabase, superuser: Superuser
) -> AsyncIterator[Histories]:
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        yield Histories(Ground(database, ledger_id), committer, superuser)


async def test_a_change_of_name_and_limits_is_one_revision_with_both(histories: Histories) -> None:
    [account] = await histories.ground.open(1)
    assert await histories.of(account, (ChangeAccount, BOTH)) == [("B", "0.00", "7.00", "open", '{"k": "v"}')]
    assert await histories.of(account, (ChangeAccount, BOTH)) == []


async def test_what_is_not_changed_stays_as_it_is(histories: Histories) -> None:
    """Of two accounts in one batch, of which one has a change of its limits alone."""
    [account, other] = await histories.ground.open(2)
    await histories.of(account, (ChangeAccount, BOTH))
    await histories.of(other, (ChangeAccount, {"name": "O", "new_metadata": {"o": "o"}}))
    commands = [
        histories.ground.change(ChangeAccount, account, max_available=Decimal("8.00")),
        histories.ground.change(ChangeAccount, other, name="P", min_available=None),
    ]
    answers = await histories.committer.carry_out_each(commands)
    assert all(isinstance(answer, Posted) for answer in answers)
    last = [(await histories.superuser.fetch(REVISIONS, one))[-1] for one in (account, other)]
    assert [tuple(row) for row in last] == [
        ("B", "0.00", "8.00", "open", '{"k": "v"}'),
        ("P", None, None, "open", '{"o": "o"}'),
    ]


async def test_only_what_is_said_or_only_a_limit_is_one_revision_too(histories: Histories) -> None:
    [account] = await histories.ground.open(1)
    assert await histories.of(account, (ChangeAccount, {"name": "B"})) == [("B", "0.00", None, "open", None)]
    limit = {"min_available": Decimal("-1.00")}
    assert await histories.of(account, (ChangeAccount, limit)) == [("B", "-1.00", None, "open", None)]
    taken_away: dict[str, Any] = {"name": None, "min_available": Decimal("0.00"), "new_metadata": {}}
    assert await histories.of(account, (ChangeAccount, taken_away)) == [OPENED]


async def test_several_commands_of_one_batch_make_one_revision(histories: Histories) -> None:
    [account] = await histories.ground.open(1)
    made = await histories.of(account, (ChangeAccount, BOTH), (ChangeAccount, {"name": "C"}), (FreezeAccount, {}))
    assert made == [("C", "0.00", "7.00", "frozen", '{"k": "v"}')]
