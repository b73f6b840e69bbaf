"""The keys that sign access tokens, one taking over from another without a token ever being refused.

A key is made and published, waits until every reader has surely seen it, signs while it is the newest active one, and
stays published until the last token it signed has expired:

    created, published ---- 10 min ----> signs ---- 30 days ----> the next one signs ---- 65 min ----> deleted

A key that somebody may have stolen is withdrawn instead: it is gone at once, with every token it has signed, and
another one signs at once.

Private keys are sealed in PostgreSQL, so that all processes of an installation sign with the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.credentials.signing_keys import SigningKeyRecord as SigningKeyRecord  # shown by the command
from zerosum.db.credentials.signing_keys import (
    bring_expiry_forward,
    delete_expired_signing_keys,
    delete_signing_keys,
    insert_signing_key,
    list_signing_keys,
)
from zerosum.db.engine import Connection, Database
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import InvalidState, NotFound, Unavailable
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.audit import audit_record, audited
from zerosum.services.credentials import signing_key_pair
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.credentials.signing_key_pair import SIGNING_ALGORITHM, SigningKeyPair
from zerosum.services.requests.caller import THE_SERVICE, Caller

PUBLISHED_BEFORE_USE = timedelta(minutes=10)
"""Longer than any reader keeps the published keys: ours some seconds, others five minutes (the HTTP answer says so)."""

REPLACED_AFTER = timedelta(days=30)
"""The age, counted from its first use, at which a key gets a successor."""

TOKEN_LIFETIME_MAX = timedelta(hours=1)
"""No token may live longer, for its key is deleted."""

KEPT_AFTER_USE = TOKEN_LIFETIME_MAX + timedelta(minutes=5)
"""How long a key verifies after its successor has begun to sign: the last token's life, and clocks that differ."""

UNTIL_REPLACED = timedelta(days=3650)
"""The expiry of a key that has no successor yet; making one brings it forward."""

READ_AGAIN_AFTER = timedelta(seconds=2)
"""How long a process trusts what it has read of the keys: so long it may go on with one that was withdrawn."""

_EVER = datetime(1970, 1, 1, tzinfo=UTC)

KEYS_MAX = 16
"""How many may be published at once. Only a person who rotates again and again gets there."""


class CurrentKey(NamedTuple):
    kid: str
    private_key: EllipticCurvePrivateKey


