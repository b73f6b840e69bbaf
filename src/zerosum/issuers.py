"""The issuers of tokens that are trusted, as they are configured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from zerosum.adapters.clock import now
from zerosum.adapters.jwks import JwksDownload
from zerosum.adapters.openid import OpenIdProvider
from zerosum.config import IssuerSettings, Settings, SettingsError
from zerosum.console.navigation import ROOT
from zerosum.console.openid import Mapped, OpenIdSignIn
from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.gateway.identity.id_tokens import IdTokens
from zerosum.gateway.identity.issuer_keys import configured_keys, downloaded_keys, secret_key
from zerosum.gateway.identity.key_sets import FRESH_SECONDS_OF_OTHERS, RefreshedKeySet, VerifyingKeys
from zerosum.gateway.identity.principal import TENANT_SCOPES, Scope
from zerosum.gateway.identity.tokens import read_public_keys
from zerosum.gateway.identity.trusted_issuers import TrustedIssuer


def make_issuer(settings: IssuerSettings, token_seconds_max: int) -> tuple[TrustedIssuer, JwksDownload | None]:
    """An issuer as it is configured. Raises ValueError for keys, names, scopes or ledgers that cannot be."""
    download = None
    if settings.hs256_secret is not None:
        keys = secret_key(settings.hs256_secret.get_secret_value().encode())
    elif settings.jwks is not None:
        keys = configured_keys(settings.jwks)
    else:
        download = JwksDownload(settings.jwks_url or "")
        keys = downloaded_keys(download)
    issuer = TrustedIssuer(
        issuer=settings.issuer,
        audience=settings.audience,
        keys=keys,
        ledger_claim=settings.ledger_claim,
        scope_claim=settings.scope_claim,
        token_seconds_max=settings.token_seconds_max or token_seconds_max,
        scopes=TENANT_SCOPES - {Scope.ADMIN} if settings.scopes is None else frozenset(map(Scope, settings.scopes)),
        ledgers=None
        if settings.ledgers is None
        else frozenset(LedgerId(parse_id(Prefix.LEDGER, text)) for text in settings.ledgers),
    )
    return issuer, download


def make_console_issuer(
    settings: Settings, clock: Callable[[], datetime]
) -> tuple[OpenIdSignIn, Callable[[], Awaitable[None]]] | None:
    """Who signs people in to the console, and what ends it. Raises ValueError, InvalidId for what cannot be."""
    given = settings.console_issuer
    if given is None:
        return None
    secret = None if given.client_secret is None else given.client_secret.get_secret_value()
    provider = OpenIdProvider(given.issuer, given.client_id, secret)

    async def read() -> VerifyingKeys:
        return read_public_keys(await provider.read_keys())

    tokens = IdTokens(
        given.issuer, given.client_id, RefreshedKeySet(given.issuer, read, FRESH_SECONDS_OF_OTHERS), clock
    )
    ledgers = None if given.ledgers is None else tuple(parse_id(Prefix.LEDGER, text) for text in given.ledgers)
    mapped = Mapped(
        name=given.name,
        role_claim=given.role_claim,
        roles=given.roles,
        ledger_claim=given.ledger_claim,
        ledgers=ledgers,
    )
    redirect_uri = f"{settings.shown_url}{ROOT}/sign-in/return"
    sign_in = OpenIdSignIn(provider, tokens, mapped, redirect_uri, settings.cursor_key(), clock)

    async def close() -> None:
        await tokens.close()
        await provider.close()

    return sign_in, close


def check_issuers(settings: Settings) -> None:
    """Before anything starts: what is wrong with an issuer is told by the name of the setting. Raises SettingsError."""
    for issuer in settings.trusted_issuers:
        try:
            make_issuer(issuer, settings.foreign_token_seconds_max)
        except (ValueError, InvalidId) as error:
            raise SettingsError(f"ZEROSUM_TRUSTED_ISSUERS: {issuer.issuer!r}: {error}") from None
    try:
        make_console_issuer(settings, now)
    except (ValueError, InvalidId) as error:
        raise SettingsError(f"ZEROSUM_CONSOLE_ISSUER: {error}") from None
