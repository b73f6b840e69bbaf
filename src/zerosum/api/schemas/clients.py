"""Clients and their transactions on the wire. Ids are numbers, as in client files; amounts have four places."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.bulk import DryRunBalance
from zerosum.api.schemas.fields import Amount, BalanceAmount, ItemKey, OneOf, Request, Response, Time, id_field
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import Account, AccountStatus
from zerosum.domain.money import render_amount
from zerosum.domain.payments.clients import (
    CLIENT_MAX,
    TX_MAX,
    ClientCommandType,
    ClientTransactionStatus,
    ClientTransactionType,
)
from zerosum.services.clients import ClientOrder, RecordedTransaction

CommandName = Annotated[str, OneOf(ClientCommandType)]
TransactionTypeName = Annotated[str, OneOf(ClientTransactionType)]
TransactionStatusName = Annotated[str, OneOf(ClientTransactionStatus)]

ClientNumber = Annotated[int, Field(description="The client.", ge=0, le=CLIENT_MAX, examples=[1])]
TxNumber = Annotated[
    int, Field(description="The transaction. One id for one use, over all clients.", ge=0, le=TX_MAX, examples=[1])
]

_TYPES = {type_.value: type_ for type_ in ClientCommandType}


class TransactionRequest(Request):
    """A deposit or withdrawal names an amount. A dispute, resolve or chargeback speaks of an earlier deposit."""

    type: Annotated[CommandName, Field(description="What the client does, or what is done about a deposit.")]
    client: ClientNumber
    tx: TxNumber
    amount: Annotated[
        Any,
        Field(
            description="Of a deposit or withdrawal: a positive decimal number as a string, of at most four places. "
            "Ignored on the others.",
            examples=["12.3400"],
        ),
    ] = None
    refuse_negative_total: Annotated[
        bool,
        Field(
            description="Refuse a chargeback that would leave the client with less than nothing; by default it is done."
        ),
    ] = False

    def order(self, idempotency_key: str) -> ClientOrder:
        return ClientOrder(
            idempotency_key=idempotency_key,
            type=_TYPES[self.type],
            client=self.client,
            tx=self.tx,
            amount=self.amount,
            refuse_negative_total=self.refuse_negative_total,
        )


class TransactionItem(TransactionRequest):
    """One command of a bulk call."""

    idempotency_key: ItemKey


class TransactionResponse(Response):
    """A deposit or withdrawal that was carried out, and what became of it."""

    type: Annotated[TransactionTypeName, Field(description="What the id was used for.")]
    client: ClientNumber
    tx: TxNumber
    amount: Annotated[Amount, Field(description="With four places.", examples=["12.3400"])]
    currency: Annotated[str, Field(description="What all clients of the ledger are counted in.", examples=["XTS"])]
    status: Annotated[TransactionStatusName, Field(description="What has become of it.")]
    journal_entry_id: Annotated[str, id_field(Prefix.JOURNAL_ENTRY, "The entry that carried it out.")]
    created_at: Time


class TransactionMadeResponse(TransactionResponse):
    """The transaction as the command left it, with the command's own entry."""

    account_versions: Annotated[dict[str, int], Field(description="The versions the command gave the accounts.")]


class TransactionRehearsal(TransactionMadeResponse):
    """A transaction as it would be, and the balances after it."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="Of the accounts it would touch.")]


class ClientResponse(Response):
    """A client. `total` is `available` and `held` together."""

    client: ClientNumber
    available: Annotated[BalanceAmount, Field(description="What may be withdrawn. A dispute may take it below zero.")]
    held: Annotated[BalanceAmount, Field(description="What is in dispute.")]
    total: BalanceAmount
    currency: Annotated[str, Field(description="What the client is counted in.", examples=["XTS"])]
    locked: Annotated[bool, Field(description="After a chargeback: takes nothing more.")]


def transaction_body(transaction: RecordedTransaction) -> dict[str, Any]:
    body = {
        "type": transaction.type,
        "client": transaction.client,
        "tx": transaction.tx,
        "amount": _four_places(transaction.amount),
        "currency": transaction.currency,
        "status": transaction.status,
        "journal_entry_id": render_id(Prefix.JOURNAL_ENTRY, transaction.entry_id),
        "created_at": render_time(transaction.posted_at),
    }
    if transaction.account_versions is not None:
        body["account_versions"] = {
            render_id(Prefix.ACCOUNT, account_id): version
            for account_id, version in transaction.account_versions.items()
        }
    return body


def client_body(account: Account) -> dict[str, Any]:
    state = account.state
    return {
        "client": int(account.code.partition(":")[2]),
        "available": _four_places(state.available),
        "held": _four_places(state.held),
        "total": _four_places(state.posted),
        "currency": state.currency,
        "locked": state.status is AccountStatus.FROZEN,
    }


def _four_places(amount: Decimal) -> str:
    """With zeros added where the currency has fewer."""
    text = render_amount(amount)
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<4}"
