"""API keys: of the own ledger, or for an operator of any."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.schemas.api_keys import ApiKeyRequest, ApiKeyResponse, NewApiKeyResponse, api_key_body
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import ApiKeyId, LedgerId, Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.credentials.key_grants import NewKey
from zerosum.services.requests.networks import parse_network

LedgerParameter = Annotated[str | None, Query(description="Only of this ledger.")]


def api_key_routes(services: Services) -> Routes:
    routes = Routes("Administration")
    api_keys = services.api_keys

    async def create_api_key(call: TheCall) -> dict[str, Any]:
        body = validated(ApiKeyRequest, call.content)
        try:
            wanted = NewKey(
                ledger_id=LedgerId(parse_id(Prefix.LEDGER, body.ledger)),
                name=body.name,
                scopes=body.scopes,
                expires_at=body.expires_at,
                networks=None if body.networks is None else tuple(map(parse_network, body.networks)),
                certificate_subject=body.certificate_subject,
            )
            record, text = await api_keys.grant(call.granter, wanted)
        except (errors.InvalidId, errors.LedgerNotFound) as refusal:
            raise refusal.at("/ledger") from None
        return {**api_key_body(record), "key": text}

    async def list_api_keys(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        ledger: LedgerParameter = None,
    ) -> dict[str, Any]:
        check_ledger(ledger)
        request = page_request(call, "api keys", limit, cursor, order, ("ledger",))
        return await list_body(await services.ledgers.list_api_keys(request, call.granter.own_ledger), api_key_body)

    async def revoke_api_key(
        call: TheCall, api_key: Annotated[str, id_path(Prefix.API_KEY, "The key's id.")]
    ) -> dict[str, Any]:
        return api_key_body(await api_keys.revoke(ApiKeyId(parse_id(Prefix.API_KEY, api_key)), call.granter))

    either: dict[str, Any] = {"scope": Scope.ADMIN, "other_scope": Scope.OPERATOR}
    routes.add(
        "POST",
        "/v1/api-keys",
        create_api_key,
        operation_id="createApiKey",
        **either,
        status=201,
        body=BodyKind.JSON,
        reads=ApiKeyRequest,
        refusals=(errors.InvalidId, errors.QuotaExceeded),
        named_in_body=(errors.LedgerNotFound,),
        summary="Create an API key",
        answer=NewApiKeyResponse,
        description="The answer shows the key once; only a hash of it is kept. Nobody gives what he lacks: with "
        "`admin` a key of the own ledger, with one's own scopes, life and networks at most. An operator gives any.",
    )
    routes.add(
        "GET",
        "/v1/api-keys",
        list_api_keys,
        operation_id="listApiKeys",
        **either,
        refusals=(errors.InvalidCursor,),
        query=(*PAGE_PARAMETERS, "ledger"),
        summary="List API keys",
        answer=ListOf[ApiKeyResponse],
        description="Newest first, without their secrets: those of the own ledger, for an operator all.",
    )
    routes.add(
        "DELETE",
        "/v1/api-keys/{api_key}",
        revoke_api_key,
        operation_id="revokeApiKey",
        **either,
        refusals=(errors.InvalidId, errors.ApiKeyNotFound),
        summary="Revoke an API key",
        answer=ApiKeyResponse,
        description="It is refused within 5 seconds, and so are the tokens issued to it.",
    )
    return routes


def check_ledger(text: str | None) -> None:
    """Raises InvalidParameter for a parameter that names no ledger."""
    try:
        if text is not None:
            parse_id(Prefix.LEDGER, text)
    except errors.InvalidId as refusal:
        raise errors.InvalidParameter(refusal.detail, pointer="ledger") from None
