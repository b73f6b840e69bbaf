"""Good tokens, and the limits up to which they are good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import jose.backends
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import zerosum.gateway.identity.tokens as tokens_module
from tests.gateway.forge import (
    API_KEY,
    AUDIENCE,
    EC_KID,
    LEDGER,
    NOW,
    OWN,
    PARTNER,
    PROVIDER,
    RSA_KID,
    SECONDS,
    SECRET,
    Forge,
    b64,
)
from zerosum.domain.errors import Unauthenticated
from zerosum.domain.identifiers import ApiKeyId, LedgerId
from zerosum.gateway.identity.issuer_keys import configured_keys, secret_key
from zerosum.gateway.identity.principal import ALL_SCOPES, Scope
from zerosum.gateway.identity.token_text import TokenRefused, read_token
from zerosum.gateway.identity.tokens import TokenVerifier, read_public_keys
from zerosum.gateway.identity.trusted_issuers import PUBLIC_KEY_ALGORITHMS, IssuerKeys, TrustedIssuer, VerifiedToken

LEDGER_ID = LedgerId(UUID(LEDGER[4:]))


@pytest.fixture(scope="module")
def forge() -> Forge:
    return Forge()


async def verified(forge: Forge, token: str, at: float = 0.0) -> VerifiedToken:
    return await forge.verifier(NOW + timedelta(seconds=at)).verify(token, 0.0)


async def test_our_own_token_says_which_key_it_was_issued_to(forge: Forge) -> None:
    assert await verified(forge, forge.own_token()) == VerifiedToken(
        issuer=OWN,
        subject=API_KEY,
        ledger_id=LEDGER_ID,
        scopes=frozenset({Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE}),
        expires_at=SECONDS + 600,
        api_key_id=ApiKeyId(UUID(API_KEY[4:])),
    )


async def test_a_providers_rs256_token_is_accepted(forge: Forge) -> None:
    token = await verified(forge, forge.provider_token())
    assert (token.issuer, token.subject, token.api_key_id) == (PROVIDER, "alice", None)


async def test_a_providers_es256_token_is_accepted(forge: Forge) -> None:
    header = forge.header(alg="ES256", kid=EC_KID)
    token = forge.es256(header, forge.claims(), forge.provider_ec.private_key)
    assert (await verified(forge, token)).subject == "alice"


async def test_a_token_under_a_dedicated_secret_is_accepted(forge: Forge) -> None:
    token = forge.hs256({"alg": "HS256", "typ": "JWT"}, forge.claims(iss=PARTNER))
    assert (await verified(forge, token)).issuer == PARTNER


async def test_a_dedicated_secret_may_have_a_key_id(forge: Forge) -> None:
    issuer = TrustedIssuer(issuer=PARTNER, audience=AUDIENCE, keys=secret_key(SECRET, "2026"))
    verifier = TokenVerifier([issuer], lambda: NOW)
    token = forge.hs256({"alg": "HS256", "kid": "2026"}, forge.claims(iss=PARTNER))
    assert (await verifier.verify(token, 0.0)).issuer == PARTNER
    with pytest.raises(Unauthenticated):
        await verifier.verify(forge.hs256({"alg": "HS256"}, forge.claims(iss=PARTNER)), 0.0)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", None])
async def test_the_type_of_a_providers_token_is_compared_without_case(forge: Forge, typ: str | None) -> None:
    assert await verified(forge, forge.rs256(forge.header(typ=typ), forge.claims()))


@pytest.mark.parametrize("typ", ["at+jwt", "AT+jwt"])
async def test_the_type_of_our_own_token_is_at_jwt(forge: Forge, typ: str) -> None:
    assert await verified(forge, forge.es256(forge.own_header(typ=typ), forge.own_claims()))


async def test_certificate_thumbprints_in_the_header_do_no_harm(forge: Forge) -> None:
    header = forge.header(x5t="AAAA", **{"x5t#S256": "BBBB"})
    assert await verified(forge, forge.rs256(header, forge.claims()))


async def test_the_audience_may_be_a_list_of_one(forge: Forge) -> None:
    assert await verified(forge, forge.own_token(aud=[AUDIENCE]))


async def test_a_token_is_good_for_the_leeway_after_it_expired_and_not_longer(forge: Forge) -> None:
    assert await verified(forge, forge.own_token(), at=629.999)
    with pytest.raises(Unauthenticated):
        await verified(forge, forge.own_token(), at=630)


@pytest.mark.parametrize("name", ["iat", "nbf"])
async def test_a_token_may_be_ahead_by_the_leeway_and_not_more(forge: Forge, name: str) -> None:
    assert await verified(forge, forge.own_token(**{name: SECONDS + 30}))
    with pytest.raises(Unauthenticated):
        await verified(forge, forge.own_token(**{name: SECONDS + 31}))


async def test_a_token_of_exactly_8192_characters_is_read(forge: Forge) -> None:
    # Four characters of text for three bytes: the filling is tuned until the length fits.
    tokens = {len(token): token for size in range(5_500, 5_700) if (token := forge.own_token(x="a" * size))}
    assert await verified(forge, tokens[8192])


def test_a_longer_text_is_not_even_looked_at() -> None:
    with pytest.raises(TokenRefused, match="not three parts"):
        read_token("A" * 8192)
    with pytest.raises(TokenRefused, match="longer than allowed"):
        read_token("A" * 8193)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512", "ES384", "PS256", "dir"])
async def test_no_key_is_looked_for_under_an_algorithm_the_issuer_does_not_use(forge: Forge, algorithm: str) -> None:
    wanted: list[object] = []

    class Watched:
        async def find(self, name: object, now: float) -> None:
            wanted.append(name)

        async def close(self) -> None: ...

    keys = IssuerKeys(Watched(), PUBLIC_KEY_ALGORITHMS)
    verifier = TokenVerifier([TrustedIssuer(issuer=PROVIDER, audience=AUDIENCE, keys=keys)], lambda: NOW)
    with pytest.raises(Unauthenticated):
        await verifier.verify(forge.rs256(forge.header(alg=algorithm), forge.claims()), 0.0)
    assert wanted == []


@pytest.mark.parametrize("scope", ["openid payments:read", ["openid", "payments:read"], "payments:read payments:read"])
async def test_foreign_scopes_give_no_right_and_do_no_harm(forge: Forge, scope: Any) -> None:
    assert (await verified(forge, forge.provider_token(scope=scope))).scopes == {Scope.PAYMENTS_READ}


@pytest.mark.parametrize("scope", [None, "", "openid"])
async def test_a_token_without_our_scopes_allows_nothing(forge: Forge, scope: str | None) -> None:
    assert (await verified(forge, forge.provider_token(scope=scope))).scopes == frozenset()


async def test_the_claims_of_a_provider_have_configurable_names(forge: Forge) -> None:
    issuer = TrustedIssuer(
        issuer=PROVIDER,
        audience=AUDIENCE,
        keys=configured_keys(forge.jwks),
        ledger_claim="https://pay.example/ledger",
        scope_claim="permissions",
    )
    changes = {"https://pay.example/ledger": LEDGER, "ledger": None, "permissions": ["admin"], "scope": None}
    token = await TokenVerifier([issuer], lambda: NOW).verify(forge.provider_token(**changes), 0.0)
    assert (token.ledger_id, token.scopes) == (LEDGER_ID, frozenset({Scope.ADMIN}))


async def test_a_provider_gives_no_more_scopes_than_it_may(forge: Forge) -> None:
    issuer = TrustedIssuer(
        issuer=PROVIDER, audience=AUDIENCE, keys=configured_keys(forge.jwks), scopes=ALL_SCOPES - {Scope.ADMIN}
    )
    token = forge.provider_token(scope="admin reports:read")
    assert (await TokenVerifier([issuer], lambda: NOW).verify(token, 0.0)).scopes == {Scope.REPORTS_READ}


async def test_a_provider_speaks_only_for_its_ledgers(forge: Forge) -> None:
    ledgers = frozenset({LedgerId(UUID(int=7))})
    issuer = TrustedIssuer(issuer=PROVIDER, audience=AUDIENCE, keys=configured_keys(forge.jwks), ledgers=ledgers)
    verifier = TokenVerifier([issuer], lambda: NOW)
    assert await verifier.verify(forge.provider_token(ledger=f"led_{UUID(int=7)}"), 0.0)
    with pytest.raises(Unauthenticated):
        await verifier.verify(forge.provider_token(), 0.0)


def test_an_issuer_has_one_family_of_algorithms(forge: Forge) -> None:
    keys = IssuerKeys(configured_keys(forge.jwks).key_set, frozenset({"RS256", "HS256"}))
    with pytest.raises(ValueError, match="never with both"):
        TrustedIssuer(issuer=PROVIDER, audience=AUDIENCE, keys=keys)


def test_two_issuers_cannot_have_one_name(forge: Forge) -> None:
    issuer = TrustedIssuer(issuer=PROVIDER, audience=AUDIENCE, keys=configured_keys(forge.jwks))
    with pytest.raises(ValueError, match="same name"):
        TokenVerifier([issuer, issuer], lambda: NOW)


@pytest.mark.parametrize(("issuer", "audience"), [("", AUDIENCE), (PROVIDER, ""), ("a|b", AUDIENCE)])
def test_an_issuer_needs_a_usable_name_and_an_audience(forge: Forge, issuer: str, audience: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        TrustedIssuer(issuer=issuer, audience=audience, keys=configured_keys(forge.jwks))


def test_the_service_does_not_start_when_jose_falls_back_on_another_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fallback(jose.backends.base.Key):
        pass

    monkeypatch.setattr(tokens_module, "ECKey", Fallback)
    with pytest.raises(RuntimeError, match="cryptography backend"):
        TokenVerifier([], lambda: NOW)


# --- Key sets as they are published -----------------------------------------------------------------------------------


def test_only_usable_keys_of_a_set_are_read(forge: Forge) -> None:
    good = forge.jwks["keys"][0]
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    unusable: list[Any] = [
        {"kty": "oct", "kid": "o", "k": b64(SECRET)},
        {"kty": "oct", "kid": "o2", "alg": "HS256", "k": b64(SECRET)},
        {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": b64(bytes(32))},
        {**good, "kid": "384", "crv": "P-384"},
        {**good, "kid": "off the curve", "x": b64(bytes(32))},
        {**good, "kid": "private", "d": b64(bytes(32))},
        {**good, "kid": "for encryption", "use": "enc"},
        {**good, "kid": "for signing only", "key_ops": ["sign"]},
        {**good, "kid": "other-algorithm", "alg": "ES384"},
        {**good, "kid": "short-x", "x": b64(bytes(31))},
        {**good, "kid": "no-y", "y": None},
        {**good, "kid": None},
        {**good, "kid": 7},
        {"kty": "RSA", "kid": "weak", "n": b64(short.n.to_bytes(128, "big")), "e": "AQAB"},
        {**forge.rsa_jwk(), "kid": "slow", "e": b64(b"\x01" * 200)},
        {**forge.rsa_jwk(), "kid": "padded", "n": forge.rsa_jwk()["n"] + "="},
        "text",
        None,
    ]
    assert set(read_public_keys({"keys": [*unusable, *forge.jwks["keys"]]})) == {(EC_KID, "ES256"), (RSA_KID, "RS256")}


def test_two_keys_under_one_name_make_a_set_unusable(forge: Forge) -> None:
    with pytest.raises(ValueError, match="same id and algorithm"):
        read_public_keys({"keys": [forge.rsa_jwk(), forge.rsa_jwk()]})


@pytest.mark.parametrize("jwks", [{}, {"keys": {}}, {"keys": []}, {"keys": [{"kty": "oct"}]}])
def test_a_configured_set_without_a_usable_key_is_refused_at_once(jwks: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="JSON Web Key Set"):
        configured_keys(jwks)


def test_a_key_that_was_read_cannot_sign(forge: Forge) -> None:
    for key in read_public_keys(forge.jwks).values():
        with pytest.raises((AttributeError, jose.exceptions.JOSEError)):
            key.sign(b"x")


def test_a_curve_of_the_same_size_is_not_mistaken_for_ours() -> None:
    numbers = ec.generate_private_key(ec.SECP256K1()).public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "kid": "k", "x": b64(numbers.x.to_bytes(32)), "y": b64(numbers.y.to_bytes(32))}
    assert read_public_keys({"keys": [jwk]}) == {}
