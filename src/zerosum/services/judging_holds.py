"""Holds under the rules: each is judged as the transfer that it promises, and again where more is promised.

Whoever is asked outside is asked with nothing locked, about the hold as it is then. What has become of it meanwhile is
seen with the hold locked (`domain/payments/judged_holds.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from zerosum.db.batch import unlocked_loader
from zerosum.db.engine import Database
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.payments.book_checks import Velocity
from zerosum.domain.payments.hold_commands import CaptureHold, IncrementHold, PlaceHold
from zerosum.domain.payments.judged_holds import JudgedHoldChange, SaidOutside, is_to_be_asked, judged_as
from zerosum.domain.payments.rules import Judged, findings
from zerosum.services.committing.submission import Prepared
from zerosum.services.judging import Judge, PaymentRules, Rules, is_refused
from zerosum.services.requests.caller import Caller

Change = CaptureHold | IncrementHold


class HoldJudge(Judge):
    """Of the desk that places holds."""

    async def judged(
        self, caller: Caller, orders: Sequence[Any], prepared: Sequence[Prepared], *, is_atomic: bool
    ) -> list[Prepared]:
        holds = [_hold(one) for one in prepared]
        return await self._under_rules(caller, prepared, holds, [{} for _ in orders], is_atomic=is_atomic)


class HoldChangeJudge(Judge):
    """Of the desk that captures and increments holds."""

    def __init__(self, rules: PaymentRules, database: Database) -> None:
        super().__init__(rules)
        self._database = database

    async def judged(
        self,
        caller: Caller,
        orders: Sequence[Any],  # noqa: ARG002 - the commands say all of it
        prepared: Sequence[Prepared],
        *,
        is_atomic: bool,  # noqa: ARG002 - none of them can wait
    ) -> list[Prepared]:
        rules = await self._rules.current()
        commands = [one.command for one in prepared]
        asked = await self._asked(rules, caller.ledger_id, commands) if rules.asks_outside else {}
        return [Prepared(_changing(rules, one.command, asked), one.names) for one in prepared]

    async def _asked(
        self, rules: Rules, ledger_id: LedgerId, commands: Sequence[LedgerCommand]
    ) -> Mapping[UUID, SaidOutside]:
        """By the commands' ids, what those outside say of what promises more, under keys that were not used yet."""
        changes = [one for one in commands if isinstance(one, Change)]
        used = await self._rules.used(ledger_id, changes)
        fresh = [one for one in changes if one.idempotency_key not in used]
        if not fresh:
            return {}
        async with self._database.work(ledger_id) as connection:
            book = Book(
                records=await unlocked_loader(connection).records({need for one in fresh for need in one.needs()})
            )
        promised = {one.id: judged for one in fresh if (judged := _promised(rules, book, one)) is not None}
        if not promised:
            return {}
        are_asked = [one.id in promised for one in commands]
        found = await self._rules.asked(rules, ledger_id, list(promised.values()), are_asked)
        return {
            id_: SaidOutside(judged.amount, tuple(said))
            for (id_, judged), said in zip(promised.items(), found, strict=True)
        }


def _promised(rules: Rules, book: Book, change: Change) -> Judged | None:
    """What those outside are asked about. The hold in the book is then what it would be after that."""
    before = book.records.get(change.record_key)
    if before is None:
        return None
    try:
        after = change.after(book, None)
    except DomainError:
        return None  # It will be refused.
    book.records[change.record_key] = after
    judged = judged_as(change, before, after)
    if not is_to_be_asked(change, before, after) or is_refused(findings(rules.static, judged)):
        return None
    return judged


def _changing(rules: Rules, command: LedgerCommand, asked: Mapping[UUID, SaidOutside]) -> LedgerCommand:
    limits = tuple(check for check in rules.checks if isinstance(check, Velocity))
    if not isinstance(command, Change) or not (rules.static or limits or rules.asks_outside):
        return command
    return JudgedHoldChange(
        id=command.id,
        ledger_id=command.ledger_id,
        idempotency_key=command.idempotency_key,
        fingerprint=command.fingerprint,
        actor=command.actor,
        codes=command.codes,
        change=command,
        version=rules.version,
        static=tuple(rules.static),
        limits=limits,
        asks_outside=rules.asks_outside,
        asked=asked.get(command.id),
    )


def _hold(prepared: Prepared) -> PlaceHold:
    if not isinstance(prepared.command, PlaceHold):
        raise TypeError("what is judged here is a hold")
    return prepared.command
