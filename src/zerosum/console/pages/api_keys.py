"""API keys of the ledger: what each may do, making one, which is shown once, and revoking."""

from __future__ import annotations

from zerosum.api.schemas.api_keys import ApiKeyRequest
from zerosum.api.validation import validated
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.identifiers import ApiKeyId, Prefix, parse_id
from zerosum.gateway.identity.principal import TENANT_SCOPES, Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.credentials.api_keys import ApiKeyRecord
from zerosum.services.credentials.key_grants import Granter, NewKey
from zerosum.services.requests.networks import parse_network
from zerosum.services.requests.paging import Page

SCOPE_FIELD = "scope."
"""What a ticked scope's field begins with: a form has each field once."""


def api_key_pages(console: Console) -> None:
    services = console.services

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "api keys", ("key",))
        page: Page[ApiKeyRecord]
        if "key" in request.filters:
            one = ApiKeyId(parse_id(Prefix.API_KEY, request.filters["key"]))
            page = Page([await services.api_keys.get(view.ledger_id, one)], None)
        else:
            page = await services.ledgers.list_api_keys(request, view.ledger_id)
        return view.show(
            "api_keys.html",
            keys=page.items,
            is_one="key" in request.filters,
            next=next_page(view, request, page, "api-keys"),
            scopes=sorted(scope for scope in TENANT_SCOPES if view.may(scope)),
            scope_field=SCOPE_FIELD,
        )

    async def make(view: View) -> HttpAnswer:
        """Its text is in this answer alone: it stands in no address, and is not shown again."""
        given = {name: view.form[name] for name in ("name", "expires_at", "certificate_subject") if name in view.form}
        scopes = [name.removeprefix(SCOPE_FIELD) for name in view.form if name.startswith(SCOPE_FIELD)]
        networks = view.form.get("networks", "").replace(",", " ").split() or None
        body = validated(ApiKeyRequest, {**given, "ledger": view.ledger, "scopes": scopes, "networks": networks})
        wanted = NewKey(
            ledger_id=view.ledger_id,
            name=body.name,
            scopes=body.scopes,
            expires_at=body.expires_at,
            networks=None if body.networks is None else tuple(map(parse_network, body.networks)),
            certificate_subject=body.certificate_subject,
        )
        record, text = await services.api_keys.grant(_granter(view), wanted)
        return view.show(
            "secret.html",
            title=f"The key {record.name}",
            place=("API keys", view.href("api-keys")),
            what="It is the bearer of each request, and the client_secret at the token endpoint.",
            secret=text,
        )

    async def revoke(view: View) -> HttpAnswer:
        await services.api_keys.revoke(ApiKeyId(view.id(Prefix.API_KEY, "api_key")), _granter(view))
        return view.go_to("api-keys")

    needs = Scope.ADMIN
    nav = Nav(group="Administration", title="API keys", key="z")
    console.page("/{ledger}/api-keys", listed, needs=needs, nav=nav)
    console.act("/{ledger}/api-keys", make, needs=needs, name="make an API key")
    console.act("/{ledger}/api-keys/{api_key}/revoke", revoke, needs=needs, name="revoke an API key")


def _granter(view: View) -> Granter:
    """Nobody hands on what his role does not have."""
    return view.principal.granter(view.caller)
