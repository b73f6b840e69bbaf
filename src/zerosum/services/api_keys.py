"""Use cases about API keys: make, list, revoke, and tell whether a presented one is good."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.api_keys import (
    ApiKeyRecord,
    count_api_keys,
    find_api_key,
    insert_api_key,
    list_api_keys,
    revoke_api_key,
)
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.ledgers import find_ledger
from zerosum.domain.errors import ApiKeyNotFound, LedgerNotFound, ValidationFailed
from zerosum.domain.identifiers import ApiKeyId, LedgerId
from zerosum.services import api_key_text
from zerosum.services.quotas import check_quota

PEPPER_BYTES_MIN = 32

REFUSALS_REMEMBERED_MAX = 10_000
REFUSAL_REMEMBERED_FOR = timedelta(seconds=1)
"""How long guesses at one key are refused without asking the database again."""


class ApiKeys:
    """`pepper` is a secret of the installation; without it the stored hashes cannot be tried."""

    def __init__(
        self, database: Database, pepper: bytes, now: Callable[[], datetime], keys_per_ledger_max: int | None = None
    ) -> None:
        if len(pepper) < PEPPER_BYTES_MIN:
            raise ValueError(f"the pepper of API keys needs at least {PEPPER_BYTES_MIN} bytes")
        self._database = database
        self._pepper = pepper
        self._keys_per_ledger_max = keys_per_ledger_max
        self._now = now
        self._refusals = _Refusals()

    async def create(
        self, ledger_id: LedgerId, name: str, scopes: Collection[str], expires_at: datetime | None = None
    ) -> tuple[ApiKeyRecord, str]:
        """The new key and its text, which is kept nowhere and shown once. Raises LedgerNotFound, QuotaExceeded."""
        now = self._now()
        if expires_at is not None and expires_at <= now:
            raise ValidationFailed("The expiry is not in the future.", pointer="/expires_at")
        key_id = ApiKeyId(new_uuid())
        text = api_key_text.make(ledger_id, key_id)
        record = ApiKeyRecord(
            id=key_id,
            ledger_id=ledger_id,
            name=name,
            scopes=tuple(sorted(set(scopes))),
            created_at=now,
            expires_at=expires_at,
        )
        async with self._database.operator_work(ledger_id) as connection:
            if await find_ledger(connection, ledger_id) is None:
                raise LedgerNotFound("There is no such ledger.")
            if self._keys_per_ledger_max is not None:
                check_quota("api_keys", 1 + await count_api_keys(connection, ledger_id, now), self._keys_per_ledger_max)
            await insert_api_key(connection, record, api_key_text.hash_secret(self._pepper, text))
        return record, text

    async def revoke(self, key_id: ApiKeyId) -> ApiKeyRecord:
        """From now on neither the key nor a token issued to it is accepted. Raises ApiKeyNotFound."""
        async with self._database.operator_work() as connection:
            record = await revoke_api_key(connection, key_id, self._now())
        if record is None:
            raise ApiKeyNotFound("There is no such API key.")
        return record

    async def authenticate(self, text: str) -> ApiKeyRecord | None:
        """The key, when `text` is its text and it is active. Costs one look-up, or none for what was just refused."""
        parsed = api_key_text.parse(text)
        if parsed is None:
            return None
        presented = api_key_text.hash_secret(self._pepper, text)
        place = (parsed.ledger_id, parsed.key_id)
        if self._refusals.covers(place, presented, self._now()):
            return None
        async with self._database.work(parsed.ledger_id) as connection:
            found = await find_api_key(connection, parsed.ledger_id, parsed.key_id)
        now = self._now()
        wanted = found[1] if found is not None and found[0].is_active(now) else b""
        # Compared even when nothing was found, so that the time taken does not tell a wrong id from a wrong secret.
        if hmac.compare_digest(presented, wanted or bytes(len(presented))) and wanted and found is not None:
            return found[0]
        self._refusals.remember(place, wanted, now)
        return None

    async def is_active(self, ledger_id: LedgerId, key_id: ApiKeyId) -> bool:
        """Whether tokens issued to this key are still good."""
        async with self._database.work(ledger_id) as connection:
            found = await find_api_key(connection, ledger_id, key_id)
        return found is not None and found[0].is_active(self._now())

    async def list(
        self, ledger_id: LedgerId | None, *, after: UUID | None, limit: int, is_ascending: bool = False
    ) -> Sequence[ApiKeyRecord]:
        """A page of the keys of one ledger, or of all."""
        async with self._database.operator_work() as connection:
            return await list_api_keys(connection, ledger_id, after=after, limit=limit, is_ascending=is_ascending)


class _Refusals:
    """For a moment after a refusal: the only hash that is worth asking the database about this key.

    A guess at the secret of a key in use meets its hash here and costs no query, however many guesses there are, while
    the true key is looked up and accepted as ever. An empty hash stands for a key that no secret can open.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[UUID, UUID], tuple[datetime, bytes]] = {}

    def covers(self, place: tuple[UUID, UUID], presented: bytes, now: datetime) -> bool:
        known = self._found.get(place)
        # The age of a clock that was set back is negative and counts as too old.
        if known is None or not timedelta() <= now - known[0] < REFUSAL_REMEMBERED_FOR:
            return False
        return not hmac.compare_digest(presented, known[1] or bytes(len(presented)))

    def remember(self, place: tuple[UUID, UUID], wanted: bytes, now: datetime) -> None:
        self._found.pop(place, None)  # so that the order of insertion stays the order of age
        while len(self._found) >= REFUSALS_REMEMBERED_MAX:
            del self._found[next(iter(self._found))]
        self._found[place] = (now, wanted)
