"""API keys on the wire: what a key may do, until when, and where it is good."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import Moment, Name, OneOf, Request, Response, Text, Time, id_field
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, render_id
from zerosum.gateway.identity.principal import TENANT_SCOPES, Scope
from zerosum.services.credentials.certificate_subject import canonical_subject
from zerosum.services.ledgers import ApiKeyRecord
from zerosum.services.requests.networks import parse_network

NETWORKS_MAX = 50

LedgerId = Annotated[str, id_field(Prefix.LEDGER, "The ledger.")]
ScopeName = Annotated[str, OneOf(Scope)]


def _network(text: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError:
        raise PydanticCustomError("network", "A network is written like 192.0.2.0/24 or 2001:db8::/32.") from None


def _subject(text: str) -> str:
    try:
        return canonical_subject(text)
    except ValueError:
        raise PydanticCustomError("subject", "A subject is written like CN=checkout,O=Acme (RFC 4514).") from None


NetworkText = Annotated[str, Field(max_length=50, examples=["192.0.2.0/24"]), AfterValidator(_network)]
SubjectText = Annotated[Text, AfterValidator(_subject)]

_NETWORKS = "Where it is good; null means anywhere."
_SUBJECT = "Whose client certificate must come with it (RFC 4514); null means none."


class ApiKeyRequest(Request):
    """A credential for one ledger."""

    ledger: LedgerId
    name: Annotated[Name, Field(description="For people.", examples=["Checkout"])]
    scopes: Annotated[
        list[ScopeName],
        Field(
            description="What it may do, but never `operator`.",
            min_length=1,
            max_length=len(TENANT_SCOPES),
        ),
    ]
    expires_at: Annotated[
        Moment | None, Field(description="Until when; null means as long as the service lets a key live.")
    ] = None
    networks: Annotated[
        list[NetworkText] | None,
        Field(description=_NETWORKS, min_length=1, max_length=NETWORKS_MAX, examples=[["192.0.2.0/24"]]),
    ] = None
    certificate_subject: Annotated[SubjectText | None, Field(description=_SUBJECT, examples=["CN=checkout,O=Acme"])] = (
        None
    )


class ApiKeyResponse(Response):
    """A credential, without its secret."""

    id: Annotated[str, id_field(Prefix.API_KEY, "The key; also the `client_id` at the token endpoint.")]
    ledger: Annotated[LedgerId | None, Field(description="Its ledger; null for an operator's.")]
    name: Annotated[str, Field(description="For people.", examples=["Checkout"])]
    scopes: Annotated[list[ScopeName], Field(description="What it may do.", examples=[["payments:write"]])]
    expires_at: Annotated[Time | None, Field(description="Until when it is good; null means until it is revoked.")]
    revoked_at: Annotated[Time | None, Field(description="Since when it is revoked, or null.", examples=[None])]
    networks: Annotated[list[str] | None, Field(description=_NETWORKS, examples=[["192.0.2.0/24"]])]
    certificate_subject: Annotated[str | None, Field(description=_SUBJECT, examples=["CN=checkout,O=Acme"])]
    created_at: Annotated[Time, Field(description="When it was made.")]
    created_by: Annotated[
        str | None, Field(description="Who made it; null where that was not written down.", examples=["command|root"])
    ]
    last_used_at: Annotated[Time | None, Field(description="When it was last used, to some minutes; null means never.")]


class NewApiKeyResponse(ApiKeyResponse):
    """A new credential. This answer alone shows its secret."""

    key: Annotated[
        str,
        Field(
            description="The secret, shown only now. It is also the `client_secret`.", examples=["zsk_AaH8b5TEdmCL…"]
        ),
    ]


def api_key_body(key: ApiKeyRecord) -> dict[str, Any]:
    def time(moment: Any) -> str | None:
        return None if moment is None else render_time(moment)

    return {
        "id": render_id(Prefix.API_KEY, key.id),
        "ledger": None if key.ledger_id == SERVICE_LEDGER else render_id(Prefix.LEDGER, key.ledger_id),
        "name": key.name,
        "scopes": sorted(key.scopes),
        "expires_at": time(key.expires_at),
        "revoked_at": time(key.revoked_at),
        "networks": None if key.networks is None else list(key.networks),
        "certificate_subject": key.certificate_subject,
        "created_at": render_time(key.created_at),
        "created_by": key.created_by,
        "last_used_at": time(key.last_used_at),
    }
