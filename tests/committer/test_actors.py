"""The history of an account names who changed it, whoever else changes accounts in the same batch."""

from __future__ import annotations

from tests.committer.ground import Ground, Superuser, connecting, running_committer
from tests.conftest import TestDatabase
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account_commands import FreezeAccount, UnfreezeAccount
from zerosum.domain.ledger.outcome import Posted

ACTORS = "select actor from account_changes where account_id = $1 order by revision"


async def test_each_history_names_its_own_actor(
    database: Database, ledger_id: LedgerId, test_database: TestDatabase, superuser: Superuser
) -> None:
    ground = Ground(database, ledger_id)
    first, second, third = await ground.open(3)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        answers = await committer.carry_out_each(
            [
                ground.change(FreezeAccount, first, actor="key_1"),
                ground.change(FreezeAccount, second, actor="key_2"),
                ground.change(FreezeAccount, third, actor="key_1"),
                ground.change(UnfreezeAccount, third, actor="key_2"),
            ]
        )
        assert all(isinstance(answer, Posted) for answer in answers)
        assert isinstance(await committer.carry_out(ground.change(UnfreezeAccount, first, actor="key_3")), Posted)
    named = [[row[0] for row in await superuser.fetch(ACTORS, account)][1:] for account in (first, second, third)]
    assert named == [["key_1", "key_3"], ["key_2"], []]