class SigningKeys:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._known: tuple[datetime, Sequence[SigningKeyRecord]] | None = None
        self._opened: SigningKeyPair | None = None

    async def ensure(self, now: datetime) -> None:
        """Make the first key, or the next one when it is time, and delete what has expired.

        For the start of every process and for the worker every few minutes; several at once make one key.
        """
        async with self._database.work(SERVICE_LEDGER) as connection:
            await delete_expired_signing_keys(connection, now)
            known = await list_signing_keys(connection, now)
        if _needs_next(known, now):
            await self._add(now, is_forced=False)

    async def rotate(self, now: datetime, caller: Caller = THE_SERVICE) -> str:
        """Make the next key whatever the age of the present one; its `kid`. It signs after PUBLISHED_BEFORE_USE."""
        return await self._add(now, is_forced=True, caller=caller)

    async def living(self, now: datetime) -> Sequence[SigningKeyRecord]:
        """Every key that has not expired, the next to sign last."""
        return await self._records(now, is_fresh=True)

    async def withdraw(self, kid: str, now: datetime, caller: Caller = THE_SERVICE) -> str:
        """Take a key and all its tokens out of use at once; the `kid` of the one that signs from now on.

        Every process hears of it when it reads the keys again. Raises NotFound.
        """
        pair = signing_key_pair.generate()
        sealed = await self._seal(pair)
        async with self._database.work(SERVICE_LEDGER) as connection:
            await lock_until_commit(connection, "signing keys")
            known = await list_signing_keys(connection, now)
            if kid not in {record.id for record in known}:
                raise NotFound("There is no such signing key: `zerosum keys list` shows those there are.")
            left = [record for record in known if record.id != kid]
            await delete_signing_keys(connection, [kid])
            signing = [record.id for record in left if record.activates_at <= now]
            if not signing:
                # Published at the moment it signs: others who verify our tokens may not know it for some minutes.
                await insert_signing_key(connection, _record_at_once(pair, sealed, left, now))
                signing = [pair.kid]
            facts = {"signs": signing[-1]}
            record = audit_record(AuditType.SIGNING_KEY_WITHDRAWN, caller, now, resource=kid, facts=facts)
            await audited(connection, record)
        self._known = None
        return signing[-1]

    async def forget_all(self, connection: Connection) -> None:
        """Delete every key, where their seals cannot be opened any more. The next process makes a new one."""
        await lock_until_commit(connection, "signing keys")
        await delete_signing_keys(connection, [record.id for record in await list_signing_keys(connection, _EVER)])

    async def public_jwks(self, now: datetime, *, is_fresh: bool = False) -> dict[str, list[dict[str, str]]]:
        """The JSON Web Key Set to publish: keys that will sign, that sign, and that have signed a living token."""
        return {"keys": [record.public_jwk for record in await self._records(now, is_fresh=is_fresh)]}

    async def current(self, now: datetime) -> CurrentKey:
        """The key to sign with."""
        records = await self._records(now)
        if not records:
            await self.ensure(now)
            records = await self._records(now, is_fresh=True)
        if not records:
            raise Unavailable("There is no key to sign tokens with.", retry_after=1)
        active = [record for record in records if record.activates_at <= now]
        # With a clock that is a little behind, the very first key seems to lie in the future.
        pair = await self._open(active[-1] if active else records[0])
        return CurrentKey(pair.kid, pair.private_key)

    async def _add(self, now: datetime, *, is_forced: bool, caller: Caller = THE_SERVICE) -> str:
        """Make a key and store it, unless by then it is no longer needed; the `kid` of the newest one.

        The key is generated and sealed before the transaction, under whose lock the decision is taken once more:
        several processes may come here at once, and all but the first find that the key has been made. (A unique
        constraint could not tell them, for each of their keys has a name of its own.)
        """
        pair = signing_key_pair.generate()
        sealed = await self._seal(pair)
        async with self._database.work(SERVICE_LEDGER) as connection:
            await lock_until_commit(connection, "signing keys")
            known = await list_signing_keys(connection, now)
            if not is_forced and not _needs_next(known, now):
                return known[-1].id
            if len(known) >= KEYS_MAX:
                raise InvalidState("There are as many signing keys as may be published; wait for one to expire.")
            record = _record(pair, sealed, known, now)
            await bring_expiry_forward(connection, record.activates_at + KEPT_AFTER_USE)
            await insert_signing_key(connection, record)
            await audited(connection, audit_record(AuditType.SIGNING_KEY_ROTATED, caller, now, resource=pair.kid))
        self._known = None
        return pair.kid

    async def _seal(self, pair: SigningKeyPair) -> str:
        return await self._sealer.seal(
            SERVICE_LEDGER, pair.private_der(), table="signing_keys", column="sealed_private_key", row_id=pair.kid
        )

    async def _records(self, now: datetime, *, is_fresh: bool = False) -> Sequence[SigningKeyRecord]:
        known = self._known
        # The age of a clock that was set back is negative and counts as too old.
        if is_fresh or known is None or not timedelta() <= now - known[0] < READ_AGAIN_AFTER:
            async with self._database.work(SERVICE_LEDGER) as connection:
                known = (now, await list_signing_keys(connection, now))
            self._known = known
        return [record for record in known[1] if now < record.expires_at]

    async def _open(self, record: SigningKeyRecord) -> SigningKeyPair:
        if self._opened is None or self._opened.kid != record.id:
            private_der = await self._sealer.open(
                SERVICE_LEDGER,
                record.sealed_private_key,
                table="signing_keys",
                column="sealed_private_key",
                row_id=record.id,
            )
            self._opened = signing_key_pair.load(private_der)
        return self._opened


def _needs_next(known: Sequence[SigningKeyRecord], now: datetime) -> bool:
    return not known or known[-1].activates_at <= now - REPLACED_AFTER


def _record_at_once(
    pair: SigningKeyPair, sealed: str, left: Sequence[SigningKeyRecord], now: datetime
) -> SigningKeyRecord:
    """Until the one that is already waiting takes over."""
    waiting = [record.activates_at for record in left if record.activates_at > now]
    record = _record(pair, sealed, (), now)
    return replace(record, expires_at=min([record.expires_at, *(moment + KEPT_AFTER_USE for moment in waiting)]))


def _record(pair: SigningKeyPair, sealed: str, known: Sequence[SigningKeyRecord], now: datetime) -> SigningKeyRecord:
    activates_at = now
    if known:
        # Never before another one, whose turn would otherwise come after this one's.
        activates_at = max(now + PUBLISHED_BEFORE_USE, known[-1].activates_at + timedelta(microseconds=1))
    return SigningKeyRecord(
        id=pair.kid,
        algorithm=SIGNING_ALGORITHM,
        public_jwk=pair.public_jwk,
        sealed_private_key=sealed,
        created_at=now,
        activates_at=activates_at,
        expires_at=activates_at + UNTIL_REPLACED,
    )
