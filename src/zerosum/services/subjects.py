"""Use cases about subjects: what is said about them is sealed, shown and, with their keys, erased.

Keys of subjects are kept in no memory: each order that says something reads the key, so that an erasure has nowhere
else to reach.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.subjects import (
    count_members,
    count_subjects,
    find_members,
    find_subjects,
    insert_subjects,
    sealed_under_keys,
)
from zerosum.domain.errors import DomainError, PersonalMembersNotFound, QuotaExceeded, RecordUnreadable, SubjectNotFound
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.subject_commands import EraseSubject
from zerosum.domain.ledger.subjects import SealedMembers, Subject, erased, said_of
from zerosum.domain.members import in_one_order
from zerosum.services.audit import log_record
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.key_lookup import KeyLookup
from zerosum.services.committing.submission import Done
from zerosum.services.committing.work import key_reused
from zerosum.services.credentials.envelope import KEY_BYTES, SealBroken
from zerosum.services.credentials.personal_sealing import MembersPlace, commitment, open_members, seal_members
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.personal import PersonalOrder
from zerosum.services.requests.quotas import CountedQuota


class SayingOrder(Protocol):
    """An order that may say something about a subject."""

    idempotency_key: str
    metadata: Mapping[str, str]
    personal: PersonalOrder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectReport:
    """What there is of a subject. `entries` is with how many entries something was said about it."""

    subject: Subject
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMembers:
    """What was said about a subject with an entry. None: it was erased."""

    subject: Subject
    members: Mapping[str, str] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureOrder:
    idempotency_key: str
    subject: str
    reason: str


class Subjects:
    def __init__(
        self,
        database: Database,
        committer: Committer,
        sealer: Sealer,
        now: Callable[[], datetime],
        quota: CountedQuota,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._keys = KeyLookup(database, committer)
        self._now = now
        self._quota = quota

    async def seal(self, ledger_id: LedgerId, orders: Sequence[SayingOrder], *, may_write: bool) -> None:
        """Of those that say something: seal it, and let their metadata commit to that, once.

        A subject gets its key with what is said of it first. Of one that was erased, or whose key does not open, only
        what was sealed under the same idempotency key is known again: then the rest of the order decides whether it is
        the same. Otherwise that order alone is refused.
        """
        saying = [(order, order.personal) for order in orders if order.personal and order.personal.sealed is None]
        if not saying:
            return
        names = {personal.subject for _, personal in saying}
        found, why_not = await self._subjects(ledger_id, names, may_write=may_write)
        secrets_of = {name: await self._secret_or_why(name, found.get(name), why_not) for name in names}
        gone = [one.idempotency_key for one, personal in saying if not isinstance(secrets_of[personal.subject], bytes)]
        before = await self._sealed_before(ledger_id, gone) if gone else {}
        for order, personal in saying:
            secret = secrets_of[personal.subject]
            if isinstance(secret, bytes):
                place = MembersPlace(ledger_id, personal.subject, order.idempotency_key)
                _commit(order, personal, seal_members(secret, personal.members, place))
                continue
            subject, sealed = before.get(order.idempotency_key, (None, ""))
            if subject == personal.subject:
                _commit(order, personal, sealed)
            else:
                # Each its own: of an item in a bulk call it is told where it stands.
                order.personal = replace(personal, sealed=copy(secret))

    async def shown(self, caller: Caller, entry_id: UUID) -> ShownMembers:
        """What was said with this entry. Raises PersonalMembersNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_members(connection, caller.ledger_id, entry_id)
        if found is None:
            raise PersonalMembersNotFound("Nothing was said about a subject with this.")
        secret = await self._secret(found.subject)
        if secret is None:
            return ShownMembers(subject=found.subject, members=None)
        place = MembersPlace(caller.ledger_id, found.subject.reference, found.idempotency_key)
        try:
            return ShownMembers(subject=found.subject, members=open_members(secret, found.sealed, place))
        except SealBroken:
            raise _unreadable() from None

    async def get(self, caller: Caller, reference: str) -> SubjectReport:
        """Raises SubjectNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            found = (await find_subjects(connection, caller.ledger_id, [reference])).get(reference)
            entries = 0 if found is None else await count_members(connection, caller.ledger_id, reference)
        if found is None:
            raise SubjectNotFound("This ledger has no such subject.")
        return SubjectReport(subject=found, entries=entries)

    async def erase(self, caller: Caller, order: ErasureOrder) -> Done[Mapping[str, Any]]:
        """Raises SubjectNotFound, IdempotencyKeyReused, and what the committer raises."""

        async def prepare() -> LedgerCommand:
            return EraseSubject(
                id=new_uuid(),
                ledger_id=caller.ledger_id,
                idempotency_key=order.idempotency_key,
                fingerprint=fingerprint("subject erasure", {"subject": order.subject, "reason": order.reason}),
                actor=caller.actor,
                address=caller.address,
                request_id=caller.request_id,
                reference=order.subject,
                reason=order.reason,
            )

        answer = await self._keys.carry_out(caller.ledger_id, [order.idempotency_key], prepare)
        if isinstance(answer, Posted):
            for record in answer.told:
                log_record(record)
            if answer.remembered is None:
                raise TypeError("an erasure says what its key is to remember")
            return Done(answer.remembered.content)
        if answer.content is None or answer.resource_type is not ResourceType.SUBJECT:
            raise key_reused()
        return Done(answer.content, is_replay=True)

    async def _subjects(
        self, ledger_id: LedgerId, names: set[str], *, may_write: bool
    ) -> tuple[Mapping[str, Subject], DomainError | None]:
        """All of them, or those that there are and why the others cannot be made; in a rehearsal that is not looked at.

        They are there before it is known whether what is said is refused, and stay.
        """
        async with self._database.work(ledger_id) as connection:
            found = await find_subjects(connection, ledger_id, names)
        missing = names - found.keys()
        if not missing or not may_write:
            return found, None
        try:
            await self._quota.take(ledger_id, len(missing), lambda: self._count(ledger_id))
            sealed_keys = {name: await self._sealed_key(ledger_id, name) for name in sorted(missing)}
        except QuotaExceeded as refusal:
            return found, refusal.at("/personal/subject")
        except SealBroken:  # The data key of the ledger does not open.
            return found, _unreadable()
        async with self._database.work(ledger_id) as connection:
            # Whoever else has made one meanwhile was first, and that one counts.
            await insert_subjects(connection, ledger_id, sealed_keys, self._now())
        async with self._database.work(ledger_id) as connection:
            return await find_subjects(connection, ledger_id, names), None

    async def _count(self, ledger_id: LedgerId) -> int:
        async with self._database.work(ledger_id) as connection:
            return await count_subjects(connection, ledger_id)

    async def _sealed_key(self, ledger_id: LedgerId, reference: str) -> str:
        secret = secrets.token_bytes(KEY_BYTES)
        return await self._sealer.seal(ledger_id, secret, table="subjects", column="sealed_key", row_id=reference)

    async def _secret_or_why(
        self, name: str, subject: Subject | None, why_not: DomainError | None
    ) -> bytes | DomainError:
        """Or why there is none. Of one that is not there in a rehearsal, one that nobody keeps."""
        if subject is None:
            return why_not or secrets.token_bytes(KEY_BYTES)
        try:
            return await self._secret(subject) or erased(name)
        except RecordUnreadable as refusal:
            return refusal

    async def _secret(self, subject: Subject) -> bytes | None:
        """None: it was erased. Raises RecordUnreadable."""
        if subject.sealed_key is None:
            return None
        try:
            return await self._sealer.open(
                subject.ledger_id,
                subject.sealed_key,
                table="subjects",
                column="sealed_key",
                row_id=subject.reference,
            )
        except SealBroken:
            raise _unreadable() from None

    async def _sealed_before(self, ledger_id: LedgerId, keys: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        async with self._database.work(ledger_id) as connection:
            return await sealed_under_keys(connection, ledger_id, keys)


def _commit(order: SayingOrder, personal: PersonalOrder, sealed: str) -> None:
    order.personal = replace(personal, sealed=SealedMembers(personal.subject, sealed))
    order.metadata = in_one_order({**order.metadata, **said_of(personal.subject, commitment(sealed))})


def _unreadable() -> RecordUnreadable:
    return RecordUnreadable("What is sealed of a subject cannot be opened.")
