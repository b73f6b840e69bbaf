"""Random books and random commands, carried out on the Book and on its plain model side by side."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.domain.builders import CURRENCIES, LEDGER, NOON, account_id, uuid_of
from tests.domain.model import Line, ModelAccount, ModelBook, imbalances, written
from zerosum.domain.errors import DomainError
from zerosum.domain.ledger.account import (
    AccountState,
    AccountStatus,
    AccountType,
    Layer,
    Side,
    status_after_close,
    status_after_freeze,
    status_after_unfreeze,
    with_limits,
)
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.chain import genesis
from zerosum.domain.ledger.entry import JournalEntry, Nature, PostedEntry, Posting
from zerosum.domain.ledger.outcome import Outcome, Posted, Refused
from zerosum.domain.ledger.post_entry import PostEntry
from zerosum.domain.money import Money

PROPERTY = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,  # the same examples in every run: a failure is never somebody else's
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # speaks of the machine, which others use too
)

NAMES = [f"account{number}" for number in range(6)]
STATUS_RULES = {"freeze": status_after_freeze, "unfreeze": status_after_unfreeze, "close": status_after_close}
STATUS_AFTER = {"freeze": "frozen", "unfreeze": "open", "close": "closed"}


# --- Strategies ------------------------------------------------------------------------------------------------------


# Made once where they can be: a strategy that is made anew for each draw is looked through anew each time.


@functools.cache
def one_of(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


@functools.cache
def unit_counts(places: int) -> st.SearchStrategy[int]:
    """Mostly small, so that limits are met from both sides; sometimes as large as an amount can be."""
    largest = 10 ** (20 + places) - 1
    return st.integers(1, 12) | st.integers(1, 12) | st.sampled_from([largest, largest - 1, largest // 2, 10**17])


@functools.cache
def one_to_three_unit_counts(places: int) -> st.SearchStrategy[list[int]]:
    return st.lists(unit_counts(places), min_size=1, max_size=3)


@functools.cache
def ceilings(lowest: int) -> st.SearchStrategy[int | None]:
    return st.none() | st.none() | st.integers(lowest, 40)


CODES = st.sampled_from(["USD", "USD", "USD", "JPY", "ETH"])
FLOORS = st.none() | st.integers(-15, 5)
ACCOUNT_TYPES = st.sampled_from([type_.value for type_ in AccountType])
ONE_OR_TWO = st.sampled_from([1, 1, 1, 2])
SOMETIMES = st.sampled_from([False, False, True])
SELDOM = st.sampled_from([False] * 7 + [True])


@st.composite
def _accounts(draw: st.DrawFn) -> ModelAccount:
    currency = CURRENCIES[draw(CODES)]
    floor = draw(FLOORS)
    return ModelAccount(
        type=draw(ACCOUNT_TYPES),
        currency=currency.code,
        places=currency.exponent,
        floor=floor,
        ceiling=draw(ceilings(-3 if floor is None else max(-3, floor))),
        overdrawn=floor is not None and floor > 0,
    )


ACCOUNTS = _accounts()


@st.composite
def chart(draw: st.DrawFn, names: Sequence[str] = NAMES) -> dict[str, ModelAccount]:
    """Two to six accounts. The first two have one currency, so that there is always something to move."""
    used = names[: draw(st.integers(2, len(names)))]
    made = {name: draw(ACCOUNTS) for name in used}
    made[used[1]].currency, made[used[1]].places = made[used[0]].currency, made[used[0]].places
    return made


@st.composite
def balanced_lines(draw: st.DrawFn, model: dict[str, ModelAccount]) -> list[Line]:
    """One or two groups of lines that balance, mostly between accounts that hold their currency."""
    lines: list[Line] = []
    for _ in range(draw(ONE_OR_TWO)):
        first = model[draw(one_of(*sorted(model)))]
        fitting = sorted(name for name, other in model.items() if other.currency == first.currency)
        anyone = [*fitting, *fitting, *fitting, *sorted(model), "nobody"]
        pending = draw(SOMETIMES)
        debits = draw(one_to_three_unit_counts(first.places))
        credits_ = list(debits)
        if draw(st.booleans()) and credits_[0] > 1:
            part = draw(st.integers(1, credits_[0] - 1))
            credits_ = [part, credits_[0] - part, *credits_[1:]]
        for side, amounts in (("debit", debits), ("credit", credits_)):
            for units in amounts:
                lines.append(
                    Line(
                        account=draw(one_of(*(anyone if draw(st.integers(0, 9)) == 0 else fitting))),
                        side=side,
                        units=units,
                        currency=first.currency,
                        pending=pending,
                        outside=draw(SELDOM),
                    )
                )
    return draw(st.permutations(lines))


def steps(model: dict[str, ModelAccount]) -> st.SearchStrategy[tuple[Any, ...]]:
    """What may happen to a book. `release` names one of the placements that are still open, by its number."""
    names = st.sampled_from(sorted(model))
    limit = st.none() | st.integers(-20, 40)
    entry = st.tuples(st.just("post"), balanced_lines(model))
    return st.one_of(
        entry,
        entry,
        entry,
        st.tuples(st.just("release"), st.integers(0, 10)),
        st.tuples(st.just("limits"), names, limit, limit),
        st.tuples(st.sampled_from(["freeze", "unfreeze", "unfreeze", "close"]), names),
    )


# --- Both books ------------------------------------------------------------------------------------------------------


@dataclass
class Judged:
    """One command and what became of it. `before` and `after` are the states of the accounts it names."""

    lines: list[Line]
    outcome: Outcome
    told: list[tuple[str, str | None]]
    expected: list[tuple[str, int]]
    before: dict[UUID, AccountState]
    after: dict[UUID, AccountState]


@dataclass
class Run:
    """A Book and its model, which are given the same commands."""

    book: Book
    model: ModelBook
    judged: list[Judged] = field(default_factory=list)
    open_placements: list[list[Line]] = field(default_factory=list)
    commands: list[PostEntry] = field(default_factory=list)

    @classmethod
    def of(cls, charted: dict[str, ModelAccount]) -> Run:
        return cls(Book([state_of(name, account) for name, account in charted.items()]), ModelBook(charted))

    def begin_again(self) -> Run:
        """The same accounts, with nothing in them yet."""
        return Run.of(
            {name: replace(account, lines=[], status="open") for name, account in self.model.accounts.items()}
        )

    @property
    def entries(self) -> list[PostedEntry]:
        return [one.outcome.entry for one in self.judged if isinstance(one.outcome, Posted)]

    def take(self, step: tuple[Any, ...]) -> None:
        kind, *arguments = step
        if kind == "post":
            self.post(arguments[0])
        elif kind == "release":
            self.release(arguments[0])
        elif kind == "limits":
            self.change_limits(*arguments)
        else:
            self.change_status(kind, arguments[0])

    def post(self, lines: list[Line]) -> bool:
        command = command_of(lines, key=f"key-{len(self.commands)}")
        self.commands.append(command)
        touched = {account_id(line.account) for line in lines}
        before = {id_: state.copy() for id_, state in self.book.accounts.items() if id_ in touched}
        told = [(objection.code, objection.pointer) for objection in self.book.objections(command.entry)]
        expected = self.model.objections(lines)
        refused_with = self.model.post(lines)
        outcome = self.book.apply(command, NOON)
        after = {id_: state.copy() for id_, state in self.book.accounts.items() if id_ in touched}
        self.judged.append(Judged(lines, outcome, told, expected, before, after))
        assert (outcome.refusal.code if isinstance(outcome, Refused) else None) == refused_with
        pending = [line for line in lines if line.pending]
        if refused_with is None and pending and not any(line.releases for line in pending):
            self.open_placements.append(pending)
        return refused_with is None

    def release(self, number: int) -> None:
        """Take back a whole placement, as the end of a hold does."""
        if self.open_placements:
            index = number % len(self.open_placements)
            lines = [
                Line(line.account, line.side, line.units, line.currency, pending=True, releases=True)
                for line in self.open_placements[index]
            ]
            if self.post(lines):
                del self.open_placements[index]

    def change_limits(self, name: str, floor: int | None, ceiling: int | None) -> None:
        account, state = self.model.accounts[name], self.book.accounts[account_id(name)]
        limits = decimal_of(floor, account.places), decimal_of(ceiling, account.places)
        is_possible = floor is None or ceiling is None or floor <= ceiling
        assert succeeds(with_limits, state, *limits) == is_possible
        if is_possible:
            account.floor, account.ceiling = floor, ceiling
            account.overdrawn = floor is not None and account.available < floor
            self.book.accounts[account_id(name)] = with_limits(state, *limits)

    def change_status(self, verb: str, name: str) -> None:
        account, state = self.model.accounts[name], self.book.accounts[account_id(name)]
        is_possible = self.model.may_be_closed(name) if verb == "close" else account.status != "closed"
        assert succeeds(STATUS_RULES[verb], state) == is_possible
        if is_possible:
            account.status = STATUS_AFTER[verb]
            state.status = STATUS_RULES[verb](state)


@st.composite
def runs(draw: st.DrawFn, steps_max: int = 12) -> Run:
    charted = draw(chart())
    run = Run.of(charted)
    for step in draw(st.lists(steps(charted), min_size=1, max_size=steps_max)):
        run.take(step)
    return run


# --- Between the two writings ----------------------------------------------------------------------------------------


def state_of(name: str, account: ModelAccount) -> AccountState:
    """An account with nothing in it."""
    zero = decimal_of(0, account.places)
    assert zero is not None
    empty = AccountState(
        ledger_id=LEDGER,
        id=account_id(name),
        currency=account.currency,
        normal_side=AccountType(account.type).normal_side,
        status=AccountStatus(account.status),
        min_available=None,
        max_available=None,
        posted_debits=zero,
        posted_credits=zero,
        held=zero,
        version=0,
        head=genesis(LEDGER, account_id(name)),
    )
    return with_limits(empty, decimal_of(account.floor, account.places), decimal_of(account.ceiling, account.places))


def command_of(lines: Sequence[Line], *, key: str) -> PostEntry:
    assert not imbalances(lines)
    return PostEntry(
        id=uuid_of(f"command {key}"),
        ledger_id=LEDGER,
        idempotency_key=key,
        fingerprint=sha256(key.encode()).digest(),
        actor="tests",
        entry=entry_of(lines),
    )


def entry_of(lines: Sequence[Line]) -> JournalEntry:
    nature = Nature.OUTSIDE if any(line.outside for line in lines) else Nature.INTENTION
    return JournalEntry("test", tuple(posting_of(line) for line in lines), nature=nature)


def posting_of(line: Line) -> Posting:
    currency = CURRENCIES[line.currency]
    return Posting(
        account_id(line.account),
        Side(line.side),
        Money.parse(written(line.units, currency.exponent), currency),
        Layer.PENDING if line.pending else Layer.POSTED,
        line.releases,
    )


def decimal_of(units: int | None, places: int) -> Decimal | None:
    return None if units is None else Decimal(written(units, places))


def succeeds(rule: Any, *arguments: Any) -> bool:
    try:
        rule(*arguments)
    except DomainError:
        return False
    return True
