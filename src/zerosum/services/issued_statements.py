"""Use cases about statements with a number: issuing one, and reading it again as it was issued."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.issued_statements import (
    find_issued_statement,
    find_numbered_statement,
    list_issued_statements,
)
from zerosum.domain.errors import StatementNotFound, StatementOvertaken, ValidationFailed
from zerosum.domain.ledger.outcome import Posted, Replayed
from zerosum.domain.ledger.statements import IssuedStatement, IssueStatement
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.key_lookup import KeyLookup
from zerosum.services.committing.submission import Done
from zerosum.services.committing.work import key_reused
from zerosum.services.requests.account_directory import AccountDirectory, AccountName
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.statements import Statement, Statements

OVERTAKEN_MAX = 5
"""How often the account is looked at again because statements of later versions came between: once will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedStatement:
    """What was issued, of which account."""

    account: AccountName
    issued: IssuedStatement


class IssuedStatements:
    def __init__(
        self,
        database: Database,
        committer: Committer,
        directory: AccountDirectory,
        statements: Statements,
        cursors: Cursors,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._committer = committer
        self._keys = KeyLookup(database, committer)
        self._directory = directory
        self._statements = statements
        self._cursors = cursors
        self._now = now

    async def issue(
        self, caller: Caller, reference: str, *, start: datetime, end: datetime, key: str
    ) -> Done[NumberedStatement]:
        """Raises the refusal, IdempotencyKeyReused, and what the committer raises."""

        named: list[AccountName] = []

        async def prepare() -> IssueStatement:
            named.append(await self._directory.get(caller.ledger_id, reference))
            return await self._command(caller, named[0], start, end, key)

        answer = await self._carried_out(caller, key, prepare)
        account = named[0]
        if isinstance(answer, Posted):
            return Done(NumberedStatement(account=account, issued=answer.resource))
        async with self._database.work(caller.ledger_id) as connection:
            issued = await find_issued_statement(connection, caller.ledger_id, answer.recorded_id)
        if issued is None:
            raise key_reused()
        return Done(NumberedStatement(account=account, issued=issued), is_replay=True)

    async def _carried_out(
        self, caller: Caller, key: str, prepare: Callable[[], Awaitable[IssueStatement]]
    ) -> Posted | Replayed:
        for _ in range(OVERTAKEN_MAX):
            with suppress(StatementOvertaken):
                return await self._keys.carry_out(caller.ledger_id, [key], prepare)
        return await self._keys.carry_out(caller.ledger_id, [key], prepare)

    async def list(self, caller: Caller, reference: str, request: PageRequest) -> Page[NumberedStatement]:
        position = self._cursors.position(caller.ledger_id, request)
        account = await self._directory.get(caller.ledger_id, reference)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_issued_statements(
                connection,
                caller.ledger_id,
                account.id,
                after=position.after_as(int),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        numbered = [NumberedStatement(account=account, issued=issued) for issued in found]
        return self._cursors.page(caller.ledger_id, request, position, numbered, lambda one: one.issued.number)

    async def get(self, caller: Caller, reference: str, number: int) -> tuple[NumberedStatement, Statement]:
        """With its lines. Raises StatementNotFound."""
        account = await self._directory.get(caller.ledger_id, reference)
        async with self._database.work(caller.ledger_id) as connection:
            issued = await find_numbered_statement(connection, caller.ledger_id, account.id, number)
        if issued is None:
            raise StatementNotFound("The account has no statement of this number.")
        lines = await self._statements.of_issued(caller, account, issued)
        return NumberedStatement(account=account, issued=issued), lines

    async def _command(
        self, caller: Caller, account: AccountName, start: datetime, end: datetime, key: str
    ) -> IssueStatement:
        if end > self._now():
            raise ValidationFailed("A statement is issued of what is past.", pointer="/to")
        content = await self._statements.content(caller, account, start=start, end=end)
        said = {"account": str(account.id), "from": start, "to": end}
        return IssueStatement(
            id=new_uuid(),
            ledger_id=caller.ledger_id,
            idempotency_key=key,
            fingerprint=fingerprint("statement", said),
            actor=caller.actor,
            account_id=account.id,
            content=content,
        )
