"""From the Authorization header to a principal, with real keys, tokens and rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from tests.conftest import Servers
from tests.gateway.forge import AUDIENCE, OWN, PARTNER, SECONDS, Forge
from tests.services.fresh_database import fresh_database, make_ledger
from zerosum.db.credentials.api_keys import ApiKeyRecord
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.schema.tables import signing_keys as signing_keys_table
from zerosum.domain.errors import Unauthenticated
from zerosum.domain.identifiers import SERVICE_LEDGER, ApiKeyId, LedgerId
from zerosum.gateway.identity.authentication import REMEMBERED_MAX, REMEMBERED_SECONDS_MAX, Authenticator
from zerosum.gateway.identity.issuer_keys import configured_keys, own_keys, secret_key
from zerosum.gateway.identity.principal import Principal, Scope
from zerosum.gateway.identity.tokens import UNAUTHENTICATED_DETAIL, TokenSigner, TokenVerifier
from zerosum.gateway.identity.trusted_issuers import TrustedIssuer
from zerosum.services.credentials import api_key_text
from zerosum.services.credentials.api_keys import ApiKeys
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.credentials.signing_keys import KEPT_AFTER_USE, PUBLISHED_BEFORE_USE, SigningKeys
from zerosum.services.ledgers import Ledgers
from zerosum.services.requests.paging import Cursors

PEPPER = bytes(range(32))


class Service:
    """The parts of an installation that have to do with credentials, and a clock that tests move."""

    def __init__(self, database: Database) -> None:
        self.seconds = float(SECONDS)
        self.look_ups = 0
        self.sealer = Sealer(database, MasterKeys("m", {"m": bytes(32)}), self.now)
        self.signing_keys = SigningKeys(database, self.sealer)
        self.api_keys = CountingApiKeys(self, database)
        self.signer = TokenSigner(self.signing_keys, issuer=OWN, audience=AUDIENCE, now=self.now)
        self.ledgers = Ledgers(database, self.api_keys, Cursors(b"c" * 32), self.now)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def authenticator(self, *others: TrustedIssuer) -> Authenticator:
        keys = own_keys(self.signing_keys, self.now)
        own = TrustedIssuer(issuer=OWN, audience=AUDIENCE, keys=keys, is_own=True)
        return Authenticator(self.api_keys, TokenVerifier([own, *others], self.now), self.ledgers, self.now)

    async def key(self, ledger_id: LedgerId, expires_at: datetime | None = None) -> tuple[ApiKeyId, bytes]:
        record, text = await self.api_keys.create(ledger_id, "till", ["payments:write", "reports:read"], expires_at)
        return record.id, f"Bearer {text}".encode()

    async def token(self, ledger_id: LedgerId, key_id: ApiKeyId, lifetime_seconds: int = 900) -> bytes:
        token = await self.signer.issue(
            ledger_id=ledger_id, key_id=key_id, scopes=[Scope.PAYMENTS_WRITE], lifetime_seconds=lifetime_seconds
        )
        return f"Bearer {token}".encode()


class CountingApiKeys(ApiKeys):
    def __init__(self, service: Service, database: Database) -> None:
        super().__init__(database, PEPPER, service.now)
        self._service = service

    async def authenticate(self, text: str):  # type: ignore[no-untyped-def]
        self._service.look_ups += 1
        return await super().authenticate(text)

    async def find_active(self, ledger_id: LedgerId, key_id: ApiKeyId) -> ApiKeyRecord | None:
        self._service.look_ups += 1
        return await super().find_active(ledger_id, key_id)


@pytest.fixture(scope="module")
async def own_database(servers: Servers) -> AsyncIterator[Database]:
    async with fresh_database(servers) as database:
        yield database


@pytest.fixture
async def service(own_database: Database) -> Service:
    async with own_database.work(SERVICE_LEDGER) as connection:
        await connection.execute(delete(signing_keys_table).where(signing_keys_table.c.ledger_id == SERVICE_LEDGER))
    return Service(own_database)


@pytest.fixture
async def ledger(own_database: Database) -> LedgerId:
    return await make_ledger(own_database)


@pytest.fixture(scope="module")
def forge() -> Forge:
    return Forge()


# --- What is accepted -------------------------------------------------------------------------------------------------


async def test_an_api_key_makes_a_principal(service: Service, ledger: LedgerId) -> None:
    key_id, header = await service.key(ledger)
    assert await service.authenticator().authenticate([header], 0.0) == Principal(
        ledger, f"key_{key_id}", frozenset({Scope.PAYMENTS_WRITE, Scope.REPORTS_READ}), f"{ledger}:key_{key_id}"
    )


async def test_a_token_acts_as_the_key_it_was_issued_to_with_its_own_scopes(service: Service, ledger: LedgerId) -> None:
    key_id, _ = await service.key(ledger)
    header = await service.token(ledger, key_id)
    assert await service.authenticator().authenticate([header], 0.0) == Principal(
        ledger, f"key_{key_id}", frozenset({Scope.PAYMENTS_WRITE}), f"{ledger}:key_{key_id}"
    )


async def test_the_caller_of_a_principal_bears_its_ledger_and_actor(service: Service, ledger: LedgerId) -> None:
    key_id, header = await service.key(ledger)
    caller = (await service.authenticator().authenticate([header], 0.0)).caller
    assert (caller.ledger_id, caller.actor) == (ledger, f"key_{key_id}")


async def test_a_token_of_another_issuer_acts_under_both_names(
    service: Service, ledger: LedgerId, forge: Forge
) -> None:
    issuer = TrustedIssuer(issuer=PARTNER, audience=AUDIENCE, keys=secret_key(bytes(range(100, 148))))
    token = forge.hs256({"alg": "HS256"}, forge.claims(iss=PARTNER, ledger=f"led_{ledger}", scope="admin"))
    principal = await service.authenticator(issuer).authenticate([f"Bearer {token}".encode()], 0.0)
    assert (principal.ledger_id, principal.actor, principal.scopes) == (
        ledger,
        "partner|alice",
        frozenset({Scope.ADMIN}),
    )


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
async def test_the_scheme_is_compared_without_case(service: Service, ledger: LedgerId, scheme: bytes) -> None:
    _, header = await service.key(ledger)
    assert await service.authenticator().authenticate([scheme + header[6:]], 0.0)


# --- What is refused --------------------------------------------------------------------------------------------------


HEADERS: dict[str, Callable[[bytes], list[bytes]]] = {
    "no header": lambda _: [],
    "two headers": lambda good: [good, good],
    "a good and an empty one": lambda good: [good, b""],
    "empty": lambda _: [b""],
    "the scheme alone": lambda _: [b"Bearer"],
    "the scheme and a space": lambda _: [b"Bearer "],
    "no scheme": lambda good: [good[7:]],
    "Basic": lambda good: [b"Basic " + good[7:]],
    "Bearer twice": lambda good: [b"Bearer " + good],
    "a tab": lambda good: [good.replace(b" ", b"\t")],
    "a no-break space": lambda good: [good.replace(b" ", b"\xa0")],
    "a space before": lambda good: [b" " + good],
    "a space after": lambda good: [good + b" "],
    "a line break after": lambda good: [good + b"\n"],
    "a NUL after": lambda good: [good + b"\x00"],
    "a comma and more": lambda good: [good + b", " + good],
    "a comma": lambda good: [good + b","],
    "quoted": lambda good: [b'Bearer "' + good[7:] + b'"'],
    "Latin-1": lambda good: [good + b"\xe4"],
    "UTF-8": lambda good: [good + "ä".encode()],
    "10 kB": lambda good: [good + b"A" * 10_000],
    "1 MB": lambda _: [b"Bearer " + b"A" * 1_000_000],
    "another prefix": lambda good: [good.replace(b"zsk_", b"ZSK_")],
    "cut": lambda good: [good[:-1]],
    "a character more": lambda good: [good + b"A"],
    "a character changed": lambda good: [good[:-1] + (b"A" if good[-1:] != b"A" else b"B")],
}


@pytest.mark.parametrize("name", HEADERS)
async def test_any_other_header_is_refused_in_one_and_the_same_way(
    service: Service, ledger: LedgerId, name: str
) -> None:
    _, header = await service.key(ledger)
    authenticator = service.authenticator()
    for _ in range(2):
        with pytest.raises(Unauthenticated) as refusal:
            await authenticator.authenticate(HEADERS[name](header), 0.0)
        assert refusal.value.detail == UNAUTHENTICATED_DETAIL
        assert refusal.value.facts == {}


async def test_several_blanks_after_the_scheme_are_fine(service: Service, ledger: LedgerId) -> None:
    """RFC 9110, 11.4: one blank or more."""
    _, header = await service.key(ledger)
    principal = await service.authenticator().authenticate([header.replace(b"Bearer ", b"bearer   ")], 0.0)
    assert principal.ledger_id == ledger


async def test_a_bad_header_is_refused_even_when_the_good_one_is_remembered(service: Service, ledger: LedgerId) -> None:
    _, header = await service.key(ledger)
    authenticator = service.authenticator()
    await authenticator.authenticate([header], 0.0)
    for make in HEADERS.values():
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(make(header), 0.0)


async def test_a_token_of_another_issuer_for_a_ledger_that_does_not_exist_is_refused(
    service: Service, forge: Forge
) -> None:
    issuer = TrustedIssuer(issuer=PARTNER, audience=AUDIENCE, keys=secret_key(bytes(range(100, 148))))
    token = forge.hs256({"alg": "HS256"}, forge.claims(iss=PARTNER, ledger=f"led_{new_uuid()}"))
    with pytest.raises(Unauthenticated):
        await service.authenticator(issuer).authenticate([f"Bearer {token}".encode()], 0.0)


async def test_a_token_for_a_key_of_another_ledger_is_refused(
    service: Service, own_database: Database, ledger: LedgerId
) -> None:
    key_id, _ = await service.key(ledger)
    header = await service.token(await make_ledger(own_database), key_id)
    with pytest.raises(Unauthenticated):
        await service.authenticator().authenticate([header], 0.0)


async def test_a_token_under_another_installations_keys_is_refused(
    service: Service, ledger: LedgerId, forge: Forge
) -> None:
    key_id, _ = await service.key(ledger)
    await service.signing_keys.ensure(service.now())
    token = forge.own_token(sub=f"key_{key_id}", client_id=f"key_{key_id}", ledger=f"led_{ledger}")
    with pytest.raises(Unauthenticated):
        await service.authenticator().authenticate([f"Bearer {token}".encode()], 0.0)


# --- What is remembered, and for how long -----------------------------------------------------------------------------


async def test_a_good_credential_is_looked_up_once_in_five_seconds(service: Service, ledger: LedgerId) -> None:
    key_id, api_key = await service.key(ledger)
    for header in (api_key, await service.token(ledger, key_id)):
        service.look_ups = 0
        authenticator = service.authenticator()
        assert authenticator.find_cached(header, 100.0) is None
        principal = await authenticator.authenticate([header], 100.0)
        assert authenticator.find_cached(header, 103.999) == principal
        assert await authenticator.authenticate([header], 103.999) == principal
        assert service.look_ups == 1
        assert authenticator.find_cached(header, 105.0) is None
        assert await authenticator.authenticate([header], 105.0) == principal
        assert service.look_ups == 2


async def test_a_credential_in_use_is_looked_up_anew_before_it_is_forgotten_and_nobody_waits(
    service: Service, ledger: LedgerId
) -> None:
    _, header = await service.key(ledger)
    authenticator = service.authenticator()
    principal = await authenticator.authenticate([header], 100.0)
    for _ in range(3):
        assert authenticator.find_cached(header, 104.2) == principal
    await asyncio.gather(*authenticator._running.values())
    assert service.look_ups == 2
    assert authenticator.find_cached(header, 108.1) == principal
    assert service.look_ups == 2
    assert authenticator.find_cached(header, 109.2) is None


async def test_a_credential_that_is_found_revoked_in_time_is_forgotten_at_once(
    service: Service, ledger: LedgerId
) -> None:
    key_id, header = await service.key(ledger)
    authenticator = service.authenticator()
    principal = await authenticator.authenticate([header], 100.0)
    await service.api_keys.revoke(key_id)
    assert authenticator.find_cached(header, 104.2) == principal
    await asyncio.gather(*authenticator._running.values(), return_exceptions=True)
    assert authenticator.find_cached(header, 104.3) is None


async def test_a_revoked_key_and_its_tokens_are_refused_within_five_seconds(service: Service, ledger: LedgerId) -> None:
    key_id, api_key = await service.key(ledger)
    headers = [api_key, await service.token(ledger, key_id)]
    authenticator = service.authenticator()
    for header in headers:
        await authenticator.authenticate([header], 0.0)
    await service.api_keys.revoke(key_id)
    for header in headers:
        assert authenticator.find_cached(header, REMEMBERED_SECONDS_MAX) is None
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate([header], REMEMBERED_SECONDS_MAX)


async def test_a_token_is_never_remembered_past_its_expiry(service: Service, ledger: LedgerId) -> None:
    key_id, _ = await service.key(ledger)
    header = await service.token(ledger, key_id, lifetime_seconds=3)
    authenticator = service.authenticator()
    assert await authenticator.authenticate([header], 0.0)
    for seconds in (0.0, 2.5, 2.999):
        assert authenticator.find_cached(header, seconds) is not None
    assert not authenticator._running, "what ends by itself is not looked up with each request of its last second"
    assert authenticator.find_cached(header, 3.0) is None
    service.seconds += 20  # within the leeway, in which it is accepted but not remembered
    assert await authenticator.authenticate([header], 20.0)
    assert authenticator.find_cached(header, 20.0) is None


async def test_an_api_key_is_never_remembered_past_its_expiry(service: Service, ledger: LedgerId) -> None:
    _, header = await service.key(ledger, service.now() + timedelta(seconds=2))
    authenticator = service.authenticator()
    assert await authenticator.authenticate([header], 0.0)
    assert authenticator.find_cached(header, 1.999) is not None
    assert authenticator.find_cached(header, 2.0) is None


async def test_requests_at_once_with_one_credential_share_a_look_up(service: Service, ledger: LedgerId) -> None:
    _, header = await service.key(ledger)
    authenticator = service.authenticator()
    found = await asyncio.gather(*(authenticator.authenticate([header], 0.0) for _ in range(50)))
    assert len(set(found)) == 1
    assert service.look_ups == 1


async def test_a_request_that_goes_away_does_not_take_the_look_up_of_others_with_it(
    service: Service, ledger: LedgerId
) -> None:
    _, header = await service.key(ledger)
    authenticator = service.authenticator()
    first = asyncio.create_task(authenticator.authenticate([header], 0.0))
    second = asyncio.create_task(authenticator.authenticate([header], 0.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert service.look_ups == 1


async def test_a_bad_credential_whose_callers_have_gone_away_leaves_nothing_behind(
    service: Service, ledger: LedgerId
) -> None:
    authenticator = service.authenticator()
    header = f"Bearer {api_key_text.make(ledger, ApiKeyId(new_uuid()))}".encode()
    caller = asyncio.create_task(authenticator.authenticate([header], 0.0))
    await asyncio.sleep(0)
    caller.cancel()
    while authenticator._running:
        await asyncio.sleep(0.01)
    assert authenticator.find_cached(header, 0.0) is None


async def test_closing_ends_what_runs(service: Service, ledger: LedgerId) -> None:
    _, header = await service.key(ledger)
    authenticator = service.authenticator()
    caller = asyncio.create_task(authenticator.authenticate([header], 0.0))
    await asyncio.sleep(0)
    await authenticator.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not authenticator._running


async def test_a_refusal_is_never_remembered_as_good(service: Service, ledger: LedgerId) -> None:
    header = f"Bearer {api_key_text.make(ledger, ApiKeyId(new_uuid()))}".encode()
    authenticator = service.authenticator()
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate([header], 0.0)
    assert authenticator.find_cached(header, 0.0) is None


async def test_what_is_remembered_is_bounded(service: Service, ledger: LedgerId) -> None:
    authenticator = service.authenticator()
    principal = Principal(ledger, "key", frozenset(), "key")
    for number in range(REMEMBERED_MAX + 10):
        authenticator._remember(number.to_bytes(32), principal, None, 0.0)
    assert len(authenticator._remembered) == REMEMBERED_MAX
    assert (0).to_bytes(32) not in authenticator._remembered


async def test_no_credential_is_kept_in_memory(service: Service, ledger: LedgerId) -> None:
    _, header = await service.key(ledger)
    authenticator = service.authenticator()
    await authenticator.authenticate([header], 0.0)
    assert header[7:].decode() not in repr(vars(authenticator))


# --- Rotation of the signing keys -------------------------------------------------------------------------------------


async def test_no_good_token_is_refused_while_the_signing_key_changes(service: Service, ledger: LedgerId) -> None:
    """Tokens of an hour, one every minute, each tried every minute of its life by a second process."""
    key_id, _ = await service.key(ledger)
    start = service.seconds
    authenticator = service.authenticator()
    living: list[tuple[float, bytes]] = []
    kids: set[str] = set()
    checks = 0
    for minute in range(150):
        service.seconds = start + 60 * minute
        if minute in (10, 40):
            await service.signing_keys.rotate(service.now())
        kids.add((await service.signing_keys.current(service.now())).kid)
        living.append((service.seconds + 3600, await service.token(ledger, key_id, 3600)))
        living = [(expires_at, token) for expires_at, token in living if expires_at > service.seconds]
        for _, token in living[:: max(1, len(living) // 6)]:
            assert await authenticator.authenticate([token], service.seconds)
            checks += 1
    assert len(kids) == 3
    assert checks > 800


async def test_a_token_of_the_old_key_is_refused_after_the_overlap(
    service: Service, own_database: Database, ledger: LedgerId, forge: Forge
) -> None:
    """Even one that claims to live longer: the old private key may have been stolen meanwhile."""
    key_id, _ = await service.key(ledger)
    kid, stolen = await service.signing_keys.current(service.now())
    authenticator = service.authenticator()
    await authenticator.authenticate([await service.token(ledger, key_id)], service.seconds)
    await service.signing_keys.rotate(service.now())
    after = (PUBLISHED_BEFORE_USE + KEPT_AFTER_USE).total_seconds()

    def stolen_token() -> bytes:
        now = int(service.seconds)
        claims = forge.own_claims(
            sub=f"key_{key_id}", client_id=f"key_{key_id}", ledger=f"led_{ledger}", iat=now, exp=now + 600
        )
        return f"Bearer {forge.es256(forge.own_header(kid=kid), claims, stolen)}".encode()

    service.seconds += after - 1
    assert await authenticator.authenticate([stolen_token()], service.seconds)
    service.seconds += 120
    await authenticator.authenticate([await service.token(ledger, key_id)], service.seconds)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate([stolen_token()], service.seconds)


async def test_a_configured_issuer_and_our_own_live_side_by_side(
    service: Service, ledger: LedgerId, forge: Forge
) -> None:
    provider = TrustedIssuer(issuer="https://login.example", audience=AUDIENCE, keys=configured_keys(forge.jwks))
    key_id, _ = await service.key(ledger)
    authenticator = service.authenticator(provider)
    theirs = f"Bearer {forge.provider_token(ledger=f'led_{ledger}')}".encode()
    for header in (theirs, await service.token(ledger, key_id)):
        assert (await authenticator.authenticate([header], 0.0)).ledger_id == ledger
