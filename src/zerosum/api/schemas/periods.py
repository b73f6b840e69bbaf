"""Closed periods on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import BalanceAmount, CurrencyCode, OneOf, Request, Response, Text, Time, id_field
from zerosum.api.schemas.ledgers import TrialBalanceAccount
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.periods import LateWay
from zerosum.domain.money import render_amount, subtract
from zerosum.services.balances import TrialBalanceLine
from zerosum.services.periods import RecordedClosing, RecordedLateEntry

LateWayName = Annotated[str, OneOf(LateWay)]


class CloseRequest(Request):
    """What is said about the closing."""

    note: Annotated[Text | None, Field(description="For the security log.", examples=["Approved by finance"])] = None


class PeriodTotal(Response):
    """The whole ledger in one currency, as it was sealed."""

    currency: CurrencyCode
    debits: Annotated[BalanceAmount, Field(description="All debits together, since the ledger began.")]
    credits: Annotated[BalanceAmount, Field(description="All credits together: as much.")]


class PeriodResponse(Response):
    """A closed period. Everything dated before its end is closed, whether it was closed by itself or not."""

    id: Annotated[str, Field(description="The month or day, in the ledger's zone.", examples=["2026-11"])]
    status: Annotated[
        Literal["closing", "closed"], Field(description="`closing` until its balances are sealed.", examples=["closed"])
    ]
    number: Annotated[int, Field(description="Of the ledger's closings, from 1, without a gap.", examples=[1])]
    time_zone: Annotated[str, Field(description="In which it is a month or a day (IANA).", examples=["Europe/Berlin"])]
    starts_at: Annotated[Time, Field(description="Its first moment.")]
    ends_at: Annotated[Time, Field(description="The first moment after it, and the first that is open.")]
    closed_by: Annotated[str, Field(description="Who asked for it.", examples=["key_ops"])]
    closed_at: Annotated[Time | None, Field(description="When it was sealed, or null.")]
    recorded_until: Annotated[
        Time | None,
        Field(description="What was written by then and is dated before the end is in the balances, or null."),
    ]
    accounts: Annotated[int | None, Field(description="How many have a balance in it, or null.", examples=[3])]
    currencies: Annotated[list[PeriodTotal], Field(description="What they come to. Empty until it is sealed.")]
    hash: Annotated[
        str | None,
        Field(
            description="The seal, chained to the one before (SHA-256 in hex), or null.", examples=["9f86d081884c7d65"]
        ),
    ]


class PeriodBalance(TrialBalanceAccount):
    """An account as it was sealed: all that was dated before the end."""

    balance: Annotated[BalanceAmount, Field(description="The difference; its normal side is positive.")]


class PeriodLateEntry(Response):
    """An entry that was dated into closed time."""

    journal_entry_id: Annotated[str, id_field(Prefix.JOURNAL_ENTRY, "The entry.")]
    way: Annotated[
        LateWayName,
        Field(description="Put there all the same, or dated to the first open moment.", examples=["overridden"]),
    ]
    effective_at_requested: Annotated[Time, Field(description="What it was dated to.")]
    reason: Annotated[str | None, Field(description="Of an override, or null.", examples=["Invoice found"])]


def period_body(closing: RecordedClosing) -> dict[str, Any]:
    return {
        "id": closing.period,
        "status": "closing" if closing.sealed_at is None else "closed",
        "number": closing.number,
        "time_zone": closing.time_zone,
        "starts_at": render_time(closing.starts_at),
        "ends_at": render_time(closing.ends_at),
        "closed_by": closing.actor,
        "closed_at": None if closing.sealed_at is None else render_time(closing.sealed_at),
        "recorded_until": None if closing.recorded_until is None else render_time(closing.recorded_until),
        "accounts": closing.accounts,
        "currencies": [
            {name: total[name] for name in ("currency", "debits", "credits")} for total in closing.totals or ()
        ],
        "hash": None if closing.hash is None else closing.hash.hex(),
    }


def period_balance_body(line: TrialBalanceLine) -> dict[str, Any]:
    is_debit = line.type.normal_side is Side.DEBIT
    balance = subtract(line.debits, line.credits) if is_debit else subtract(line.credits, line.debits)
    return {
        "account_id": render_id(Prefix.ACCOUNT, line.account_id),
        "code": line.code,
        "type": line.type.value,
        "currency": line.currency,
        "debits": render_amount(line.debits),
        "credits": render_amount(line.credits),
        "balance": render_amount(balance),
    }


def late_entry_body(late: RecordedLateEntry) -> dict[str, Any]:
    return {
        "journal_entry_id": render_id(Prefix.JOURNAL_ENTRY, late.id),
        "way": late.way,
        "effective_at_requested": render_time(late.requested_at),
        "reason": late.reason,
    }
