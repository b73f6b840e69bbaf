"""What a ledger is asked for, to become as the file says: accounts, and entries in the order of the file."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, tzinfo
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from zerosum.domain.identifiers import is_account_code
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.entry import POSTINGS_MAX
from zerosum.ingest.journal_files.codes import code_of, type_of
from zerosum.ingest.journal_files.exported import ExportedEntry
from zerosum.ingest.journal_files.read import JournalFault, ReadEntry, ReadJournal, ReadPosting, Tags, shown

METADATA_MAX = 50
NO_REASON = "(no description)"
_DIGEST_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """`renamed` are beginnings of names and what stands in their place, the first that fits."""

    zone: tzinfo
    exported: Callable[[ReadEntry], ExportedEntry | None]
    name: str | None = None
    renamed: Sequence[tuple[str, str]] = ()
    is_real_only: bool = False
    """What is pending is left out, and not refused."""


class WantedAccount(NamedTuple):
    """An account of a file in one currency. `line` is where it is met first."""

    name: str
    currency: str
    code: str
    type: AccountType
    line: int


class PlannedLine(NamedTuple):
    name: str
    amount: Decimal
    currency: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEntry:
    line: int
    key: str
    reason: str
    effective_at: datetime
    metadata: Mapping[str, str]
    lines: Sequence[PlannedLine]


@dataclass(slots=True, kw_only=True)
class Plan:
    """`places` is what the file declares of currencies. `left_out` counts what moves nothing, by why."""

    accounts: list[WantedAccount] = field(default_factory=list)
    entries: list[PlannedEntry] = field(default_factory=list)
    places: Mapping[str, int] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def currencies(self) -> dict[str, int]:
        """Each with the line where it is met first."""
        met: dict[str, int] = {}
        for account in self.accounts:
            met.setdefault(account.currency, account.line)
        return met


def plan(journal: ReadJournal, options: PlanOptions) -> Plan:
    """Raises JournalRefused."""
    made = Plan(places=journal.places)
    times = Counter[str]()
    for entry in journal.entries:
        try:
            planned = _planned(entry, options, times, made.left_out)
        except JournalFault as fault:
            journal.faults.append(fault)
            continue
        if planned is not None:
            made.entries.append(planned)
    journal.check()
    made.accounts = list(_accounts(journal, made.entries, options))
    journal.check()
    return made


def _planned(
    entry: ReadEntry, options: PlanOptions, times: Counter[str], left_out: Counter[str]
) -> PlannedEntry | None:
    lines = list(_lines(entry, options, left_out))
    exported = options.exported(entry)
    digest = _digest(entry, options.name)
    times[digest] += 1
    if not lines:
        left_out["entries that move nothing"] += 1
        return None
    if len(lines) > POSTINGS_MAX:
        raise JournalFault(entry.line, f"an entry has at most {POSTINGS_MAX} postings")
    key = f"journal:{digest}:{times[digest]}"
    if exported is not None:
        # Who has filled it up keeps what he wrote; from ledger to ledger the first origin stays.
        metadata = dict(exported.metadata)
        if len(metadata.keys() | exported.origins.keys()) <= METADATA_MAX:
            metadata = {**exported.origins, **metadata}
        reason, effective_at = exported.reason, exported.effective_at
    else:
        metadata = _metadata(entry)
        reason, effective_at = entry.reason or NO_REASON, datetime.combine(entry.on, time(0), options.zone)
    return PlannedEntry(
        line=entry.line,
        key=key,
        reason=reason,
        effective_at=_in_utc(effective_at, entry.line),
        metadata=metadata,
        lines=lines,
    )


def _in_utc(moment: datetime, line: int) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise JournalFault(line, "no ledger counts this day") from None


def _lines(entry: ReadEntry, options: PlanOptions, left_out: Counter[str]) -> Iterator[PlannedLine]:
    for posting in entry.postings:
        if posting.is_pending:
            if not options.is_real_only:
                raise JournalFault(
                    posting.line, "a pending posting is no entry's: holds are placed anew, or left out by --real"
                )
            left_out["pending postings"] += 1
        elif not posting.amount or posting.currency is None:
            left_out["postings of zero"] += 1
        else:
            yield PlannedLine(posting.account, posting.amount, posting.currency, posting.line)


def _digest(entry: ReadEntry, name: str | None) -> str:
    """Of what makes it this entry: its day, what it is called and what it moves. So a file that has grown goes on.

    What else is said of it may be changed in the file. The ledger answers then that its key had another request.
    """
    moved = [_moved(posting) for posting in entry.postings]
    content = json.dumps([name, entry.on.isoformat(), entry.reference, entry.reason, moved, _own_id(entry)])
    return sha256(content.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _moved(posting: ReadPosting) -> list[Any]:
    amount = None if posting.amount is None else f"{posting.amount.normalize():f}"
    return [posting.account, amount, posting.currency, posting.is_pending]


def _own_id(entry: ReadEntry) -> str | None:
    return dict(entry.said).get("id")


def _metadata(entry: ReadEntry) -> dict[str, str]:
    """A name that is said twice has its values below each other. What postings say bears their number."""
    said: Tags = [("code", entry.reference)] if entry.reference else []
    said += entry.said
    for number, posting in enumerate(entry.postings, 1):
        said += [(f"posting.{number}.{name}", value) for name, value in posting.said]
    kept: dict[str, list[str]] = defaultdict(list)
    for name, value in said:
        kept[name].append(value)
    if len(kept) > METADATA_MAX:
        raise JournalFault(entry.line, f"a ledger keeps at most {METADATA_MAX} tags of an entry")
    return {name: "\n".join(values) for name, values in kept.items()}


def _accounts(journal: ReadJournal, entries: Iterable[PlannedEntry], options: PlanOptions) -> Iterator[WantedAccount]:
    names: dict[str, str] = {}
    met = set[tuple[str, str]]()
    for entry in entries:
        for line in entry.lines:
            if (line.name, line.currency) in met:
                continue
            met.add((line.name, line.currency))
            try:
                code = _code(journal, line, options)
                type_ = type_of(line.name, journal.accounts, line.line)
                if names.setdefault(code, line.name) != line.name:
                    told = f"{shown(line.name)} and {shown(names[code])} would become one account {code}"
                    raise JournalFault(line.line, told)
            except JournalFault as fault:
                journal.faults.append(fault)
                continue
            yield WantedAccount(line.name, line.currency, code, type_, line.line)


def _code(journal: ReadJournal, line: PlannedLine, options: PlanOptions) -> str:
    declared = journal.accounts.get(line.name)
    if declared is None or declared.code is None:
        return code_of(line.name, options.renamed, line.line)
    if not is_account_code(declared.code):
        raise JournalFault(declared.line, "this is no code of an account")
    return code_of(declared.code, options.renamed, line.line)
