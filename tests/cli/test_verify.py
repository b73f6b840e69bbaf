"""`zerosum verify` as an operator runs it: it reports, keeps heads, compares with them, and freezes if told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.cli.command import Said, zerosum
from tests.committer.ground import Ground, connecting, running_committer
from tests.conftest import Servers
from tests.services.fresh_database import fresh_database, make_ledger
from zerosum.domain.identifiers import Prefix, render_id


class Books:
    def __init__(self, servers: Servers, name: str) -> None:
        self.environment = {"ZEROSUM_DATABASE_URL": servers.dsn(name)}
        self.superuser_dsn = servers.dsn(name, superuser=True)
        self.account = ""

    def verify(self, *arguments: str) -> Said:
        return zerosum("verify", *arguments, environment=self.environment)

    async def tamper(self, statement: str) -> None:
        connection = await asyncpg.connect(self.superuser_dsn)
        await connection.execute("set session_replication_role = replica")
        await connection.execute(statement)
        await connection.close()

    async def statuses(self) -> list[str]:
        connection = await asyncpg.connect(self.superuser_dsn)
        found = await connection.fetch("select distinct status from accounts order by status")
        await connection.close()
        return [row[0] for row in found]


@pytest.fixture
async def books(servers: Servers) -> AsyncIterator[Books]:
    async with fresh_database(servers) as database:
        async with database.work() as connection:
            name = (await connection.exec_driver_sql("select current_database()")).scalar_one()
        made = Books(servers, name)
        ground = Ground(database, await make_ledger(database))
        payer, payee = await ground.open(2, floor=None)
        made.account = render_id(Prefix.ACCOUNT, payer)
        async with running_committer(connecting(servers.dsn(name))) as committer:
            for _ in range(3):
                await committer.carry_out(ground.transfer(payer, payee, "1.00"))
        yield made


async def test_heads_that_were_exported_are_found_again(books: Books, tmp_path: Path) -> None:
    heads = str(tmp_path / "heads.txt")
    said = books.verify("--export-heads", heads)
    assert (said.code, said.out.strip().endswith("right (2 accounts, 6 postings)")) == (0, True), said
    assert Path(heads).read_text().startswith("zerosum heads v1\nledger led_")
    assert books.verify("--against", heads).code == 0


async def test_what_is_wrong_is_only_told_unless_freezing_is_asked_for(books: Books, tmp_path: Path) -> None:
    await books.tamper("update accounts set name = 'Mallory' where posted_debits > 0")
    heads = tmp_path / "heads.txt"
    said = books.verify("--export-heads", str(heads))
    assert (said.code, "the account's name is not what its history says" in said.out) == (1, True), said
    assert not heads.exists()
    assert await books.statuses() == ["open"]
    said = books.verify("--freeze")
    assert (said.code, f"{books.account}: frozen" in said.err) == (1, True), said
    assert await books.statuses() == ["frozen", "open"]


async def test_both_parties_of_a_payment_that_was_changed_are_frozen(books: Books) -> None:
    await books.tamper("update payments set description = 'a gift'")
    said = books.verify("--freeze")
    assert (said.code, said.err.count(": frozen")) == (1, 2), said
    assert await books.statuses() == ["frozen"]


async def test_an_account_whose_row_is_held_keeps_no_other_from_being_frozen(books: Books) -> None:
    await books.tamper("update payments set description = 'a gift'")
    holder = await asyncpg.connect(books.superuser_dsn)
    async with holder.transaction():
        await holder.execute("select from accounts where posted_debits > 0 for update")
        said = books.verify("--freeze")
    await holder.close()
    assert (said.code, said.err.count(": frozen")) == (1, 1), said
    assert f"{books.account}: not frozen" in said.err
    assert await books.statuses() == ["frozen", "open"]


async def test_a_file_that_holds_no_heads_is_named_in_one_line(books: Books, tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("heads\n")
    for name, words in (("none.txt", "line 1 is none of a file of heads"), ("nowhere.txt", "No such file")):
        said = books.verify("--against", str(tmp_path / name))
        assert (said.code, words in said.err) == (2, True), said


async def test_other_processes_find_the_same_in_pieces_and_leave_nothing_behind(books: Books, tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    in_pieces = ("--jobs", "2", "--resume", str(progress))
    assert books.verify(*in_pieces) == books.verify()
    assert not progress.exists()
    await books.tamper("update payments set description = 'a gift'; delete from events")
    said = books.verify(*in_pieces)
    assert (said.code, said) == (1, books.verify())
    assert not progress.exists()


async def test_since_which_checkpoint_is_told_and_a_file_of_none_is_refused(books: Books, tmp_path: Path) -> None:
    said = books.verify("--since-checkpoint", "last")
    assert (said.code, "everything is verified" in said.err) == (0, True), "there is no checkpoint yet"
    (tmp_path / "none").write_text("nothing\n")
    for given, words in (("none", "the last checkpoint is cut off"), ("nowhere", "No such file")):
        said = books.verify("--since-checkpoint", str(tmp_path / given))
        assert (said.code, words in said.err) == (2, True), said
