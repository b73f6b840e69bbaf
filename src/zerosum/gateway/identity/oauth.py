"""The token endpoint: OAuth 2.0 client credentials (RFC 6749, sections 2.3, 4.4 and 5), without a web framework.

A client is an API key: its id is "key_<uuid>" and its secret is the text of the key itself.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from urllib.parse import unquote_plus

from zerosum.domain.errors import OriginNotAllowed
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.gateway.identity.principal import Scope, known_scopes, principal_of_key
from zerosum.gateway.identity.tokens import TokenSigner, check_lifetime
from zerosum.services.credentials.api_keys import ApiKeyRecord, ApiKeys

TOKEN_LIFETIME_SECONDS = 900
GRANT_TYPE = "client_credentials"

_SCOPE_LIST = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*", re.ASCII)
_BASIC = b"basic "
_BASIC_BYTES_MAX = 1024


class OAuthErrorCode(Enum):
    """The words of RFC 6749, section 5.2, each with its HTTP status."""

    INVALID_REQUEST = ("invalid_request", 400)
    INVALID_CLIENT = ("invalid_client", 401)
    UNSUPPORTED_GRANT_TYPE = ("unsupported_grant_type", 400)
    INVALID_SCOPE = ("invalid_scope", 400)


@dataclass(frozen=True, slots=True)
class OAuthError:
    """A refusal in the form of RFC 6749, which is not a problem document."""

    code: OAuthErrorCode
    description: str
    asks_for_basic: bool = False
    """The client tried the Authorization header, so the answer names the scheme that is understood there."""

    @property
    def status(self) -> int:
        return self.code.value[1]

    def members(self) -> dict[str, str]:
        return {"error": self.code.value[0], "error_description": self.description}

    def headers(self) -> dict[str, str]:
        return {**NOT_STORED, "WWW-Authenticate": 'Basic realm="zerosum"'} if self.asks_for_basic else dict(NOT_STORED)


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """A token, and what the client must know about it."""

    access_token: str
    expires_in: int
    scope: str
    token_type: str = "Bearer"  # noqa: S105 - a word of RFC 6750

    def members(self) -> dict[str, str | int]:
        return {
            "access_token": self.access_token,
            "token_type": self.token_type,
            "expires_in": self.expires_in,
            "scope": self.scope,
        }

    def headers(self) -> dict[str, str]:
        return dict(NOT_STORED)


NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""Required on both answers (RFC 6749, section 5.1)."""


class TokenEndpoint:
    def __init__(
        self,
        api_keys: ApiKeys,
        signer: TokenSigner,
        now: Callable[[], datetime],
        lifetime_seconds: int = TOKEN_LIFETIME_SECONDS,
    ) -> None:
        check_lifetime(lifetime_seconds)
        self._api_keys = api_keys
        self._signer = signer
        self._now = now
        self._lifetime_seconds = lifetime_seconds

    async def grant(
        self,
        form: Mapping[str, Sequence[str]],
        authorization: bytes | None,
        *,
        address: str = "",
        certificate_subject: str | None = None,
    ) -> TokenGrant | OAuthError:
        """`form` holds every value of each parameter, decoded; `authorization` is that header's value, if there is one.
        `address` and `certificate_subject` tell where the client is, for one that is bound to a place.

        The checks come in the order of the RFC: the request, the grant, the client, the scope.
        """
        if any(len(values) > 1 for values in form.values()):
            return OAuthError(OAuthErrorCode.INVALID_REQUEST, "A parameter is given more than once.")
        # A parameter without a value counts as left out (section 3.2).
        parameters = {name: values[0] for name, values in form.items() if values and values[0]}
        if "grant_type" not in parameters:
            return OAuthError(OAuthErrorCode.INVALID_REQUEST, "The parameter grant_type is missing.")
        if parameters["grant_type"] != GRANT_TYPE:
            return OAuthError(OAuthErrorCode.UNSUPPORTED_GRANT_TYPE, f"The only grant is {GRANT_TYPE}.")
        credentials = _client_credentials(parameters, authorization)
        if isinstance(credentials, OAuthError):
            return credentials
        record = await self._authenticate(*credentials)
        if record is None:
            return _invalid_client(asks_for_basic=authorization is not None)
        try:
            principal_of_key(record, frozenset()).check_origin(address, certificate_subject)
        except OriginNotAllowed as refusal:
            return OAuthError(OAuthErrorCode.INVALID_CLIENT, refusal.detail, asks_for_basic=authorization is not None)
        scopes = _granted_scopes(parameters.get("scope"), record)
        if scopes is None:
            return OAuthError(OAuthErrorCode.INVALID_SCOPE, "The scope is malformed or more than the client may have.")
        return await self._issue(record, scopes)

    async def _authenticate(self, client_id: str, client_secret: str) -> ApiKeyRecord | None:
        record = await self._api_keys.authenticate(client_secret)
        return record if record is not None and render_id(Prefix.API_KEY, record.id) == client_id else None

    async def _issue(self, record: ApiKeyRecord, scopes: frozenset[Scope]) -> TokenGrant:
        seconds = self._lifetime_seconds
        if record.expires_at is not None:
            # A token never outlives its key. A key that was just accepted has at least a moment left.
            seconds = max(1, min(seconds, int((record.expires_at - self._now()).total_seconds())))
        token = await self._signer.issue(
            ledger_id=record.ledger_id, key_id=record.id, scopes=scopes, lifetime_seconds=seconds
        )
        return TokenGrant(access_token=token, expires_in=seconds, scope=" ".join(sorted(scopes)))


def _client_credentials(parameters: Mapping[str, str], authorization: bytes | None) -> tuple[str, str] | OAuthError:
    """The client's id and secret, from the header or the body but not from both."""
    if authorization is None:
        if "client_id" not in parameters or "client_secret" not in parameters:
            return _invalid_client(asks_for_basic=False)
        return parameters["client_id"], parameters["client_secret"]
    if "client_secret" in parameters:
        return OAuthError(OAuthErrorCode.INVALID_REQUEST, "The client authenticates in the header and in the body.")
    credentials = _basic_credentials(authorization)
    if credentials is None:
        return _invalid_client(asks_for_basic=True)
    if parameters.get("client_id", credentials[0]) != credentials[0]:
        return OAuthError(OAuthErrorCode.INVALID_REQUEST, "The header and the body name different clients.")
    return credentials


def _basic_credentials(authorization: bytes) -> tuple[str, str] | None:
    """RFC 7617, with both halves form-encoded as RFC 6749 wants them."""
    if len(authorization) > _BASIC_BYTES_MAX or authorization[: len(_BASIC)].lower() != _BASIC:
        return None
    try:
        text = base64.b64decode(authorization[len(_BASIC) :].lstrip(b" "), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return None
    client_id, colon, client_secret = text.partition(":")
    return (unquote_plus(client_id), unquote_plus(client_secret)) if colon else None


def _granted_scopes(asked: str | None, record: ApiKeyRecord) -> frozenset[Scope] | None:
    """All scopes of the key, or the part that is asked for; None when that is no part of them."""
    allowed = known_scopes(record.scopes)
    if asked is None:
        return allowed
    if not _SCOPE_LIST.fullmatch(asked):
        return None
    texts = asked.split(" ")
    wanted = known_scopes(texts)
    return wanted if wanted <= allowed and len(wanted) == len(set(texts)) else None


def _invalid_client(*, asks_for_basic: bool) -> OAuthError:
    return OAuthError(
        OAuthErrorCode.INVALID_CLIENT, "The client is unknown or its secret is wrong.", asks_for_basic=asks_for_basic
    )
