"""Accounts: open, read, change, freeze, close; their balances and history."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response

from zerosum.api.csv_text import Accept, Format, csv_response, wants_csv
from zerosum.api.endpoints import OptionalKey, Routes, TheCall, as_response, json_answer
from zerosum.api.lists import (
    DEFAULT_LIMIT,
    PAGE_PARAMETERS,
    TIMES,
    AsOf,
    Cursor,
    EffectiveFrom,
    EffectiveTo,
    Limit,
    SortOrder,
    VersionParameter,
    check_span,
    page_request,
)
from zerosum.api.route_manual import CACHE_HEADERS, Refusal
from zerosum.api.schemas.accounts import (
    AccountResponse,
    BalanceResponse,
    ChangeAccountRequest,
    OpenAccountRequest,
    PostingResponse,
    ReasonRequest,
    StatusName,
    TypeName,
    UnfreezeRequest,
    account_body,
    balance_body,
    posting_body,
)
from zerosum.api.schemas.fields import REFERENCE_PATTERN_TEXT
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.statements import StatementResponse, statement_body, statement_csv
from zerosum.api.schemas.velocity import velocity_orders
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.errors import InvalidParameter
from zerosum.domain.ledger.account import Account, AccountType
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.account_administration import (
    UNCHANGED,
    ChangeAccount,
    CloseAccount,
    FreezeAccount,
    UnfreezeAccount,
)
from zerosum.services.accounts import OpenAccount
from zerosum.services.committing.submission import Done
from zerosum.services.requests.times import parse_as_of, parse_day_or_time

Reference = Annotated[
    str,
    Path(
        description="The account's id (`acc_…`) or its code. A slash in a code may stay as it is; written `%2F` it "
        "always belongs to the code, as it must where a code ends like a route of its own (`/balance`, `/freeze`…).",
        examples=["customers:alice"],
        json_schema_extra={"pattern": REFERENCE_PATTERN_TEXT},
    ),
]
_ACCOUNT = "/v1/accounts/{account:path}"

CodePrefix = Annotated[
    str | None, Query(description="Only codes that begin so; taken literally.", min_length=1, max_length=128)
]
DayOrTime = Annotated[
    str, Query(description="A day (from midnight UTC) or a time in RFC 3339.", examples=["2026-11-01"])
]

FILTERS = ("type", "currency", "status", "code_prefix", "in_debt")

OF_REFERENCE: tuple[Refusal, ...] = (errors.InvalidId, errors.AccountNotFound)

EXAMPLES = {
    "wallet": {
        "summary": "A customer's wallet, which may not be overdrawn",
        "value": {"code": "customers:carol", "currency": "USD", "type": "liability", "name": "Carol's wallet"},
    },
    "revenue": {
        "summary": "An account of our own without floor",
        "value": {"code": "revenue:interest", "currency": "USD", "type": "revenue", "min_available": None},
    },
}


CHANGES = {
    "name": {"summary": "Another name and metadata", "value": {"name": "Carol", "metadata": {"tier": "gold"}}},
    "limits": {"summary": "Other limits", "value": {"min_available": "0", "max_available": "10000"}},
    "velocity": {
        "summary": "At most 500.00 a day, and three payments in ten minutes",
        "value": {
            "velocity_limits": [
                {"direction": "out", "window": "day", "amount": "500.00"},
                {"direction": "out", "window": "rolling", "seconds": 600, "count": 3},
            ]
        },
    },
    "no floor": {"summary": "No floor any more", "value": {"min_available": None}},
}


def _answered(status: int, done: Done[Account]) -> Response:
    return as_response(json_answer(status, account_body(done.view), is_replay=done.is_replay))


def _given(body: ChangeAccountRequest) -> dict[str, Any]:
    """The members that the caller has named. Raises ValidationFailed."""
    given: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "metadata" in given:
        given["metadata"] = given["metadata"] or {}
    if "velocity_limits" in given:
        given["velocity_limits"] = velocity_orders(given["velocity_limits"])
    return given


def account_routes(services: Services) -> Routes:
    routes = Routes("Accounts")
    administration = services.account_administration
    accounts, balances, journal, statements = (
        services.accounts,
        services.balances,
        services.journal,
        services.statements,
    )

    async def open_account(call: TheCall, key: OptionalKey) -> Response:
        body = validated(OpenAccountRequest, call.content)
        done = await administration.carry_out(
            call.caller,
            OpenAccount(
                code=body.code,
                currency=body.currency,
                type=AccountType(body.type),
                name=body.name,
                min_available=body.min_available,
                max_available=body.max_available,
                metadata=body.metadata or {},
                velocity_limits=velocity_orders(body.velocity_limits) or UNCHANGED,
            ),
            key,
        )
        return _answered(201, done)

    async def list_accounts(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        type: Annotated[TypeName | None, Query(description="Only these.")] = None,  # noqa: A002, ARG001 - read with the other filters
        currency: Annotated[str | None, Query(description="Only in this one.", max_length=12)] = None,  # noqa: ARG001
        status: Annotated[StatusName | None, Query(description="Only what stands so now.")] = None,  # noqa: ARG001
        code_prefix: CodePrefix = None,  # noqa: ARG001
        in_debt: Annotated[Literal["true"] | None, Query(description="Only those that are in debt.")] = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        request = page_request(call, "accounts", limit, cursor, order, FILTERS, ("metadata",))
        return await list_body(await accounts.list(call.caller, request), account_body)

    async def get_account(call: TheCall, account: Reference) -> dict[str, Any]:
        return account_body(await accounts.get(call.caller, account))

    async def change_account(call: TheCall, account: Reference, key: OptionalKey) -> Response:
        order = ChangeAccount(account=account, **_given(validated(ChangeAccountRequest, call.content)))
        return _answered(200, await administration.carry_out(call.caller, order, key))

    async def freeze(call: TheCall, account: Reference, key: OptionalKey) -> Response:
        order = FreezeAccount(account=account, reason=validated(ReasonRequest, call.content).reason)
        return _answered(200, await administration.carry_out(call.caller, order, key))

    async def unfreeze(call: TheCall, account: Reference, key: OptionalKey) -> Response:
        body = validated(UnfreezeRequest, call.content)
        order = UnfreezeAccount(account=account, reason=body.reason, reopen=body.reopen)
        return _answered(200, await administration.carry_out(call.caller, order, key))

    async def close(call: TheCall, account: Reference, key: OptionalKey) -> Response:
        order = CloseAccount(account=account, reason=validated(ReasonRequest, call.content).reason)
        return _answered(200, await administration.carry_out(call.caller, order, key))

    async def get_balance(
        call: TheCall,
        account: Reference,
        as_of: AsOf = None,
        recorded_as_of: AsOf = None,
        min_version: VersionParameter = 0,
    ) -> Response:
        given = {"as_of": as_of, "recorded_as_of": recorded_as_of}
        times = {name: text for name, text in given.items() if text is not None}
        effective, recorded = parse_as_of(times, "as_of"), parse_as_of(times, "recorded_as_of")
        if effective is not None or recorded is not None:
            if min_version:
                raise InvalidParameter("`min_version` goes with the present balance only.", pointer="min_version")
            balance = await balances.at(call.caller, account, effective=effective, recorded=recorded)
            return as_response(json_answer(200, balance_body(balance)))
        balance = await balances.now(call.caller, account, min_version=min_version)
        answer = json_answer(200, balance_body(balance))
        status = b"zerosum; hit" if balance.is_cached else b"zerosum; fwd=miss"
        answer.headers = (*answer.headers, (b"cache-status", status))
        return as_response(answer)

    async def list_postings(
        call: TheCall,
        account: Reference,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        effective_from: EffectiveFrom = None,  # noqa: ARG001 - read with the other filters
        effective_to: EffectiveTo = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        request = page_request(call, "postings", limit, cursor, order, TIMES)
        return await list_body(await journal.list_postings(call.caller, account, request), posting_body)

    async def get_statement(
        call: TheCall,
        account: Reference,
        from_: Annotated[DayOrTime, Query(alias="from")],
        to: DayOrTime,
        format: Format = None,  # noqa: A002 - the parameter's name
        accept: Accept = "",
    ) -> Response:
        start, end = parse_day_or_time(from_, "from"), parse_day_or_time(to, "to")
        check_span(start, end)
        statement = await statements.get(call.caller, account, start=start, end=end)
        if wants_csv(format, accept):
            return csv_response(await statement_csv(statement))
        return as_response(json_answer(200, await statement_body(statement)))

    read, write = Scope.ACCOUNTS_READ, Scope.ACCOUNTS_WRITE
    routes.add(
        "POST",
        "/v1/accounts",
        open_account,
        operation_id="openAccount",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        reads=OpenAccountRequest,
        takes_key=True,
        examples=EXAMPLES,
        refusals=(
            *errors.OF_AMOUNTS,
            errors.CodeReserved,
            errors.InvalidCurrency,
            errors.AccountExists,
            errors.QuotaExceeded,
        ),
        summary="Open an account",
        answer=AccountResponse,
        description="The code is yours to choose and fixed for ever; the answer gives the account's id beside it.",
    )
    routes.add(
        "GET",
        "/v1/accounts",
        list_accounts,
        operation_id="listAccounts",
        scope=read,
        refusals=(errors.InvalidCursor,),
        summary="List accounts",
        answer=ListOf[AccountResponse],
        families=("metadata",),
        query=(*PAGE_PARAMETERS, *FILTERS),
        description="Newest first. All filters that are given must fit.",
    )
    routes.add(
        "GET",
        f"{_ACCOUNT}/balance",
        get_balance,
        operation_id="getBalance",
        scope=read,
        refusals=(*OF_REFERENCE, errors.VersionNotReached),
        summary="Read a balance",
        answer=BalanceResponse,
        headers=CACHE_HEADERS,
        query=("as_of", "recorded_as_of", "min_version"),
        effort=2,
        costly_query=b"as_of=",
        description="Now, from the cache where it is fresh; or as it was: `as_of` in the world, `recorded_as_of` as "
        "far as we had written it. `min_version` makes sure that a write you know of is seen.",
    )
    routes.add(
        "GET",
        f"{_ACCOUNT}/postings",
        list_postings,
        operation_id="listPostings",
        scope=read,
        refusals=(*OF_REFERENCE, errors.InvalidCursor),
        query=(*PAGE_PARAMETERS, *TIMES),
        summary="Read an account's history",
        answer=ListOf[PostingResponse],
        description="Every posting with the balance after it, newest first; by `effective_at` where a time bounds it.",
    )
    routes.add(
        "GET",
        f"{_ACCOUNT}/statement",
        get_statement,
        operation_id="getStatement",
        scope=read,
        refusals=(*OF_REFERENCE, errors.TooManyItems),
        query=("from", "to", "format"),
        effort=10,
        summary="Read a statement",
        answer=StatementResponse,
        also_as=("text/csv",),
        description="What happened to the posted balance from `from` to before `to`, by `effective_at`, at most 366 "
        "days and as many lines as the service allows. Each line says why and with whom. JSON, or CSV with "
        "`format=csv` or `Accept: text/csv`.",
    )
    for name, endpoint, reads, does, what in (
        ("freeze", freeze, ReasonRequest, "Freeze an account", "It takes no postings until it is unfrozen."),
        (
            "unfreeze",
            unfreeze,
            UnfreezeRequest,
            "Unfreeze an account",
            "It takes postings again. A client whom a chargeback has locked is unfrozen with `reopen` only.",
        ),
        (
            "close",
            close,
            ReasonRequest,
            "Close an account for good",
            "Only with nothing posted and nothing held in it, and while no open hold, waiting scheduled payment or "
            "undecided dispute names it.",
        ),
    ):
        routes.add(
            "POST",
            f"{_ACCOUNT}/{name}",
            endpoint,
            operation_id=f"{name}Account",
            scope=write,
            body=BodyKind.OPTIONAL_JSON,
            reads=reads,
            takes_key=True,
            refusals=(*OF_REFERENCE, errors.InvalidState),
            summary=does,
            answer=AccountResponse,
            description=f"{what} Idempotent: what is so already stays so.",
        )
    routes.add(
        "GET",
        _ACCOUNT,
        get_account,
        operation_id="getAccount",
        scope=read,
        refusals=OF_REFERENCE,
        summary="Read an account",
        answer=AccountResponse,
        description="With its balance as PostgreSQL has it now.",
    )
    routes.add(
        "PATCH",
        _ACCOUNT,
        change_account,
        operation_id="changeAccount",
        scope=write,
        body=BodyKind.JSON,
        reads=ChangeAccountRequest,
        takes_key=True,
        examples=CHANGES,
        refusals=(*OF_REFERENCE, *errors.OF_AMOUNTS, errors.InvalidState),
        summary="Change an account's name, limits or metadata",
        answer=AccountResponse,
        description="Members that are not there stay as they are; null takes a name or limit away.",
    )
    return routes
