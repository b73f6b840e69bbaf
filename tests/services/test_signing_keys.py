"""Keys that sign tokens, and how one takes over from another."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete

from tests.conftest import Servers
from tests.services.fresh_database import fresh_database
from zerosum.db.credentials.signing_keys import SigningKeyRecord, list_signing_keys
from zerosum.db.engine import Database
from zerosum.db.schema.tables import signing_keys
from zerosum.domain.errors import InvalidState
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.credentials import signing_key_pair
from zerosum.services.credentials.envelope import MasterKeys, SealBroken
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.credentials.signing_keys import (
    KEPT_AFTER_USE,
    KEYS_MAX,
    PUBLISHED_BEFORE_USE,
    READ_AGAIN_AFTER,
    REPLACED_AFTER,
    TOKEN_LIFETIME_MAX,
    SigningKeys,
)

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MASTERS = MasterKeys("m", {"m": bytes(range(32))})


@pytest.fixture(scope="module")
async def own_database(servers: Servers) -> AsyncIterator[Database]:
    async with fresh_database(servers) as database:
        yield database


@pytest.fixture
async def keys(own_database: Database) -> SigningKeys:
    """Of an installation that has no signing key yet."""
    async with own_database.work(SERVICE_LEDGER) as connection:
        await connection.execute(delete(signing_keys).where(signing_keys.c.ledger_id == SERVICE_LEDGER))
    return process(own_database)


def process(database: Database) -> SigningKeys:
    """As another process of the installation sees the keys."""
    return SigningKeys(database, Sealer(database, MASTERS, lambda: START))


async def stored(database: Database, now: datetime) -> list[SigningKeyRecord]:
    async with database.work(SERVICE_LEDGER) as connection:
        return await list_signing_keys(connection, now)


async def published(keys: SigningKeys, now: datetime) -> list[str]:
    return [jwk["kid"] for jwk in (await keys.public_jwks(now, is_fresh=True))["keys"]]


async def test_the_very_first_key_signs_at_once(keys: SigningKeys) -> None:
    await keys.ensure(START)
    assert await published(keys, START) == [(await keys.current(START)).kid]


async def test_whoever_needs_a_key_first_makes_it(keys: SigningKeys) -> None:
    kid, private_key = await keys.current(START)
    assert await published(keys, START) == [kid]
    assert isinstance(private_key.curve, ec.SECP256R1)


async def test_ensuring_again_changes_nothing(keys: SigningKeys, own_database: Database) -> None:
    await keys.ensure(START)
    before = await stored(own_database, START)
    await keys.ensure(START + REPLACED_AFTER - SECOND)
    assert await stored(own_database, START) == before


async def test_the_published_key_is_a_jwk_named_by_its_thumbprint(keys: SigningKeys) -> None:
    await keys.ensure(START)
    (jwk,) = (await keys.public_jwks(START))["keys"]
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (jwk["kty"], jwk["crv"], jwk["use"], jwk["alg"]) == ("EC", "P-256", "sig", "ES256")
    required = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    digest = hashlib.sha256(required.encode()).digest()
    assert jwk["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_thumbprint_is_the_one_of_rfc_7638() -> None:
    """The example of its section 3.1, whose key is RSA; the rule is the same."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    members = {"e": "AQAB", "kty": "RSA", "n": modulus}
    assert signing_key_pair.thumbprint(members) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


async def test_coordinates_keep_their_leading_zeros() -> None:
    for secret in range(1, 600):
        pair = signing_key_pair.key_pair(ec.derive_private_key(secret, ec.SECP256R1()))
        assert {len(pair.public_jwk["x"]), len(pair.public_jwk["y"])} == {43}


async def test_the_private_key_is_sealed_in_its_row(keys: SigningKeys, own_database: Database) -> None:
    kid, private_key = await keys.current(START)
    (record,) = await stored(own_database, START)
    assert record.sealed_private_key.startswith("v1|")
    assert record.sealed_private_key not in repr(record)
    secret = private_key.private_numbers().private_value.to_bytes(32, "big")
    assert base64.urlsafe_b64encode(secret)[:20].decode() not in record.sealed_private_key
    with pytest.raises(SealBroken):
        await Sealer(own_database, MASTERS, lambda: START).open(
            SERVICE_LEDGER,
            record.sealed_private_key,
            table="signing_keys",
            column="sealed_private_key",
            row_id=kid + "x",
        )


async def test_all_processes_sign_with_one_key(keys: SigningKeys, own_database: Database) -> None:
    kid, private_key = await keys.current(START)
    other_kid, other_key = await process(own_database).current(START)
    assert other_kid == kid
    assert other_key.private_numbers() == private_key.private_numbers()


