"""Ledgers, their currencies, idempotency keys and trial balance."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Response

from zerosum.api.csv_text import Accept, Format, wants_csv
from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, AsOf, Cursor, Limit, SortOrder, page_request
from zerosum.api.problems import problem
from zerosum.api.render import render_time
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.ledgers import (
    CurrencyRequest,
    CurrencyResponse,
    IntegrityResponse,
    KeyOutcomeResponse,
    LedgerChange,
    LedgerRequest,
    LedgerResponse,
    TrialBalanceResponse,
    currency_body,
    integrity_body,
    ledger_body,
    trial_balance_body,
)
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.api.trial_balance_csv import trial_balance_csv
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id, render_id
from zerosum.domain.ledger.periods import LatePolicy
from zerosum.gateway.guards.request_guard import parse_key
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.event_feed import PREFIXES

IdempotencyKeyPath = Annotated[
    str,
    Path(
        description="The idempotency key, without quotes around it.",
        examples=["order-1001"],
        json_schema_extra={"pattern": "^[!#-~]{1,255}$"},
    ),
]

LedgerReference = Annotated[str, id_path(Prefix.LEDGER, "The ledger's id.")]

DEFAULT_TIME_ZONE = "UTC"

CHANGE_EXAMPLES = {
    "berlin": {
        "summary": "Days and months of Berlin",
        "value": {"time_zone": "Europe/Berlin", "late_entries": "roll_forward"},
    }
}


def ledger_routes(services: Services) -> Routes:
    """Administration."""
    routes = Routes("Administration")
    ledgers, currencies = services.ledgers, services.currencies

    async def create_ledger(call: TheCall) -> dict[str, Any]:
        body = validated(LedgerRequest, call.content)
        made = await ledgers.create(
            body.name, call.caller, time_zone=body.time_zone or DEFAULT_TIME_ZONE, late_entries=body.policy
        )
        return ledger_body(made)

    async def change_ledger(call: TheCall, ledger: LedgerReference) -> dict[str, Any]:
        body = validated(LedgerChange, call.content)
        ledger_id = LedgerId(parse_id(Prefix.LEDGER, ledger))
        if call.granter.own_ledger not in (None, ledger_id):
            raise errors.LedgerNotFound("There is no such ledger.")
        policy = None if body.late_entries is None else LatePolicy(body.late_entries)
        changed = await ledgers.change(call.caller, ledger_id, time_zone=body.time_zone, late_entries=policy)
        return ledger_body(changed)

    async def list_ledgers(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "ledgers", limit, cursor, order)
        return await list_body(await ledgers.list(request, call.granter.own_ledger), ledger_body)

    async def define_currency(call: TheCall) -> dict[str, Any]:
        body = validated(CurrencyRequest, call.content)
        try:
            currency = await ledgers.define_currency(
                call.caller, currencies, body.code, body.exponent, body.name or body.code
            )
        except errors.InvalidCurrency as refusal:
            raise refusal.at("/code") from None
        return currency_body(currency, is_custom=currencies.is_custom(call.caller.ledger_id, currency.code))

    async def list_currencies(call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> dict[str, Any]:
        request = page_request(call, "currencies", limit, cursor, None)
        table = await currencies.table(call.caller)
        page = ledgers.list_currencies(call.caller, table, request)
        return await list_body(page, lambda item: currency_body(item, is_custom=table.is_custom(item.code)))

    admin = Scope.ADMIN
    routes.add(
        "POST",
        "/v1/ledgers",
        create_ledger,
        operation_id="createLedger",
        scope=Scope.OPERATOR,
        status=201,
        body=BodyKind.JSON,
        reads=LedgerRequest,
        summary="Create a ledger",
        answer=LedgerResponse,
        description="For operators. Then create an API key for it: a ledger is reached only with one of its own.",
    )
    routes.add(
        "PATCH",
        "/v1/ledgers/{ledger}",
        change_ledger,
        operation_id="changeLedger",
        scope=admin,
        other_scope=Scope.OPERATOR,
        body=BodyKind.JSON,
        reads=LedgerChange,
        examples=CHANGE_EXAMPLES,
        refusals=(errors.InvalidId, errors.LedgerNotFound),
        summary="Change a ledger's time zone or what it does with late entries",
        answer=LedgerResponse,
        description="The own one, or any for an operator. What was closed stays closed as it was. Idempotent.",
    )
    routes.add(
        "GET",
        "/v1/ledgers",
        list_ledgers,
        operation_id="listLedgers",
        scope=admin,
        other_scope=Scope.OPERATOR,
        refusals=(errors.InvalidCursor,),
        query=PAGE_PARAMETERS,
        summary="List ledgers",
        answer=ListOf[LedgerResponse],
        description="Newest first: all for an operator, else the own one alone.",
    )
    routes.add(
        "POST",
        "/v1/currencies",
        define_currency,
        operation_id="defineCurrency",
        scope=admin,
        status=201,
        body=BodyKind.JSON,
        reads=CurrencyRequest,
        refusals=(errors.InvalidCurrency, errors.CurrencyExists),
        summary="Define a currency of your own",
        answer=CurrencyResponse,
        description="Idempotent. A code's places never change: defining it again with others is refused.",
    )
    routes.add(
        "GET",
        "/v1/currencies",
        list_currencies,
        operation_id="listCurrencies",
        scope=admin,
        refusals=(errors.InvalidCursor,),
        query=("limit", "cursor"),
        summary="List all currencies the ledger knows",
        answer=ListOf[CurrencyResponse],
        description="By code: first those it has defined for itself, then those of ISO 4217.",
    )
    return routes


def report_routes(services: Services) -> Routes:
    """How the books prove themselves."""
    routes = Routes("Reports")
    ledgers, balances = services.ledgers, services.balances

    async def trial_balance(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        as_of: AsOf = None,  # noqa: ARG001 - read with the other filters
        recorded_as_of: AsOf = None,  # noqa: ARG001
        format: Format = None,  # noqa: A002 - the parameter's name
        accept: Accept = "",
    ) -> dict[str, Any] | Response:
        request = page_request(call, "trial balance", limit, cursor, None, ("as_of", "recorded_as_of", "format"))
        if wants_csv(format, accept):
            return await trial_balance_csv(balances, call, request)
        return await trial_balance_body(await balances.trial_balance(call.caller, request))

    async def integrity(call: TheCall) -> dict[str, Any]:
        return integrity_body(await services.inspector.inspect(call.caller))

    async def key_outcome(call: TheCall, key: IdempotencyKeyPath) -> dict[str, Any]:
        outcome = await ledgers.key_outcome(call.caller, parse_key(key.encode("utf-8", "replace")))
        content: dict[str, Any] = {"key": outcome.key, "created_at": render_time(outcome.created_at)}
        if outcome.refusal is not None:
            return {**content, "outcome": "refused", "problem": problem(outcome.refusal, call.request_id, call.path)}
        if outcome.resource_type is None or outcome.resource_id is None:
            raise LookupError("a key was used neither for something posted nor for a refusal")
        prefix = PREFIXES.get(outcome.resource_type)
        own_id = outcome.own_id
        if prefix is None:
            reference_id = own_id
        else:
            reference_id = render_id(prefix, outcome.resource_id if own_id is None else UUID(own_id))
        reference = {"type": outcome.resource_type.value, "id": reference_id}
        return {**content, "outcome": "posted", "resource": reference}

    routes.add(
        "GET",
        "/v1/trial-balance",
        trial_balance,
        operation_id="getTrialBalance",
        scope=Scope.REPORTS_READ,
        refusals=(errors.InvalidCursor, errors.TooManyItems),
        query=("limit", "cursor", "as_of", "recorded_as_of", "format"),
        effort=10,
        summary="Read the trial balance",
        answer=TrialBalanceResponse,
        also_as=("text/csv",),
        description="`as_of` looks at what was effective then, `recorded_as_of` at what was written then. All pages "
        "look at the instant of the first. JSON, or CSV with `format=csv` or `Accept: text/csv`: the whole of it, up "
        "to 10,000 accounts, unless `limit` or `cursor` asks for a page.",
    )
    routes.add(
        "GET",
        "/v1/integrity",
        integrity,
        operation_id="checkIntegrity",
        scope=Scope.REPORTS_READ,
        effort=50,
        summary="Look for contradictions in the books",
        answer=IntegrityResponse,
        description="Every entry balances, and every account's stored balance, version and head follow from its "
        "postings. The links of the hash chains are walked by the command `zerosum verify`, which takes its time.",
    )
    routes.add(
        "GET",
        "/v1/idempotency-keys/{key:path}",
        key_outcome,
        operation_id="getIdempotencyKey",
        scope=Scope.PAYMENTS_READ,
        other_scope=Scope.JOURNAL_READ,
        refusals=(errors.IdempotencyKeyInvalid, errors.IdempotencyKeyNotFound),
        summary="See what became of an idempotency key",
        answer=KeyOutcomeResponse,
        description="404 where nothing is recorded under it: then nothing was done under it, or not yet.",
    )
    return routes
