"""Account groups: accounts under a name, and what they come to."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Path, Response

from zerosum.api.endpoints import Routes, TheCall, as_response, check_parameters, json_answer
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, AsOf, Cursor, Limit, SortOrder, page_request
from zerosum.api.schemas.account_groups import (
    AccountGroupRequest,
    AccountGroupResponse,
    GroupBalancesResponse,
    account_group_body,
    group_balances_body,
)
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.ledger.account_groups import GROUP_NAME_PATTERN_TEXT, GROUP_VERSIONS_MAX
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.requests.times import parse_as_of

_INSTANT = ("as_of", "recorded_as_of")

GroupReference = Annotated[
    str,
    Path(
        description="The group's name: small letters, digits, `_` and `-`.",
        examples=["wallets"],
        json_schema_extra={"pattern": f"^{GROUP_NAME_PATTERN_TEXT}$"},
    ),
]


def account_group_routes(services: Services) -> Routes:
    routes = Routes("Account groups")
    groups = services.account_groups

    async def put_account_group(call: TheCall, group: GroupReference) -> Response:
        order = validated(AccountGroupRequest, call.content).order(group, call.idempotency_key or "")
        if not re.fullmatch(GROUP_NAME_PATTERN_TEXT, group, re.ASCII):
            raise errors.InvalidParameter("A name is of small letters, digits, `_` and `-`.", pointer="group")
        done = await groups.put(call.caller, order)
        return as_response(json_answer(200, account_group_body(done.view), is_replay=done.is_replay))

    async def delete_account_group(call: TheCall, group: GroupReference) -> Response:
        done = await groups.delete(call.caller, group, call.idempotency_key or "")
        return as_response(json_answer(200, account_group_body(done.view), is_replay=done.is_replay))

    async def list_account_groups(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "account_groups", limit, cursor, order, ())
        return await list_body(await groups.list(call.caller, request), account_group_body)

    async def get_account_group(call: TheCall, group: GroupReference) -> dict[str, Any]:
        return account_group_body(await groups.get(call.caller, group))

    async def group_balances(
        call: TheCall,
        group: GroupReference,
        as_of: AsOf = None,  # noqa: ARG001 - read with the other one
        recorded_as_of: AsOf = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        given = check_parameters(call.query_string, frozenset(_INSTANT))
        effective, recorded = (parse_as_of(given, name) for name in _INSTANT)
        return group_balances_body(await groups.balances(call.caller, group, effective=effective, recorded=recorded))

    routes.add(
        "PUT",
        "/v1/account-groups/{group}",
        put_account_group,
        operation_id="putAccountGroup",
        scope=Scope.ACCOUNTS_WRITE,
        body=BodyKind.JSON,
        needs_key=True,
        reads=AccountGroupRequest,
        refusals=(errors.QuotaExceeded, errors.TooManyItems),
        named_in_body=(errors.InvalidCurrency, *errors.OF_AMOUNTS),
        summary="Make an account group, or replace it",
        answer=AccountGroupResponse,
        description="It replaces the group as a whole, and the same again changes nothing. Accounts that its members "
        f"match are in it from the moment they are opened. A name has at most {GROUP_VERSIONS_MAX:,} versions, all of "
        "which the security log keeps.",
    )
    routes.add(
        "DELETE",
        "/v1/account-groups/{group}",
        delete_account_group,
        operation_id="deleteAccountGroup",
        scope=Scope.ACCOUNTS_WRITE,
        needs_key=True,
        refusals=(errors.AccountGroupNotFound, errors.QuotaExceeded),
        summary="Delete an account group",
        answer=AccountGroupResponse,
        description="Its accounts stay as they are. The name may be used again, and its versions are counted on.",
    )
    routes.add(
        "GET",
        "/v1/account-groups",
        list_account_groups,
        operation_id="listAccountGroups",
        scope=Scope.ACCOUNTS_READ,
        query=PAGE_PARAMETERS,
        refusals=(errors.InvalidCursor,),
        summary="List account groups",
        answer=ListOf[AccountGroupResponse],
        description="By name from Z to A.",
    )
    routes.add(
        "GET",
        "/v1/account-groups/{group}",
        get_account_group,
        operation_id="getAccountGroup",
        scope=Scope.ACCOUNTS_READ,
        refusals=(errors.AccountGroupNotFound,),
        summary="Read an account group",
        answer=AccountGroupResponse,
    )
    routes.add(
        "GET",
        "/v1/account-groups/{group}/balances",
        group_balances,
        operation_id="getAccountGroupBalances",
        scope=Scope.REPORTS_READ,
        query=_INSTANT,
        effort=10,
        refusals=(errors.AccountGroupNotFound,),
        summary="Read what the accounts of a group come to",
        answer=GroupBalancesResponse,
        description="By currency, all at one instant. Whichever instant is asked for, the accounts are those that are "
        "in the group now.",
    )
    return routes
