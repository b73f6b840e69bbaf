"""Takes orders of one kind to the committer and makes views of what comes back.

Payments and journal entries differ in how an order becomes a command and what is shown of it; everything else about
single calls, bulk calls, replays and dry runs is the same and stands here once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar, runtime_checkable
from uuid import UUID

from zerosum.db.batch import unlocked_loader
from zerosum.db.engine import Connection, Database
from zerosum.domain.errors import (
    AccountOpenedMeanwhile,
    DomainError,
    JudgementNeeded,
    RecordUnreadable,
    SubjectErased,
    Unavailable,
)
from zerosum.domain.ledger.account import Account, AccountState
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Answer, Posted, Refused, Replayed
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.dry_run import DryRunBook
from zerosum.services.committing.key_lookup import KeyLookup
from zerosum.services.committing.work import further_windows, key_reused, outcome_unknown, refusal_in
from zerosum.services.requests.account_directory import NotPrepared
from zerosum.services.requests.caller import Caller
from zerosum.services.spans import among_chosen

BULK_ITEMS_MAX = 1000

MADE_ANEW_MAX = 3
"""How often an order is made a command again because somebody else has opened one of its accounts, or changed what was
judged: once will do."""

ANOTHER_MEANWHILE = (AccountOpenedMeanwhile, JudgementNeeded)
"""What an order is made a command again for."""


class CommandInput(Protocol):
    """What every order carries."""

    @property
    def idempotency_key(self) -> str: ...


AnyOrder = TypeVar("AnyOrder", bound=CommandInput)
View = TypeVar("View")
AnyOrder_contra = TypeVar("AnyOrder_contra", bound=CommandInput, contravariant=True)
View_co = TypeVar("View_co", covariant=True)


Names = Mapping[UUID, str]
"""The codes of the accounts a command touches, by id: for showing it."""


Imagined = Mapping[str, Account]
"""Accounts that would be opened by their first use, by code: by the command itself, or by nobody in a dry run."""

NOTHING_IMAGINED: Imagined = {}


@dataclass(slots=True)
class Prepared:
    """An order as a command."""

    command: LedgerCommand
    names: Names


class CommandBuilder(Protocol[AnyOrder_contra, View_co]):
    """How orders of one kind become commands, and commands views."""

    def command(
        self, caller: Caller, order: AnyOrder_contra, *, is_prepared: bool, imagined: Imagined = NOTHING_IMAGINED
    ) -> Prepared:
        """From what is in memory. Raises a DomainError for an order that cannot be right.

        What is not in memory raises NotPrepared, or once it was prepared the DomainError that says it does not exist.
        """

    async def prepare(self, caller: Caller, orders: Sequence[AnyOrder_contra], *, may_write: bool) -> Imagined:
        """Fetch what the orders name, and make the accounts that are made on first use; or only imagine those."""

    def view(self, posted: Posted, names: Names) -> View_co: ...

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, View_co]: ...


@runtime_checkable
class Recalling(Protocol[AnyOrder_contra]):
    """A builder whose orders may name what is there no more, after it was used."""

    def recalled(self, caller: Caller, order: AnyOrder_contra) -> Prepared:
        """A command to be compared with what its key was used for. Raises NotPrepared, DomainError."""


class Judge(Protocol[AnyOrder_contra]):
    """Says what rules say of commands that are prepared, before they are handed over."""

    @property
    def is_idle(self) -> bool:
        """There are no rules."""

    async def judged(
        self, caller: Caller, orders: Sequence[AnyOrder_contra], prepared: Sequence[Prepared], *, is_atomic: bool
    ) -> list[Prepared]:
        """The same, each with a command that bears what was said of it."""


@dataclass(slots=True)
class Done(Generic[View]):
    view: View
    is_replay: bool = False


@dataclass(slots=True)
class DryRunResult(Generic[View]):
    """What each order would be answered, and how the touched accounts would stand."""

    results: list[Done[View] | DomainError]
    states: Sequence[AccountState]


class Submission(Generic[AnyOrder, View]):
    def __init__(
        self,
        kind: CommandBuilder[AnyOrder, View],
        committer: Committer,
        database: Database,
        now: Callable[[], datetime],
        judge: Judge[AnyOrder] | None = None,
    ) -> None:
        self._judge = judge
        self._kind = kind
        self._committer = committer
        self._database = database
        self._keys = KeyLookup(database, committer)
        self._now = now

    async def one(self, caller: Caller, order: AnyOrder) -> Done[View]:
        """Carried out, or replayed. Raises the refusal."""
        try:
            prepared = self._kind.command(caller, order, is_prepared=False)
        except NotPrepared:
            prepared = await self._prepare(caller, order)
        except DomainError:
            if not await self._keys.used(caller.ledger_id, [order.idempotency_key]):
                raise
            prepared = _fit(self._recalled(caller, order))
        prepared, answer = await self._carried_out(caller, order, prepared)
        for _ in range(MADE_ANEW_MAX):
            if not (isinstance(answer, Refused) and isinstance(answer.refusal, ANOTHER_MEANWHILE)):
                break
            prepared, answer = await self._carried_out(caller, order, await self._prepare(caller, order))
        if isinstance(answer, Posted):
            return Done(self._kind.view(answer, prepared.names))
        return await self._one_done(caller, prepared, answer)

    async def _carried_out(self, caller: Caller, order: AnyOrder, prepared: Prepared) -> tuple[Prepared, Answer]:
        """By the word of whoever judges, where somebody does."""
        if self._judge is not None:
            [prepared] = await self._judge.judged(caller, [order], [prepared], is_atomic=False)
        return prepared, await self._committer.carry_out(prepared.command)

    async def each(
        self, caller: Caller, orders: Sequence[AnyOrder | Prepared | DomainError], *, order_key: int | None = None
    ) -> list[Done[View] | DomainError]:
        """One result for each, in order. An order that was refused before it came here is passed through.

        So is one that was made a command otherwise, which opens nothing, and which nobody has judged. Calls with one
        order key keep their order among each other.
        """
        prepared, _ = await self._prepare_each(caller, orders)
        prepared = await self._judged_each(caller, orders, prepared)
        fit = [item for item in prepared if isinstance(item, Prepared)]
        with among_chosen([isinstance(item, Prepared) for item in prepared]):
            answers = (
                await self._committer.carry_out_each([item.command for item in fit], order_key=order_key) if fit else []
            )
        done = iter(await self._done(caller, fit, answers))
        results = [next(done) if isinstance(item, Prepared) else item for item in prepared]
        for index, (order, result) in enumerate(zip(orders, results, strict=True)):
            if isinstance(result, ANOTHER_MEANWHILE) and not isinstance(order, DomainError | Prepared):
                results[index] = await self._again(caller, order)
        return results

    async def _again(self, caller: Caller, order: AnyOrder) -> Done[View] | DomainError:
        try:
            return await self.one(caller, order)
        except DomainError as refusal:
            return refusal

    async def together(
        self, caller: Caller, orders: Sequence[AnyOrder | DomainError]
    ) -> list[Done[View]] | tuple[int, DomainError]:
        """All or nothing: every result, or the index and refusal of the first that stood in the way."""
        for _ in range(MADE_ANEW_MAX):
            result = await self._together(caller, orders)
            if not (isinstance(result, tuple) and isinstance(result[1], ANOTHER_MEANWHILE)):
                break
        return result

    async def _together(
        self, caller: Caller, orders: Sequence[AnyOrder | DomainError]
    ) -> list[Done[View]] | tuple[int, DomainError]:
        fit = _all_fit((await self._prepare_each(caller, orders))[0])
        if isinstance(fit, tuple):
            return fit
        prepared = _all_fit(await self._judged_each(caller, orders, fit, is_atomic=True))
        if isinstance(prepared, tuple):
            return prepared
        answers = await self._committer.carry_out_together([item.command for item in prepared])
        if isinstance(answers, tuple):
            index, refused = answers
            return index, refusal_in(refused)
        return [_raised(result) for result in await self._done(caller, prepared, answers)]

    async def rehearse(
        self, caller: Caller, orders: Sequence[AnyOrder | DomainError], *, is_atomic: bool = False
    ) -> DryRunResult[View] | tuple[int, DomainError]:
        """All checks and nothing written. A refusal brings every other condition that fails beside it."""
        all_prepared, imagined = await self._prepare_each(caller, orders, may_write=False)
        all_prepared = await self._judged_each(caller, orders, all_prepared, is_atomic=is_atomic)
        prepared = _all_fit(all_prepared) if is_atomic else [one for one in all_prepared if isinstance(one, Prepared)]
        if isinstance(prepared, tuple):
            return prepared
        commands = [item.command for item in prepared]
        ids = {account_id for command in commands for account_id in command.account_ids()}
        async with self._database.work(caller.ledger_id) as connection:
            loader = unlocked_loader(connection)
            used = await loader.used_keys([(one.ledger_id, one.idempotency_key) for one in commands])
            states = await loader.accounts([(caller.ledger_id, account_id) for account_id in ids])
            records = await loader.records({need for one in commands for need in one.needs()})
            now = self._now()
            await loader.count_velocity(states, further_windows(commands), now)
            opening = [account for command in commands for account in command.new_accounts]
            groups = await loader.limited_groups(states, opening, now)
        opened = {account.state.id for account in opening}
        states += [one.state for one in imagined.values() if one.state.id in ids - opened]
        dry_run = DryRunBook(states, used, now, records, groups)
        try:
            answers = dry_run.together(commands) if is_atomic else dry_run.each(commands)
        except ArithmeticError as error:  # As the batch runner answers for a command that is carried out.
            raise RecordUnreadable("An account of this command cannot be read; nothing was done.") from error
        if isinstance(answers, tuple):
            return answers[0], refusal_in(answers[1])
        done = iter(await self._done(caller, prepared, answers))
        results = [next(done) if isinstance(item, Prepared) else item for item in all_prepared]
        return DryRunResult(results, dry_run.states)

    async def _prepare(self, caller: Caller, order: AnyOrder) -> Prepared:
        prepared = (await self._prepare_each(caller, [order]))[0][0]
        if isinstance(prepared, DomainError):
            raise prepared
        return prepared

    async def _prepare_each(
        self, caller: Caller, orders: Sequence[AnyOrder | Prepared | DomainError], *, may_write: bool = True
    ) -> tuple[list[Prepared | DomainError], Imagined]:
        fit = [order for order in orders if not isinstance(order, DomainError | Prepared)]
        imagined = NOTHING_IMAGINED
        if fit:
            with self._keys.true_of(caller.ledger_id, [order.idempotency_key for order in fit]):
                imagined = await self._kind.prepare(caller, fit, may_write=may_write)
        prepared: list[Prepared | DomainError] = []
        refused: dict[int, AnyOrder] = {}
        for index, order in enumerate(orders):
            if isinstance(order, DomainError | Prepared):
                prepared.append(order)
                continue
            try:
                prepared.append(self._kind.command(caller, order, is_prepared=True, imagined=imagined))
            except SubjectErased as refusal:
                prepared.append(refusal)  # Whoever has prepared it has looked at its key.
            except DomainError as refusal:
                prepared.append(refusal)
                refused[index] = order
        used = await self._keys.used(caller.ledger_id, [order.idempotency_key for order in refused.values()])
        for index, order in refused.items():
            if order.idempotency_key in used:
                prepared[index] = self._recalled(caller, order)
        return prepared, imagined

    def _recalled(self, caller: Caller, order: AnyOrder) -> Prepared | DomainError:
        """Of a used key: what it asks now is refused, but it may be what was asked then."""
        if isinstance(self._kind, Recalling):
            with contextlib.suppress(DomainError, NotPrepared):
                return self._kind.recalled(caller, order)
        return key_reused()

    async def _judged_each(
        self,
        caller: Caller,
        orders: Sequence[AnyOrder | Prepared | DomainError],
        prepared: Sequence[Prepared | DomainError],
        *,
        is_atomic: bool = False,
    ) -> list[Prepared | DomainError]:
        """Those that are fit, where somebody judges them."""
        if self._judge is None:
            return list(prepared)
        fit = [
            (order, one)
            for order, one in zip(orders, prepared, strict=True)
            if isinstance(one, Prepared) and not isinstance(order, DomainError | Prepared)
        ]
        if not fit:
            return list(prepared)
        judged = iter(
            await self._judge.judged(caller, [order for order, _ in fit], [one for _, one in fit], is_atomic=is_atomic)
        )
        return [
            next(judged) if isinstance(one, Prepared) and one is not order else one
            for order, one in zip(orders, prepared, strict=True)
        ]

    async def _one_done(self, caller: Caller, prepared: Prepared, answer: Answer) -> Done[View]:
        """Raises the refusal."""
        return _raised((await self._done(caller, [prepared], [answer]))[0])

    async def _done(
        self, caller: Caller, prepared: Sequence[Prepared], answers: Sequence[Answer]
    ) -> list[Done[View] | DomainError]:
        """Views of what was posted now, and of what was posted before as it was recorded then."""
        now: dict[UUID, Posted] = {answer.first_id: answer for answer in answers if isinstance(answer, Posted)}
        replays = [answer.recorded_id for answer in answers if isinstance(answer, Replayed)]
        earlier = [id_ for id_ in replays if id_ not in now]
        recorded: Mapping[UUID, View] = {}
        if earlier:
            recorded = await self._recorded(caller, earlier, [item.command for item in prepared])
        results: list[Done[View] | DomainError] = []
        for item, answer in zip(prepared, answers, strict=True):
            if isinstance(answer, Posted):
                results.append(Done(self._kind.view(answer, item.names)))
            elif isinstance(answer, Refused):
                results.append(refusal_in(answer))
            elif answer.recorded_id in now:
                results.append(Done(self._kind.view(now[answer.recorded_id], item.names), is_replay=True))
            else:
                results.append(Done(recorded[answer.recorded_id], is_replay=True))
        return results

    async def _recorded(
        self, caller: Caller, ids: Collection[UUID], commands: Sequence[LedgerCommand]
    ) -> Mapping[UUID, View]:
        """They are there: whoever cannot be shown them is not told that nothing was done, now or when he asks again."""
        try:
            async with self._database.work(caller.ledger_id) as connection:
                return await self._kind.recorded(connection, caller.ledger_id, ids)
        except Unavailable as refusal:
            self._committer.unknown_keys.add([(one.ledger_id, one.idempotency_key) for one in commands])
            raise outcome_unknown() from refusal


def _fit(prepared: Prepared | DomainError) -> Prepared:
    if isinstance(prepared, DomainError):
        raise prepared from None
    return prepared


def _raised(result: Done[View] | DomainError) -> Done[View]:
    if isinstance(result, DomainError):
        raise result
    return result


def _all_fit(prepared: Sequence[Prepared | DomainError]) -> list[Prepared] | tuple[int, DomainError]:
    """All of them, or the index and refusal of the first that was refused before it could be judged."""
    fit: list[Prepared] = []
    for index, item in enumerate(prepared):
        if isinstance(item, DomainError):
            return index, item
        fit.append(item)
    return fit
