"""House rules: what holds and disputes of a ledger are made under where their requests say nothing.

Each change adds a version as a whole; what was made before keeps what it was made under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.domain.audit import AuditRecord, AuditType
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, LedgerId, Prefix, parse_id, render_id
from zerosum.domain.ledger.account_commands import AUDIT_RECORD
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entryless import EntrylessCommand
from zerosum.domain.ledger.outcome import OWN_ID, Event, Posted, Remembered
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.money import Money, RoundingMode, add, percentage, render_amount, render_number, rounded

HOUSE_RULES = "house_rules"
"""A version of a ledger's house rules: known by its number, written once and never looked for by it."""

NEWEST_HOUSE_RULES = "newest_house_rules"
"""The version that counts, known by its ledger. It is written as a part of the versions."""


class FeeRule(NamedTuple):
    """What losing a dispute costs, and who gets it. `is_forced` takes it from who has not so much, too."""

    amount: Decimal
    account_id: AccountId
    is_forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseRules:
    """A version of them. Beyond a hold a part of it may be captured, a fixed amount, or both together."""

    ledger_id: LedgerId
    version: int = 0
    over_percent: Decimal | None = None
    over_amounts: Mapping[str, Decimal] = field(default_factory=dict)
    dispute_fees: Mapping[str, FeeRule] = field(default_factory=dict)
    id: UUID | None = None
    actor: str = ""
    created_at: datetime | None = None

    def capture_max(self, held: Money) -> Decimal | None:
        """Of a hold that says nothing of its own: None where no more may be captured than is held."""
        if self.over_percent is None and not self.over_amounts:
            return None
        extra = self.over_amounts.get(held.currency.code, held.currency.scaled(Decimal(0)))
        if self.over_percent is not None:
            part = percentage(held.amount, self.over_percent)
            extra = add(extra, rounded(part, held.currency, RoundingMode.DOWN))
        return add(held.amount, extra) if extra else None

    @property
    def content(self) -> dict[str, Any]:
        """As it is stored, told and shown."""
        return {
            "over_capture": {
                "percent": None if self.over_percent is None else render_number(self.over_percent),
                "amounts": {code: render_amount(amount) for code, amount in sorted(self.over_amounts.items())},
            },
            "dispute_fees": {
                code: {
                    "amount": render_amount(fee.amount),
                    "to": render_id(Prefix.ACCOUNT, fee.account_id),
                    "force": fee.is_forced,
                }
                for code, fee in sorted(self.dispute_fees.items())
            },
        }


def house_rules_of(ledger_id: LedgerId, content: Mapping[str, Any], **members: Any) -> HouseRules:
    """What `content` has told."""
    over = content["over_capture"]
    return HouseRules(
        ledger_id=ledger_id,
        over_percent=None if over["percent"] is None else Decimal(over["percent"]),
        over_amounts={code: Decimal(amount) for code, amount in over["amounts"].items()},
        dispute_fees={
            code: FeeRule(Decimal(fee["amount"]), AccountId(parse_id(Prefix.ACCOUNT, fee["to"])), fee["force"])
            for code, fee in content["dispute_fees"].items()
        },
        **members,
    )


@lru_cache(1024)
def newest_key(ledger_id: LedgerId) -> RecordKey:
    return RecordKey(ledger_id, NEWEST_HOUSE_RULES, ledger_id)


def newest_in(book: Book, ledger_id: LedgerId) -> HouseRules:
    """As it was found, or as commands before this one in the batch have left it."""
    newest: HouseRules = book.records.get(newest_key(ledger_id)) or _none_of(ledger_id)
    while (later := book.records.get(_key_of(ledger_id, newest.version + 1))) is not None:
        newest = later
    return newest


@lru_cache(1024)
def _none_of(ledger_id: LedgerId) -> HouseRules:
    return HouseRules(ledger_id=ledger_id)


@lru_cache(1024)
def _key_of(ledger_id: LedgerId, version: int) -> RecordKey:
    return RecordKey(ledger_id, HOUSE_RULES, str(version))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeHouseRules(EntrylessCommand):
    """The next version, which is `rules`. The same again changes nothing.

    Which is the newest is looked at under no lock: of two that make one version the database lets one try again.
    """

    rules: HouseRules
    address: str | None = None
    request_id: str | None = None

    def needs(self) -> tuple[Need, ...]:
        return (Need(newest_key(self.ledger_id), is_locked=False),)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        before = newest_in(book, self.ledger_id)
        if before.content == self.rules.content:
            return Posted(self.ledger_id, (), (), before, self._remembered(before))
        made = replace(self.rules, version=before.version + 1, id=self.id, actor=self.actor, created_at=posted_at)
        book.records[_key_of(self.ledger_id, made.version)] = made
        told = self._told(made, posted_at)
        book.records[RecordKey(self.ledger_id, AUDIT_RECORD, told.id)] = told
        facts = {"version": made.version, **made.content}
        event = Event(self.id, EventType.HOUSE_RULES_CHANGED, ResourceType.HOUSE_RULES, None, facts)
        return Posted(self.ledger_id, (), (event,), made, self._remembered(made), told=(told,))

    def _remembered(self, rules: HouseRules) -> Remembered:
        content = {OWN_ID: str(rules.version), "version": rules.version, **rules.content}
        return Remembered(ResourceType.HOUSE_RULES, self.id, content)

    def _told(self, made: HouseRules, now: datetime) -> AuditRecord:
        return AuditRecord(
            ledger_id=self.ledger_id,
            id=self.further_id(1),
            recorded_at=now,
            type=AuditType.HOUSE_RULES_CHANGED,
            actor=self.actor,
            address=self.address,
            request_id=self.request_id,
            resource=render_id(Prefix.LEDGER, self.ledger_id),
            facts={"version": made.version, **made.content},
        )