async def test_several_processes_that_start_at_once_make_one_key(keys: SigningKeys, own_database: Database) -> None:
    processes = [process(own_database) for _ in range(8)]
    await asyncio.gather(*(each.ensure(START) for each in processes))
    assert len(await stored(own_database, START)) == 1
    await asyncio.gather(*(each.ensure(START + REPLACED_AFTER) for each in processes))
    assert len(await stored(own_database, START)) == 2


async def test_a_process_whose_clock_is_behind_signs_with_the_first_key(
    keys: SigningKeys, own_database: Database
) -> None:
    await keys.ensure(START)
    assert (await process(own_database).current(START - 2 * SECOND)).kid == (await keys.current(START)).kid


async def test_the_next_key_is_published_before_it_signs(keys: SigningKeys) -> None:
    first = (await keys.current(START)).kid
    due = START + REPLACED_AFTER
    await keys.ensure(due)
    first_again, second = await published(keys, due)
    assert first_again == first
    assert (await keys.current(due)).kid == first
    assert (await keys.current(due + PUBLISHED_BEFORE_USE - SECOND)).kid == first
    assert (await keys.current(due + PUBLISHED_BEFORE_USE)).kid == second


async def test_the_old_key_is_published_until_its_last_token_has_expired(
    keys: SigningKeys, own_database: Database
) -> None:
    first = (await keys.current(START)).kid
    second = await keys.rotate(START)
    end = START + PUBLISHED_BEFORE_USE + KEPT_AFTER_USE
    assert end > START + PUBLISHED_BEFORE_USE + TOKEN_LIFETIME_MAX
    assert await published(keys, end - SECOND) == [first, second]
    assert await published(keys, end) == [second]
    await keys.ensure(end)
    assert [record.id for record in await stored(own_database, START)] == [second]


async def test_a_later_rotation_does_not_prolong_a_key_that_is_on_its_way_out(
    keys: SigningKeys, own_database: Database
) -> None:
    await keys.ensure(START)
    await keys.rotate(START)
    first = (await stored(own_database, START))[0]
    await keys.rotate(START + timedelta(minutes=30))
    assert (await stored(own_database, START))[0] == first


async def test_a_forced_rotation_does_not_wait_for_the_age(keys: SigningKeys) -> None:
    await keys.ensure(START)
    second = await keys.rotate(START + SECOND)
    assert (await keys.current(START + SECOND + PUBLISHED_BEFORE_USE)).kid == second


async def test_keys_made_in_a_row_sign_in_the_order_of_their_making(keys: SigningKeys) -> None:
    await keys.ensure(START)
    second = await keys.rotate(START)
    third = await keys.rotate(START - SECOND)  # by a process whose clock is behind
    assert (await published(keys, START))[1:] == [second, third]
    assert (await keys.current(START + PUBLISHED_BEFORE_USE + SECOND)).kid == third


async def test_the_number_of_published_keys_is_bounded(keys: SigningKeys) -> None:
    for _ in range(KEYS_MAX):
        await keys.rotate(START)
    with pytest.raises(InvalidState):
        await keys.rotate(START)


async def test_what_was_read_is_trusted_for_a_bounded_time(keys: SigningKeys, own_database: Database) -> None:
    await keys.ensure(START)
    before = await keys.public_jwks(START)
    second = await process(own_database).rotate(START)
    assert await keys.public_jwks(START + READ_AGAIN_AFTER - SECOND) == before
    after = await keys.public_jwks(START + READ_AGAIN_AFTER)
    assert [jwk["kid"] for jwk in after["keys"]][1:] == [second]


async def test_every_living_token_finds_its_key_published_through_a_hundred_days(
    keys: SigningKeys, own_database: Database
) -> None:
    """Two signers, one with a slow clock, and a reader that looks at the published keys every five minutes."""
    slow = process(own_database)
    living: dict[str, datetime] = {}
    signed: list[str] = []
    now = START
    await keys.ensure(now)
    readable = await published(keys, now)
    while now < START + timedelta(days=100):
        await keys.ensure(now)
        for signer, clock in ((keys, now), (slow, now - 20 * SECOND)):
            kid = (await signer.current(clock)).kid
            assert kid in readable  # as the reader saw them five minutes ago
            living[kid] = now + TOKEN_LIFETIME_MAX
            if kid not in signed:
                signed.append(kid)
        readable = await published(keys, now)
        assert all(kid in readable for kid, expires_at in living.items() if expires_at > now)
        # The hours in which a key changes are walked through; the days between are stepped over.
        is_near_change = (now - START) % REPLACED_AFTER < timedelta(hours=3)
        now += timedelta(minutes=5) if is_near_change else timedelta(hours=12)
    assert len(signed) == 4
