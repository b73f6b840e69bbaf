"""Clients and their transactions: the engine of client files, one command at a time or up to 1,000."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import WithJsonSchema

from zerosum.api.desk_routes import DeskRoutes, model_item_order, model_order
from zerosum.api.endpoints import Routes, TheCall, as_response
from zerosum.api.lists import (
    DEFAULT_LIMIT,
    PAGE_PARAMETERS,
    TIMES,
    Cursor,
    EffectiveFrom,
    EffectiveTo,
    Limit,
    SortOrder,
    page_request,
)
from zerosum.api.route_manual import OF_KEYS
from zerosum.api.routes.payments import DryRunFlag, Mode
from zerosum.api.schemas.bulk import BulkRequest, BulkResponse
from zerosum.api.schemas.clients import (
    ClientResponse,
    TransactionItem,
    TransactionMadeResponse,
    TransactionRehearsal,
    TransactionRequest,
    TransactionResponse,
    TransactionStatusName,
    TransactionTypeName,
    client_body,
    transaction_body,
)
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.domain.payments.clients import CLIENT_MAX, TX_MAX
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BULK_BODY_BYTES_MAX, BodyKind
from zerosum.services.clients import ClientOrder, RecordedTransaction

REFUSALS = (
    *errors.OF_AMOUNTS,
    errors.ClientLocked,
    errors.TxExists,
    errors.QuotaExceeded,
    errors.TxNotFound,
    errors.WrongClient,
    errors.NotDisputable,
    errors.AlreadyDisputed,
    errors.NotDisputed,
    errors.NegativeTotal,
    errors.InsufficientFunds,
    errors.LimitExceeded,
    errors.VelocityLimitExceeded,
    errors.BalanceOverflow,
    errors.AccountClosed,
    errors.CurrencyMismatch,
    errors.CurrencyExists,
)

EXAMPLES = {
    "deposit": {"summary": "A deposit", "value": {"type": "deposit", "client": 1, "tx": 1, "amount": "100.0000"}},
    "withdrawal": {"summary": "A withdrawal", "value": {"type": "withdrawal", "client": 1, "tx": 2, "amount": "1.5"}},
    "dispute": {"summary": "A dispute of the deposit", "value": {"type": "dispute", "client": 1, "tx": 1}},
    "resolve": {"summary": "Its end for the client", "value": {"type": "resolve", "client": 1, "tx": 1}},
    "chargeback": {"summary": "Its end against the client", "value": {"type": "chargeback", "client": 1, "tx": 1}},
}


BULK_EXAMPLES = {
    "two": {
        "summary": "A deposit and its dispute",
        "value": {
            "items": [
                {"type": "deposit", "client": 2, "tx": 10, "amount": "100.0000", "idempotency_key": "row-10"},
                {"type": "dispute", "client": 2, "tx": 10, "idempotency_key": "row-11"},
            ]
        },
    }
}

DIGITS_MAX = 10

FILTERS = ("type", "status", *TIMES)

ClientPath = Annotated[
    str,
    Path(description="The client's number."),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": CLIENT_MAX, "examples": [1]}),
]
TxPath = Annotated[
    str,
    Path(description="The transaction's number."),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": TX_MAX, "examples": [1]}),
]


def client_routes(services: Services) -> Routes:
    routes = Routes("Clients")
    clients = services.clients
    desk: DeskRoutes[ClientOrder, RecordedTransaction] = DeskRoutes(
        clients.desk,
        order_of=model_order(TransactionRequest),
        item_order_of=model_item_order(TransactionItem),
        body_of=transaction_body,
    )

    async def make_transaction(call: TheCall, dry_run: DryRunFlag = None) -> Response:  # noqa: ARG001 - the desk reads it
        return as_response(await desk.single(call))

    async def make_transactions(call: TheCall, mode: Mode = None, dry_run: DryRunFlag = None) -> Response:  # noqa: ARG001
        return as_response(await desk.bulk(call))

    async def get_transaction(call: TheCall, tx: TxPath) -> dict[str, Any]:
        return transaction_body(await clients.transaction(call.caller, _number(tx, TX_MAX)))

    async def get_client(call: TheCall, client: ClientPath) -> dict[str, Any]:
        return client_body(await clients.client(call.caller, _number(client, CLIENT_MAX)))

    async def list_transactions(
        call: TheCall,
        client: ClientPath,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        type: Annotated[TransactionTypeName | None, Query(description="Only these.")] = None,  # noqa: A002, ARG001 - read with the other filters
        status: Annotated[TransactionStatusName | None, Query(description="Only what stands so now.")] = None,  # noqa: ARG001
        effective_from: EffectiveFrom = None,  # noqa: ARG001
        effective_to: EffectiveTo = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        number = _number(client, CLIENT_MAX)
        request = page_request(call, f"clients/{number}/transactions", limit, cursor, order, FILTERS)
        return await list_body(await clients.transactions(call.caller, number, request), transaction_body)

    async def list_clients(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "clients", limit, cursor, order)
        return await list_body(await clients.list(call.caller, request), client_body)

    read, write = Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE
    routes.add(
        "POST",
        "/v1/transactions",
        make_transaction,
        operation_id="createTransaction",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        express=desk.express,
        query=("dry_run",),
        summary="Carry out a client's transaction",
        answer=TransactionMadeResponse,
        reads=TransactionRequest,
        examples=EXAMPLES,
        refusals=REFUSALS,
        also_answers={200: ("A rehearsal.", TransactionRehearsal)},
        description="The same commands as in client files, by the same rules. Every well-formed command makes its "
        "client, even if it is refused.",
    )
    routes.add(
        "POST",
        "/v1/transactions/bulk",
        make_transactions,
        operation_id="createTransactions",
        scope=write,
        body=BodyKind.JSON,
        body_bytes_max=BULK_BODY_BYTES_MAX,
        query=("mode", "dry_run"),
        refusals=(*OF_KEYS, *REFUSALS),
        summary="Carry out up to 1,000 transactions of clients",
        answer=BulkResponse[TransactionMadeResponse],
        reads=BulkRequest[TransactionItem],
        examples=BULK_EXAMPLES,
        description="In order. Independent: 200 with a result for each. Atomic: all or nothing.",
    )
    routes.add(
        "GET",
        "/v1/transactions/{tx}",
        get_transaction,
        operation_id="getTransaction",
        scope=read,
        refusals=(errors.InvalidId, errors.TransactionNotFound),
        summary="Read a client's transaction",
        answer=TransactionResponse,
    )
    routes.add(
        "GET",
        "/v1/clients",
        list_clients,
        operation_id="listClients",
        scope=read,
        refusals=(errors.InvalidCursor,),
        query=PAGE_PARAMETERS,
        summary="List clients",
        answer=ListOf[ClientResponse],
    )
    routes.add(
        "GET",
        "/v1/clients/{client}",
        get_client,
        operation_id="getClient",
        scope=read,
        refusals=(errors.InvalidId, errors.ClientNotFound),
        summary="Read a client",
        answer=ClientResponse,
    )
    routes.add(
        "GET",
        "/v1/clients/{client}/transactions",
        list_transactions,
        operation_id="listClientTransactions",
        scope=read,
        refusals=(errors.InvalidId, errors.ClientNotFound, errors.InvalidCursor),
        query=(*PAGE_PARAMETERS, *FILTERS),
        summary="List a client's transactions",
        answer=ListOf[TransactionResponse],
        description="Newest first. All filters that are given must fit.",
    )
    return routes


def _number(text: str, most: int) -> int:
    """A number in a path. Raises InvalidId."""
    if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX and int(text) <= most and str(int(text)) == text:
        return int(text)
    raise errors.InvalidId(f"This is a number from 0 to {most}.")
