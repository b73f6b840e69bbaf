"""Brings a plan into a ledger: what it counts in, its accounts, and its entries in the order of the file.

Everything is looked up and compared before anything is written. Entries go out in calls that follow each other, each
entry under a key of its own: the same file again changes nothing, and goes on where the first try was cut short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from zerosum.domain.errors import AmountTooPrecise, DomainError, IdempotencyKeyReused
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.money import Currency, CurrencyTable, render_amount
from zerosum.ingest.journal_files.planning import Plan, PlannedEntry, WantedAccount
from zerosum.ingest.journal_files.read import JournalFault, JournalRefused, shown

ENTRIES_AT_ONCE = 500
CHARACTERS_AT_ONCE = 500_000
"""Of one call, however few entries they are: its body is bounded."""

_LINE_CHARACTERS = 300
"""Of a posting, at most about."""

CODES_AT_ONCE = 1_000

PATIENCE_SECONDS = 120.0
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.1, 2.0

Answer = TypeVar("Answer")


class KnownAccount(NamedTuple):
    """As the ledger has it."""

    type: AccountType
    currency: str


class EntryResult(NamedTuple):
    """`code` says why it was refused, or is None. `is_replay`: an earlier try has posted it, or seen it refused."""

    code: str | None
    detail: str
    is_replay: bool


class JournalTarget(Protocol):
    """A ledger: in a database, or behind a service. Retryable refusals are asked again."""

    def opens(self, code: str) -> bool:
        """False for codes that are kept for accounts of the service's own."""

    async def time_zone(self) -> str: ...

    async def places(self) -> Mapping[str, int]:
        """Of the currencies that the ledger has defined for itself."""

    async def accounts(self, codes: Sequence[str]) -> Mapping[str, KnownAccount]: ...

    async def define(self, code: str, places: int) -> None: ...

    async def open(self, account: WantedAccount, code: str) -> None:
        """Without limits, named as in the file."""

    async def post(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[EntryResult]:
        """In order. Each is the body of one item of a bulk call."""


@dataclass(slots=True, kw_only=True)
class JournalTally:
    posted: int = 0
    replayed: int = 0
    accounts: list[str] = field(default_factory=list)
    """Codes of those that are opened."""
    currencies: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalImport:
    plan: Plan
    target: JournalTarget
    advance: Callable[[int], None]
    """Is told of entries, once they are posted."""

    async def run(self, tally: JournalTally, *, is_dry: bool) -> None:
        """Raises JournalRefused for entries that are not taken. A DomainError is about the ledger."""
        currencies = await self._currencies(tally)
        codes, to_open = await self._accounts()
        tally.accounts = [code for _, code in to_open]
        self._check(codes, currencies)
        if is_dry:
            return
        for code in tally.currencies:
            await patiently(lambda code=code: self.target.define(code, currencies[code].exponent))  # type: ignore[misc]
        for account, code in to_open:
            await patiently(lambda account=account, code=code: self.target.open(account, code))  # type: ignore[misc]
        for some in _calls(self.plan.entries):
            await self._send(some, [_body(entry, codes, currencies) for entry in some], tally)

    async def _currencies(self, tally: JournalTally) -> dict[str, Currency]:
        """What the ledger counts in, or will. A file may define a currency where it declares its places."""
        own, iso, faults = await patiently(self.target.places), CurrencyTable(), list[JournalFault]()
        found: dict[str, Currency] = {}
        for code, line in self.plan.currencies().items():
            known = iso.find(code)
            if known is not None:
                found[code] = known
            elif code in own:
                found[code] = Currency(code, own[code])
            elif code in self.plan.places:
                found[code] = Currency(code, self.plan.places[code])
                tally.currencies.append(code)
            else:
                told = f"the ledger knows no currency {code}: define it, or declare its places by a commodity line"
                faults.append(JournalFault(line, told))
        if faults:
            raise JournalRefused(faults)
        return found

    async def _accounts(self) -> tuple[dict[tuple[str, str], str], list[tuple[WantedAccount, str]]]:
        """The code of each account of the file in each of its currencies; and what is to be opened."""
        wanted = self.plan.accounts
        asked = list(dict.fromkeys(code for one in wanted for code in (one.code, f"{one.code}:{one.currency}")))
        known: dict[str, KnownAccount] = {}
        for start in range(0, len(asked), CODES_AT_ONCE):
            some = asked[start : start + CODES_AT_ONCE]
            known |= await patiently(lambda some=some: self.target.accounts(some))  # type: ignore[misc]
        several = _in_several_currencies(wanted)
        codes: dict[tuple[str, str], str] = {}
        to_open: list[tuple[WantedAccount, str]] = []
        faults: list[JournalFault] = []
        for account in wanted:
            code = _code(account, known, is_alone=account.name not in several)
            codes[account.name, account.currency] = code
            there = known.get(code)
            if there is None and not self.target.opens(code):
                told = f"{code} is the code of an account that the service opens: rename it by --account OLD=NEW"
                faults.append(JournalFault(account.line, told))
            elif there is None:
                to_open.append((account, code))
                known[code] = KnownAccount(account.type, account.currency)
            elif there != (account.type, account.currency):
                told = f"the ledger's account {code} is of type {there.type.value} in {there.currency}"
                faults.append(JournalFault(account.line, f"{told}, and this is {account.type.value}"))
        if faults:
            raise JournalRefused(faults)
        return codes, to_open

    def _check(self, codes: Mapping[tuple[str, str], str], currencies: Mapping[str, Currency]) -> None:
        """That everything can be said, before the first is sent."""
        faults: list[JournalFault] = []
        for entry in self.plan.entries:
            try:
                _body(entry, codes, currencies)
            except JournalFault as fault:
                faults.append(fault)
        if faults:
            raise JournalRefused(faults)

    async def _send(
        self, entries: Sequence[PlannedEntry], bodies: Sequence[Mapping[str, Any]], tally: JournalTally
    ) -> None:
        results = await patiently(lambda: self.target.post(bodies))
        faults = []
        for entry, result in zip(entries, results, strict=True):
            if result.code is None:
                tally.posted += not result.is_replay
                tally.replayed += result.is_replay
            else:
                faults.append(JournalFault(entry.line, _obstacle(result)))
        self.advance(len(entries) - len(faults))
        if faults:
            raise JournalRefused(faults)


async def patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Asked again while the ledger cannot be reached, which every call of a target may be."""
    loop = asyncio.get_running_loop()
    gives_up_at, pause = loop.time() + PATIENCE_SECONDS, PAUSE_SECONDS_MIN
    while True:
        try:
            return await ask()
        except DomainError as error:
            if not error.retryable or loop.time() >= gives_up_at:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, PAUSE_SECONDS_MAX)


def _in_several_currencies(wanted: Iterable[WantedAccount]) -> set[str]:
    met, several = dict[str, str](), set[str]()
    for account in wanted:
        if met.setdefault(account.name, account.currency) != account.currency:
            several.add(account.name)
    return several


def _code(account: WantedAccount, known: Mapping[str, KnownAccount], *, is_alone: bool) -> str:
    """What the ledger has goes first, so that a second file finds what the first has opened."""
    longer = f"{account.code}:{account.currency}"
    there = known.get(account.code)
    if there is not None and there.currency == account.currency:
        return account.code
    if longer in known:
        return longer
    return account.code if is_alone and there is None else longer


def _body(
    entry: PlannedEntry, codes: Mapping[tuple[str, str], str], currencies: Mapping[str, Currency]
) -> dict[str, Any]:
    lines = []
    for line in entry.lines:
        try:
            amount = render_amount(currencies[line.currency].scaled(abs(line.amount)))
        except AmountTooPrecise as error:
            raise JournalFault(line.line, error.detail) from None
        side = "debit" if line.amount > 0 else "credit"
        account = codes[line.name, line.currency]
        lines.append({"account": account, "side": side, "amount": amount, "currency": line.currency})
    effective_at = entry.effective_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "idempotency_key": entry.key,
        "reason": entry.reason,
        "postings": lines,
        "effective_at": effective_at,
        "metadata": dict(entry.metadata),
    }


def _calls(entries: Sequence[PlannedEntry]) -> Iterator[Sequence[PlannedEntry]]:
    start = characters = 0
    for at, entry in enumerate(entries):
        size = _size(entry)
        if at - start >= ENTRIES_AT_ONCE or (at > start and characters + size > CHARACTERS_AT_ONCE):
            yield entries[start:at]
            start, characters = at, 0
        characters += size
    if start < len(entries):
        yield entries[start:]


def _size(entry: PlannedEntry) -> int:
    said = sum(len(name) + len(value) for name, value in entry.metadata.items())
    return _LINE_CHARACTERS * (1 + len(entry.lines)) + len(entry.reason) + said


def _obstacle(result: EntryResult) -> str:
    if result.code == IdempotencyKeyReused.code:
        return "it was imported before, and the file says something else of it now; what was posted stays"
    return f"the ledger refuses it ({result.code}): {shown(result.detail)}"
