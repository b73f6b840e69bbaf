"""The token endpoint by the letter of RFC 6749."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.conftest import Servers
from tests.gateway.test_authentication import Service
from tests.services.fresh_database import fresh_database, make_ledger
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.oauth import OAuthError, TokenEndpoint, TokenGrant
from zerosum.gateway.identity.principal import Scope

Form = dict[str, list[str]]


@pytest.fixture(scope="module")
async def own_database(servers: Servers) -> AsyncIterator[Database]:
    async with fresh_database(servers) as database:
        yield database


@pytest.fixture
def service(own_database: Database) -> Service:
    return Service(own_database)


@pytest.fixture
def endpoint(service: Service) -> TokenEndpoint:
    return TokenEndpoint(service.api_keys, service.signer, service.now)


@pytest.fixture
async def ledger(own_database: Database) -> LedgerId:
    return await make_ledger(own_database)


@pytest.fixture
async def client(service: Service, ledger: LedgerId) -> tuple[str, str]:
    key_id, header = await service.key(ledger)
    return f"key_{key_id}", header[7:].decode()


def form(client: tuple[str, str], **changes: list[str]) -> Form:
    members = {"grant_type": ["client_credentials"], "client_id": [client[0]], "client_secret": [client[1]]}
    return {name: values for name, values in {**members, **changes}.items() if values != ["-"]}


def basic(client: tuple[str, str]) -> bytes:
    return b"Basic " + base64.b64encode(":".join(client).encode())


def expect_error(answer: TokenGrant | OAuthError, code: str, status: int) -> OAuthError:
    assert isinstance(answer, OAuthError)
    assert (answer.members()["error"], answer.status) == (code, status)
    assert answer.headers()["Cache-Control"] == "no-store"
    return answer


async def test_a_client_gets_a_token_with_which_it_is_authenticated(
    endpoint: TokenEndpoint, service: Service, client: tuple[str, str]
) -> None:
    answer = await endpoint.grant(form(client), None)
    assert isinstance(answer, TokenGrant)
    assert answer.members() == {
        "access_token": answer.access_token,
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "payments:write reports:read",
    }
    assert answer.headers() == {"Cache-Control": "no-store", "Pragma": "no-cache"}
    principal = await service.authenticator().authenticate([f"Bearer {answer.access_token}".encode()], 0.0)
    assert principal.actor == client[0]
    assert principal.scopes == {Scope.PAYMENTS_WRITE, Scope.REPORTS_READ}


async def test_a_client_may_authenticate_with_basic(endpoint: TokenEndpoint, client: tuple[str, str]) -> None:
    answer = await endpoint.grant({"grant_type": ["client_credentials"]}, basic(client))
    assert isinstance(answer, TokenGrant)


@pytest.mark.parametrize("scheme", [b"basic ", b"BASIC "])
async def test_the_scheme_is_compared_without_case(
    endpoint: TokenEndpoint, client: tuple[str, str], scheme: bytes
) -> None:
    answer = await endpoint.grant({"grant_type": ["client_credentials"]}, scheme + basic(client)[6:])
    assert isinstance(answer, TokenGrant)


async def test_basic_credentials_are_form_encoded(endpoint: TokenEndpoint, client: tuple[str, str]) -> None:
    encoded = (client[0].replace("_", "%5F"), client[1].replace("_", "%5f"))
    assert isinstance(await endpoint.grant({"grant_type": ["client_credentials"]}, basic(encoded)), TokenGrant)


async def test_the_same_client_id_may_stand_in_the_body_beside_basic(
    endpoint: TokenEndpoint, client: tuple[str, str]
) -> None:
    assert isinstance(await endpoint.grant(form(client, client_secret=["-"]), basic(client)), TokenGrant)
    other = form(client, client_secret=["-"], client_id=[f"key_{new_uuid()}"])
    expect_error(await endpoint.grant(other, basic(client)), "invalid_request", 400)


async def test_two_ways_to_authenticate_at_once_are_refused(endpoint: TokenEndpoint, client: tuple[str, str]) -> None:
    expect_error(await endpoint.grant(form(client), basic(client)), "invalid_request", 400)


@pytest.mark.parametrize("name", ["grant_type", "client_id", "client_secret", "scope", "unknown"])
async def test_a_parameter_given_twice_is_refused(endpoint: TokenEndpoint, client: tuple[str, str], name: str) -> None:
    members = form(client)
    members[name] = [*members.get(name, ["x"]), "x"]
    expect_error(await endpoint.grant(members, None), "invalid_request", 400)


async def test_an_unknown_parameter_is_ignored(endpoint: TokenEndpoint, client: tuple[str, str]) -> None:
    assert isinstance(await endpoint.grant(form(client, resource=["x"]), None), TokenGrant)


@pytest.mark.parametrize("grant_type", [["-"], [""], []])
async def test_a_missing_grant_type_is_an_invalid_request(
    endpoint: TokenEndpoint, client: tuple[str, str], grant_type: list[str]
) -> None:
    expect_error(await endpoint.grant(form(client, grant_type=grant_type), None), "invalid_request", 400)


@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "refresh_token", "CLIENT_CREDENTIALS"])
async def test_another_grant_is_not_supported(
    endpoint: TokenEndpoint, client: tuple[str, str], grant_type: str
) -> None:
    answer = await endpoint.grant(form(client, grant_type=[grant_type]), None)
    expect_error(answer, "unsupported_grant_type", 400)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": ["-"]},
        {"client_secret": ["-"]},
        {"client_secret": [""]},
        {"client_secret": ["secret"]},
        {"client_secret": ["zsk_" + "A" * 88]},
        {"client_secret": ["\ud800"]},
        {"client_id": ["key_01890000-0000-7000-8000-000000000009"]},
        {"client_id": ["alice"]},
    ],
)
async def test_a_client_that_is_not_who_it_says_is_refused(
    endpoint: TokenEndpoint, client: tuple[str, str], changes: dict[str, list[str]]
) -> None:
    answer = expect_error(await endpoint.grant(form(client, **changes), None), "invalid_client", 401)
    assert "WWW-Authenticate" not in answer.headers()


async def test_one_clients_id_with_anothers_secret_is_refused(
    endpoint: TokenEndpoint, service: Service, ledger: LedgerId, client: tuple[str, str]
) -> None:
    _, other = await service.key(ledger)
    answer = await endpoint.grant(form((client[0], other[7:].decode())), None)
    expect_error(answer, "invalid_client", 401)


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        b"Basic",
        b"Basic ",
        b"Basic !!!",
        b"Basic a2V5",
        b"Basic " + base64.b64encode(b"key:\xff"),
        b"Basic " + base64.b64encode(b"a:b") + b" x",
        b"Basic " + b"A" * 100_000,
        b"Bearer token",
        b"Digest x",
        b"\xff",
    ],
)
async def test_a_client_that_tried_the_header_is_told_the_scheme(endpoint: TokenEndpoint, authorization: bytes) -> None:
    answer = await endpoint.grant({"grant_type": ["client_credentials"]}, authorization)
    assert expect_error(answer, "invalid_client", 401).headers()["WWW-Authenticate"] == 'Basic realm="zerosum"'


async def test_a_revoked_client_is_refused(endpoint: TokenEndpoint, service: Service, ledger: LedgerId) -> None:
    key_id, header = await service.key(ledger)
    await service.api_keys.revoke(key_id)
    answer = await endpoint.grant(form((f"key_{key_id}", header[7:].decode())), None)
    expect_error(answer, "invalid_client", 401)


async def test_a_client_may_ask_for_less(endpoint: TokenEndpoint, service: Service, client: tuple[str, str]) -> None:
    answer = await endpoint.grant(form(client, scope=["reports:read"]), None)
    assert isinstance(answer, TokenGrant)
    assert answer.scope == "reports:read"
    principal = await service.authenticator().authenticate([f"Bearer {answer.access_token}".encode()], 0.0)
    assert principal.scopes == {Scope.REPORTS_READ}


async def test_a_scope_without_a_value_counts_as_left_out(endpoint: TokenEndpoint, client: tuple[str, str]) -> None:
    answer = await endpoint.grant(form(client, scope=[""]), None)
    assert isinstance(answer, TokenGrant)
    assert answer.scope == "payments:write reports:read"


@pytest.mark.parametrize(
    "scope",
    [
        "admin",
        "reports:read admin",
        "reports:read unknown",
        "REPORTS:READ",
        " reports:read",
        "reports:read ",
        "reports:read  payments:write",
        "reports:read\tpayments:write",
        "reports:read,payments:write",
        '"reports:read"',
        "\ud800",
    ],
)
async def test_a_scope_that_is_malformed_or_too_wide_is_refused(
    endpoint: TokenEndpoint, client: tuple[str, str], scope: str
) -> None:
    expect_error(await endpoint.grant(form(client, scope=[scope]), None), "invalid_scope", 400)


async def test_the_lifetime_is_the_endpoints(service: Service, client: tuple[str, str]) -> None:
    answer = await TokenEndpoint(service.api_keys, service.signer, service.now, 60).grant(form(client), None)
    assert isinstance(answer, TokenGrant)
    assert answer.expires_in == 60


@pytest.mark.parametrize(("seconds", "expires_in"), [(100.0, 100), (99.9, 99), (0.5, 1), (5000.0, 900)])
async def test_a_token_does_not_outlive_its_key(
    endpoint: TokenEndpoint, service: Service, ledger: LedgerId, seconds: float, expires_in: int
) -> None:
    key_id, header = await service.key(ledger, service.now() + timedelta(seconds=seconds))
    answer = await endpoint.grant(form((f"key_{key_id}", header[7:].decode())), None)
    assert isinstance(answer, TokenGrant)
    assert answer.expires_in == expires_in


@pytest.mark.parametrize("lifetime_seconds", [0, -1, 3601])
async def test_no_token_lives_longer_than_its_signing_key_is_published(
    service: Service, ledger: LedgerId, lifetime_seconds: int
) -> None:
    with pytest.raises(ValueError, match="TOKEN_LIFETIME_MAX"):
        TokenEndpoint(service.api_keys, service.signer, service.now, lifetime_seconds)
    key_id, _ = await service.key(ledger)
    with pytest.raises(ValueError, match="TOKEN_LIFETIME_MAX"):
        await service.token(ledger, key_id, lifetime_seconds)


async def test_the_description_of_an_error_is_plain_and_repeats_nothing(
    endpoint: TokenEndpoint, client: tuple[str, str]
) -> None:
    answers = [
        await endpoint.grant(form(client, scope=["<script>"]), None),
        await endpoint.grant(form(client, grant_type=["<script>"]), None),
        await endpoint.grant(form(client, client_id=["<script>"]), None),
    ]
    for answer in answers:
        assert isinstance(answer, OAuthError)
        description = answer.members()["error_description"]
        assert "script" not in description
        # RFC 6749, section 5.2: no quotation marks, backslashes or control characters.
        assert all(" " <= character <= "~" and character not in '"\\' for character in description)
