"""The desk: takes orders of one kind to the committer and makes views of what comes back.

Payments and journal entries differ in how an order becomes a command and what is shown of it; everything else about
single calls, bulk calls, replays and rehearsals is the same and stands here once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from zerosum.db.accounts import find_account_states
from zerosum.db.engine import Connection, Database
from zerosum.db.journal import find_used_key
from zerosum.domain.errors import DomainError, IdempotencyKeyReused
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.outcome import Answer, Posted, Refused
from zerosum.services.account_directory import NotPrepared
from zerosum.services.caller import Caller
from zerosum.services.committer import Committer
from zerosum.services.judging import recalled_refusal

BULK_ITEMS_MAX = 1000


class Order(Protocol):
    """What every order carries."""

    @property
    def idempotency_key(self) -> str: ...


AnyOrder = TypeVar("AnyOrder", bound=Order)
View = TypeVar("View")
AnyOrder_contra = TypeVar("AnyOrder_contra", bound=Order, contravariant=True)
View_co = TypeVar("View_co", covariant=True)


Names = Mapping[UUID, str]
"""The codes of the accounts a command touches, by id: for showing it."""


@dataclass(slots=True)
class Prepared:
    """An order as a command."""

    command: LedgerCommand
    names: Names


class Kind(Protocol[AnyOrder_contra, View_co]):
    """How orders of one kind become commands, and commands views."""

    def command(self, caller: Caller, order: AnyOrder_contra, *, is_prepared: bool) -> Prepared:
        """From what is in memory. Raises a DomainError for an order that cannot be right.

        What is not in memory raises NotPrepared, or once it was prepared the DomainError that says it does not exist.
        """

    async def prepare(self, caller: Caller, orders: Sequence[AnyOrder_contra]) -> None:
        """Fetch what the orders name."""

    def view(self, posted: Posted, names: Names) -> View_co: ...

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, View_co]: ...


@dataclass(slots=True)
class Done(Generic[View]):
    view: View
    is_replay: bool = False


@dataclass(slots=True)
class Rehearsed(Generic[View]):
    """What would be posted, and how the touched accounts would stand."""

    view: View
    states: Sequence[AccountState]


class Desk(Generic[AnyOrder, View]):
    def __init__(
        self, kind: Kind[AnyOrder, View], committer: Committer, database: Database, now: Callable[[], datetime]
    ) -> None:
        self._kind = kind
        self._committer = committer
        self._database = database
        self._now = now

    async def one(self, caller: Caller, order: AnyOrder) -> Done[View]:
        """Carried out, or replayed. Raises the refusal."""
        try:
            prepared = self._kind.command(caller, order, is_prepared=False)
        except NotPrepared:
            prepared = await self._prepare(caller, order)
        except DomainError as refusal:
            raise await self._first_answer(caller, order, refusal) from None
        answer = await self._committer.carry_out(prepared.command)
        if type(answer) is Posted:
            return Done(self._kind.view(answer, prepared.names))
        return _raised((await self._done(caller, [prepared], [answer]))[0])

    async def each(self, caller: Caller, orders: Sequence[AnyOrder | DomainError]) -> list[Done[View] | DomainError]:
        """One result for each, in order. An order that was refused before it came here is passed through."""
        prepared = await self._prepare_each(caller, orders)
        fit = [item for item in prepared if isinstance(item, Prepared)]
        answers = await self._committer.carry_out_each([item.command for item in fit]) if fit else []
        done = iter(await self._done(caller, fit, answers))
        return [next(done) if isinstance(item, Prepared) else item for item in prepared]

    async def together(
        self, caller: Caller, orders: Sequence[AnyOrder | DomainError]
    ) -> list[Done[View]] | tuple[int, DomainError]:
        """All or nothing: every result, or the index and refusal of the first that stood in the way."""
        prepared: list[Prepared] = []
        for index, item in enumerate(await self._prepare_each(caller, orders)):
            if isinstance(item, DomainError):
                return index, item
            prepared.append(item)
        answers = await self._committer.carry_out_together([item.command for item in prepared])
        if isinstance(answers, tuple):
            index, refused = answers
            return index, _refusal(refused)
        return [_raised(result) for result in await self._done(caller, prepared, answers)]

    async def rehearse(self, caller: Caller, order: AnyOrder) -> Rehearsed[View]:
        """All checks and nothing written. Raises the refusal, with every other condition that fails beside it."""
        prepared = await self._prepare(caller, order)
        command = prepared.command
        async with self._database.work(caller.ledger_id) as connection:
            used = await find_used_key(connection, caller.ledger_id, order.idempotency_key)
            states = await find_account_states(connection, caller.ledger_id, list(command.account_ids()))
            if used is not None:
                if used.fingerprint != command.fingerprint:
                    raise _reused()
                if used.entry_id is None:
                    raise recalled_refusal(used.problem or {})
                recorded = await self._kind.recorded(connection, caller.ledger_id, [used.entry_id])
                return Rehearsed(recorded[used.entry_id], states)
        book = Book(states)
        objections = [command.point(objection) for objection in book.objections(command.journal_entry())]
        if objections:
            objections[0].others = objections[1:]
            raise objections[0]
        outcome = book.apply(command, self._now())
        if isinstance(outcome, Refused):
            raise outcome.refusal
        return Rehearsed(self._kind.view(outcome, prepared.names), states)

    async def _prepare(self, caller: Caller, order: AnyOrder) -> Prepared:
        prepared = (await self._prepare_each(caller, [order]))[0]
        if isinstance(prepared, DomainError):
            raise prepared
        return prepared

    async def _prepare_each(
        self, caller: Caller, orders: Sequence[AnyOrder | DomainError]
    ) -> list[Prepared | DomainError]:
        await self._kind.prepare(caller, [order for order in orders if not isinstance(order, DomainError)])
        prepared: list[Prepared | DomainError] = []
        for order in orders:
            if isinstance(order, DomainError):
                prepared.append(order)
                continue
            try:
                prepared.append(self._kind.command(caller, order, is_prepared=True))
            except DomainError as refusal:
                prepared.append(await self._first_answer(caller, order, refusal))
        return prepared

    async def _first_answer(self, caller: Caller, order: AnyOrder, refusal: DomainError) -> DomainError:
        """A key is looked at before what a request asks: one that was used before was used for something else."""
        async with self._database.work(caller.ledger_id) as connection:
            used = await find_used_key(connection, caller.ledger_id, order.idempotency_key)
        return refusal if used is None else _reused()

    async def _done(
        self, caller: Caller, prepared: Sequence[Prepared], answers: Sequence[Answer]
    ) -> list[Done[View] | DomainError]:
        """Views of what was posted now, and of what was posted before as it was recorded then."""
        earlier = [answer.entry_id for answer in answers if not isinstance(answer, Posted | Refused)]
        recorded: Mapping[UUID, View] = {}
        if earlier:
            async with self._database.work(caller.ledger_id) as connection:
                recorded = await self._kind.recorded(connection, caller.ledger_id, earlier)
        results: list[Done[View] | DomainError] = []
        for item, answer in zip(prepared, answers, strict=True):
            if isinstance(answer, Posted):
                results.append(Done(self._kind.view(answer, item.names)))
            elif isinstance(answer, Refused):
                results.append(_refusal(answer))
            else:
                results.append(Done(recorded[answer.entry_id], is_replay=True))
        return results


def _refusal(refused: Refused) -> DomainError:
    refused.refusal.is_replay = refused.is_replay
    return refused.refusal


def _raised(result: Done[View] | DomainError) -> Done[View]:
    if isinstance(result, DomainError):
        raise result
    return result


def _reused() -> DomainError:
    return IdempotencyKeyReused("The key was used before, for another request.")
