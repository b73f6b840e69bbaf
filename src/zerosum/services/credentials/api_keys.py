"""Use cases about API keys: make, list, revoke, and tell whether a presented one is good."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.credentials.api_keys import (
    ApiKeyRecord as ApiKeyRecord,
)
from zerosum.db.credentials.api_keys import (
    count_api_keys,
    find_api_key,
    insert_api_key,
    list_api_keys,
    lock_api_key,
    people_behind,
    update_revoked,
)
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.ledgers import find_ledger
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import ApiKeyNotFound, Forbidden, LedgerNotFound
from zerosum.domain.identifiers import SERVICE_LEDGER, ApiKeyId, LedgerId, Prefix, render_id
from zerosum.services.audit import AuditRecord, audit_record, audited
from zerosum.services.credentials import api_key_text
from zerosum.services.credentials.key_grants import OPERATOR_SCOPE, Granter, KeyLifetimes, NewKey, granted
from zerosum.services.requests.caller import THE_SERVICE, Caller
from zerosum.services.requests.quotas import check_quota

NO_LIFETIMES = KeyLifetimes()

PEPPER_BYTES_MIN = 32

REFUSALS_REMEMBERED_MAX = 10_000
REFUSAL_REMEMBERED_FOR = timedelta(seconds=1)
"""How long guesses at one key are refused without asking the database again."""


class ApiKeys:
    """`pepper` is a secret of the installation; without it the stored hashes cannot be tried."""

    def __init__(
        self,
        database: Database,
        pepper: bytes,
        now: Callable[[], datetime],
        keys_per_ledger_max: int | None = None,
        lifetimes: KeyLifetimes = NO_LIFETIMES,
    ) -> None:
        if len(pepper) < PEPPER_BYTES_MIN:
            raise ValueError(f"the pepper of API keys needs at least {PEPPER_BYTES_MIN} bytes")
        self._database = database
        self._pepper = pepper
        self._keys_per_ledger_max = keys_per_ledger_max
        self._now = now
        self._lifetimes = lifetimes
        self._refusals = _Refusals()

    async def grant(self, granter: Granter, wanted: NewKey) -> tuple[ApiKeyRecord, str]:
        """A key that somebody makes for somebody. Raises Forbidden, LedgerNotFound, ValidationFailed."""
        now = self._now()
        settled = granted(wanted, granter, self._lifetimes, now)
        # An operator, like whoever rules the machine, makes keys for others.
        person = None if granter.is_operator else await self._person_of(granter.caller)
        return await self._make(settled, granter.caller, now, person)

    async def create(
        self,
        ledger_id: LedgerId,
        name: str,
        scopes: Sequence[str],
        expires_at: datetime | None = None,
        *,
        caller: Caller = THE_SERVICE,
    ) -> tuple[ApiKeyRecord, str]:
        """A key that is made on the machine, where nobody asks what its maker may give away. Raises LedgerNotFound."""
        now = self._now()
        settled = self._lifetimes.expiry(expires_at, now)
        wanted = NewKey(ledger_id=ledger_id, name=name, scopes=scopes, expires_at=settled)
        return await self._make(wanted, caller, now)

    async def _person_of(self, caller: Caller) -> str:
        async with self._database.work(caller.ledger_id) as connection:
            return (await people_behind(connection, caller.ledger_id, [caller.actor]))[caller.actor]

    async def _make(
        self, wanted: NewKey, caller: Caller, now: datetime, person: str | None = None
    ) -> tuple[ApiKeyRecord, str]:
        """The new key and its text, which is kept nowhere and never shown again."""
        ledger_id, is_operators = wanted.ledger_id, wanted.ledger_id == SERVICE_LEDGER
        if is_operators and set(wanted.scopes) != {OPERATOR_SCOPE}:
            raise ValueError("a key without a ledger is an operator's, and nothing else")
        key_id = ApiKeyId(new_uuid())
        text = api_key_text.make(ledger_id, key_id)
        record = ApiKeyRecord(
            id=key_id,
            ledger_id=ledger_id,
            name=wanted.name,
            scopes=tuple(sorted(set(wanted.scopes))),
            created_at=now,
            expires_at=wanted.expires_at,
            created_by=caller.actor,
            networks=None if wanted.networks is None else tuple(map(str, wanted.networks)),
            certificate_subject=wanted.certificate_subject,
            person=person,
        )
        type_ = AuditType.OPERATOR_CREATED if is_operators else AuditType.API_KEY_CREATED
        async with self._database.operator_work(ledger_id) as connection:
            if not is_operators and await find_ledger(connection, ledger_id) is None:
                raise LedgerNotFound("There is no such ledger.")
            if self._keys_per_ledger_max is not None:
                check_quota("api_keys", 1 + await count_api_keys(connection, ledger_id, now), self._keys_per_ledger_max)
            await insert_api_key(connection, record, api_key_text.hash_secret(self._pepper, text))
            await audited(connection, _told(type_, record, caller, now, _facts(record)))
        return record, text

    async def revoke(self, key_id: ApiKeyId, granter: Granter | None = None) -> ApiKeyRecord:
        """From now on neither the key nor a token issued to it is accepted; one revoked before keeps its first time.

        Without `granter` it is done on the machine. Raises ApiKeyNotFound, Forbidden.
        """
        now = self._now()
        is_operator = granter is None or granter.is_operator
        caller = THE_SERVICE if granter is None else granter.caller
        work = self._database.operator_work() if is_operator else self._database.work(caller.ledger_id)
        async with work as connection:
            record = await lock_api_key(connection, key_id)
            if record is None:
                raise ApiKeyNotFound("There is no such API key.")
            if record.revoked_at is not None:
                return record
            if OPERATOR_SCOPE in record.scopes and not is_operator:
                raise Forbidden("Only an operator revokes the key of an operator.", scope=OPERATOR_SCOPE)
            record = replace(record, revoked_at=now)
            await update_revoked(connection, record)
            is_operators = record.ledger_id == SERVICE_LEDGER
            type_ = AuditType.OPERATOR_REVOKED if is_operators else AuditType.API_KEY_REVOKED
            await audited(connection, _told(type_, record, caller, now, {"name": record.name}))
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

    async def find_active(self, ledger_id: LedgerId, key_id: ApiKeyId) -> ApiKeyRecord | None:
        """The key, while tokens issued to it are still good."""
        async with self._database.work(ledger_id) as connection:
            found = await find_api_key(connection, ledger_id, key_id)
        return found[0] if found is not None and found[0].is_active(self._now()) else None

    async def get(self, ledger_id: LedgerId, key_id: ApiKeyId) -> ApiKeyRecord:
        """Raises ApiKeyNotFound."""
        async with self._database.work(ledger_id) as connection:
            found = await find_api_key(connection, ledger_id, key_id)
        if found is None:
            raise ApiKeyNotFound("There is no such API key.")
        return found[0]

    async def list(
        self, ledger_id: LedgerId | None, *, after: UUID | None, limit: int, is_ascending: bool = False
    ) -> Sequence[ApiKeyRecord]:
        """A page of the keys of one ledger, or of all, for an operator."""
        work = self._database.operator_work() if ledger_id is None else self._database.work(ledger_id)
        async with work as connection:
            return await list_api_keys(connection, ledger_id, after=after, limit=limit, is_ascending=is_ascending)


def _told(
    type_: AuditType, record: ApiKeyRecord, caller: Caller, now: datetime, facts: Mapping[str, Any]
) -> AuditRecord:
    key = render_id(Prefix.API_KEY, record.id)
    return audit_record(type_, caller, now, resource=key, ledger_id=record.ledger_id, facts=facts)


def _facts(record: ApiKeyRecord) -> dict[str, Any]:
    """What a new key may do, and where."""
    facts = {
        "name": record.name,
        "scopes": list(record.scopes),
        "expires_at": None if record.expires_at is None else record.expires_at.isoformat(),
        "networks": None if record.networks is None else list(record.networks),
        "certificate_subject": record.certificate_subject,
        "person": record.person,
    }
    return {name: value for name, value in facts.items() if value is not None}


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
