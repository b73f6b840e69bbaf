"""The issuers of tokens that are trusted, as they are configured."""

from __future__ import annotations

from zerosum.adapters.jwks import JwksDownload
from zerosum.config import IssuerSettings, Settings, SettingsError
from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.gateway.identity.issuer_keys import configured_keys, downloaded_keys, secret_key
from zerosum.gateway.identity.principal import TENANT_SCOPES, Scope
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


def check_issuers(settings: Settings) -> None:
    """Before anything starts: what is wrong with an issuer is told by the name of the setting. Raises SettingsError."""
    for issuer in settings.trusted_issuers:
        try:
            make_issuer(issuer, settings.foreign_token_seconds_max)
        except (ValueError, InvalidId) as error:
            raise SettingsError(f"ZEROSUM_TRUSTED_ISSUERS: {issuer.issuer!r}: {error}") from None
