"""Journal entries on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from zerosum.api.render import in_one_order, render_time
from zerosum.api.schemas.accounts import AccountId, LayerName, SideName
from zerosum.api.schemas.bulk import BalancesAfter, DryRunBalance
from zerosum.api.schemas.conditions import GivenConditions, condition_orders
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    AccountReference,
    Amount,
    AnsweredCode,
    AnsweredMetadata,
    BalanceAmount,
    ClosedPeriodOverride,
    CurrencyCode,
    GivenMetadata,
    ItemKey,
    Moment,
    Reason,
    Request,
    Response,
    Time,
    Version,
    id_field,
)
from zerosum.api.schemas.late_dates import LateDate, late_body
from zerosum.api.schemas.subjects import GivenPersonal, personal_order
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.entry import POSTINGS_MAX, POSTINGS_MIN
from zerosum.domain.money import render_amount
from zerosum.services.journal import EntryOrder, PostingOrder, RecordedEntry, ReversalOrder

JournalEntryId = Annotated[str, id_field(Prefix.JOURNAL_ENTRY, "The journal entry.")]


class PostingRequest(Request):
    """One line: an account, a side, an amount."""

    account: AccountReference
    side: Annotated[SideName, Field(description="The side of the account it stands on.", examples=["debit"])]
    amount: Amount
    currency: CurrencyCode


class JournalEntryRequest(Request):
    """One business fact. In each currency the debits must equal the credits."""

    reason: Annotated[Reason, Field(description="What happened.", examples=["Monthly fee"])]
    postings: Annotated[
        list[PostingRequest],
        Field(description="Its lines, debits equal to credits.", min_length=POSTINGS_MIN, max_length=POSTINGS_MAX),
    ]
    effective_at: Annotated[
        Moment | None,
        Field(
            description="When it happened in the world; by default when it is posted. Not before 1970, and at most "
            "five minutes ahead of the service's clock."
        ),
    ] = None
    metadata: GivenMetadata = None
    override_closed_period: Annotated[
        ClosedPeriodOverride | None,
        Field(description="Where `effective_at` may lie in a closed period. Needs the scope `admin` too."),
    ] = None
    conditions: GivenConditions = None
    personal: GivenPersonal = None

    def order(self, idempotency_key: str) -> EntryOrder:
        return EntryOrder(
            idempotency_key=idempotency_key,
            reason=self.reason,
            postings=[
                PostingOrder(account=line.account, side=Side(line.side), amount=line.amount, currency=line.currency)
                for line in self.postings
            ],
            effective_at=self.effective_at,
            metadata=self.metadata or {},
            override_closed_period=None if self.override_closed_period is None else self.override_closed_period.reason,
            conditions=condition_orders(self.conditions) if self.conditions else (),
            personal=personal_order(self.personal),
        )


class JournalEntryItem(JournalEntryRequest):
    """One entry of a bulk call."""

    idempotency_key: ItemKey


class ReversalRequest(Request):
    """Why the entry is taken back."""

    reason: Annotated[Reason, Field(description="Why. The reason of the new entry.", examples=["Posted twice"])]
    force: Annotated[
        bool | None,
        Field(
            description="True: whatever floors, ceilings, freezes and closed accounts say. Needs the scope `admin` too."
        ),
    ] = None

    def order(self, idempotency_key: str, original: RecordedEntry | None) -> ReversalOrder:
        return ReversalOrder(
            idempotency_key=idempotency_key, original=original, reason=self.reason, is_forced=bool(self.force)
        )


class PostingOfEntry(Response):
    """One line of the entry, with what it left in its account."""

    account_id: AccountId
    account_code: AnsweredCode
    side: Annotated[SideName, Field(description="The side of the account it stands on.", examples=["debit"])]
    amount: Amount
    currency: CurrencyCode
    layer: Annotated[LayerName, Field(description="Holds lie in the pending layer.")]
    account_version: Annotated[Version, Field(description="Its number in the account, from 1 and without a gap.")]
    balance_after: Annotated[BalanceAmount, Field(description="What was posted in the account after it.")]


class TemplateOfEntry(Response):
    """The template an entry was posted by, and what it was given."""

    name: Annotated[str, Field(description="Of the template.", examples=["marketplace-sale"])]
    version: Annotated[int, Field(description="Of that name.", examples=[1], ge=1)]
    parameters: Annotated[
        dict[str, str], Field(description="By name, amounts with all places.", examples=[{"price": "100.00"}])
    ]


class JournalEntryResponse(Response):
    """An immutable record. What was wrong is corrected by another entry."""

    id: JournalEntryId
    reason: Annotated[str, Field(description="What happened.", examples=["Monthly fee"])]
    postings: Annotated[list[PostingOfEntry], Field(description="Its lines, in the order given.")]
    effective_at: Annotated[Time, Field(description="When it happened in the world.")]
    posted_at: Annotated[Time, Field(description="When it was written.")]
    reverses: Annotated[str | None, Field(description="The entry this one takes back, or null.", examples=[None])]
    reversed_by: Annotated[
        str | None, Field(description="The entry that takes this one back, or null.", examples=[None])
    ]
    actor: Annotated[str, Field(description="Who asked for it.", examples=[f"key_{EXAMPLE_UUID}"])]
    metadata: AnsweredMetadata
    account_versions: Annotated[
        dict[str, int],
        Field(
            description="The version each account has reached by it: for `min_version`.",
            examples=[{f"acc_{EXAMPLE_UUID}": 1}],
        ),
    ]
    late: Annotated[LateDate | None, Field(description="Only of an entry that was dated into a closed period.")] = None
    template: Annotated[
        TemplateOfEntry | None, Field(description="By which it was posted; absent where it was not.")
    ] = None
    balances: BalancesAfter = None


class JournalEntryRehearsal(JournalEntryResponse):
    """An entry as it would be, and the balances after it."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="How the touched accounts would stand.")]


def entry_body(entry: RecordedEntry) -> dict[str, Any]:
    body = _plain_entry_body(entry)
    if entry.late is not None:
        body["late"] = late_body(entry.late)
    use = entry.template
    if use is not None:
        body["template"] = {"name": use.name, "version": use.version, "parameters": in_one_order(use.parameters)}
    return body


def _plain_entry_body(entry: RecordedEntry) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.JOURNAL_ENTRY, entry.id),
        "reason": entry.reason,
        "postings": [
            {
                "account_id": render_id(Prefix.ACCOUNT, line.account_id),
                "account_code": line.account_code,
                "side": line.side.value,
                "amount": render_amount(line.amount),
                "currency": line.currency,
                "layer": line.layer.value,
                "account_version": line.account_version,
                "balance_after": render_amount(line.balance_after),
            }
            for line in entry.postings
        ],
        "effective_at": render_time(entry.effective_at),
        "posted_at": render_time(entry.posted_at),
        "reverses": _optional_id(entry.reverses),
        "reversed_by": _optional_id(entry.reversed_by),
        "actor": entry.actor,
        "metadata": dict(entry.metadata),
        "account_versions": {
            render_id(Prefix.ACCOUNT, line.account_id): line.account_version for line in entry.postings
        },
    }


def _optional_id(value: Any) -> str | None:
    return None if value is None else render_id(Prefix.JOURNAL_ENTRY, value)
