"""Secrets at rest: sealed under their ledger's data key, opened again, and moved to fresh keys.

Keys are read and written in short units of work of their own, and all cryptography happens between them, with no
transaction open. `envelope.py` has the formats and says what each ciphertext is bound to.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.credentials.data_keys import (
    WrappedDataKey,
    find_data_key,
    find_newest_data_key,
    insert_data_key,
    list_data_keys_to_rewrap,
    replace_wrapping,
)
from zerosum.db.credentials.sealed_values import SEALED_COLUMNS, SealedColumn, list_sealed_values, replace_sealed_value
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.ledgers import list_ledgers
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.services.credentials import envelope
from zerosum.services.credentials.envelope import DataKey, MasterKeys, SealBroken, SealedPlace

DATA_KEYS_IN_MEMORY_MAX = 1_000

CURRENT_KEY_KNOWN_FOR = timedelta(seconds=60)
"""How long a process may go on sealing under a data key after another process has made a newer one. Such values open
as ever, since data keys are never deleted; a second rotation moves them too."""

PAGE_SIZE = 200


class Sealer:
    def __init__(self, database: Database, master_keys: MasterKeys, now: Callable[[], datetime]) -> None:
        self._database = database
        self._masters = master_keys
        self._now = now
        self._keys: OrderedDict[UUID, DataKey] = OrderedDict()
        self._current: OrderedDict[LedgerId, tuple[datetime, DataKey]] = OrderedDict()

    async def seal(self, ledger_id: LedgerId, plaintext: bytes, *, table: str, column: str, row_id: str | UUID) -> str:
        """The text to store in exactly this place. The ledger gets its data key with its first secret."""
        place = SealedPlace(table=table, column=column, ledger_id=ledger_id, row_id=str(row_id))
        return envelope.seal(await self._current_key(ledger_id), plaintext, place)

    async def open(self, ledger_id: LedgerId, sealed: str, *, table: str, column: str, row_id: str | UUID) -> bytes:
        """What was sealed. Raises SealBroken for anything that was not sealed for exactly this place."""
        place = SealedPlace(table=table, column=column, ledger_id=ledger_id, row_id=str(row_id))
        key = await self._key(ledger_id, envelope.data_key_id(sealed))
        return envelope.unseal(key, sealed, place)

    async def rewrap(self) -> int:
        """Wrap every data key under the current master key; how many were. Values stay as they are.

        Afterwards the older master keys may be taken out of the settings. Safe to run twice, and to run again after
        a failure.
        """
        count = await self._rewrap_keys_of([SERVICE_LEDGER])
        after: UUID | None = None
        while True:
            async with self._database.operator_work() as connection:
                page = await list_ledgers(connection, after=after, limit=PAGE_SIZE, is_ascending=True)
            if not page:
                return count
            count += await self._rewrap_keys_of([LedgerId(ledger.id) for ledger in page])
            after = page[-1].id

    async def rotate_data_key(self, ledger_id: LedgerId) -> int:
        """Make a new data key and seal the ledger's stored secrets under it; how many were moved."""
        key = await self._make_key(ledger_id, is_first=False)
        count = 0
        for place in SEALED_COLUMNS:
            count += await self._reseal(place, key)
        return count

    async def _current_key(self, ledger_id: LedgerId) -> DataKey:
        now = self._now()
        known = self._current.get(ledger_id)
        # The age of a clock that was set back is negative and counts as too old.
        if known is not None and timedelta() <= now - known[0] < CURRENT_KEY_KNOWN_FOR:
            return known[1]
        async with self._database.work(ledger_id) as connection:
            wrapped = await find_newest_data_key(connection, ledger_id)
        key = await self._make_key(ledger_id, is_first=True) if wrapped is None else self._unwrapped(wrapped)
        self._remember_current(key, now)
        return key

    async def _key(self, ledger_id: LedgerId, key_id: UUID) -> DataKey:
        known = self._keys.get(key_id)
        if known is not None:
            self._keys.move_to_end(key_id)
            return known
        async with self._database.work(ledger_id) as connection:
            wrapped = await find_data_key(connection, ledger_id, key_id)
        if wrapped is None:
            raise SealBroken(f"the ledger has no data key {key_id}")
        return self._unwrapped(wrapped)

    async def _make_key(self, ledger_id: LedgerId, *, is_first: bool) -> DataKey:
        """A new newest data key; the one that is there when `is_first` and another process was faster."""
        now = self._now()
        key = envelope.make_data_key(ledger_id, new_uuid())
        wrapped = WrappedDataKey(
            ledger_id=ledger_id,
            id=key.id,
            master_key_id=self._masters.current_id,
            wrapped_key=envelope.wrap(self._masters, key),
            created_at=now,
        )
        stored = await self._insert(wrapped, is_first=is_first)
        if stored.id != key.id:
            return self._unwrapped(stored)
        self._remember(key)
        self._remember_current(key, now)
        return key

    async def _insert(self, wrapped: WrappedDataKey, *, is_first: bool) -> WrappedDataKey:
        """The newest data key afterwards."""
        async with self._database.work(wrapped.ledger_id) as connection:
            # Two processes that seal a ledger's first secret at once must not both make its first key.
            await lock_until_commit(connection, f"data keys of {wrapped.ledger_id}")
            newest = await find_newest_data_key(connection, wrapped.ledger_id)
            if newest is not None:
                if is_first:
                    return newest
                # The clocks of several machines differ, and the new key must be the newest.
                later = max(wrapped.created_at, newest.created_at + timedelta(microseconds=1))
                wrapped = replace(wrapped, created_at=later)
            await insert_data_key(connection, wrapped)
        return wrapped

    async def _rewrap_keys_of(self, ledger_ids: Sequence[LedgerId]) -> int:
        count = 0
        after: tuple[LedgerId, UUID] | None = None
        while True:
            async with self._database.work(*ledger_ids) as connection:
                page = await list_data_keys_to_rewrap(
                    connection, ledger_ids, self._masters.current_id, after=after, limit=PAGE_SIZE
                )
            if not page:
                return count
            rewrapped = [(old, self._rewrapped(old)) for old in page]
            async with self._database.work(*ledger_ids) as connection:
                for old, new in rewrapped:
                    count += await replace_wrapping(connection, old, new)
            after = (page[-1].ledger_id, page[-1].id)

    def _rewrapped(self, old: WrappedDataKey) -> WrappedDataKey:
        return replace(
            old,
            master_key_id=self._masters.current_id,
            wrapped_key=envelope.wrap(self._masters, self._unwrapped(old)),
        )

    async def _reseal(self, place: SealedColumn, key: DataKey) -> int:
        count = 0
        after: Any | None = None
        while True:
            async with self._database.work(key.ledger_id) as connection:
                page = await list_sealed_values(connection, place, key.ledger_id, after=after, limit=PAGE_SIZE)
            if not page:
                return count
            moved = [(row_id, old, await self._resealed(place, row_id, old, key)) for row_id, old in page]
            async with self._database.work(key.ledger_id) as connection:
                for row_id, old, new in moved:
                    count += await replace_sealed_value(connection, place, key.ledger_id, row_id, old=old, new=new)
            after = page[-1][0]

    async def _resealed(self, place: SealedColumn, row_id: Any, sealed: str, key: DataKey) -> str:
        sealed_place = SealedPlace(
            table=place.table.name, column=place.column.name, ledger_id=key.ledger_id, row_id=str(row_id)
        )
        old_key = await self._key(key.ledger_id, envelope.data_key_id(sealed))
        return envelope.seal(key, envelope.unseal(old_key, sealed, sealed_place), sealed_place)

    def _unwrapped(self, wrapped: WrappedDataKey) -> DataKey:
        known = self._keys.get(wrapped.id)
        if known is not None and known.ledger_id == wrapped.ledger_id:
            return known
        key = envelope.unwrap(self._masters, wrapped.ledger_id, wrapped.id, wrapped.master_key_id, wrapped.wrapped_key)
        self._remember(key)
        return key

    def _remember(self, key: DataKey) -> None:
        self._keys[key.id] = key
        if len(self._keys) > DATA_KEYS_IN_MEMORY_MAX:
            self._keys.popitem(last=False)

    def _remember_current(self, key: DataKey, now: datetime) -> None:
        self._current[key.ledger_id] = (now, key)
        self._current.move_to_end(key.ledger_id)
        if len(self._current) > DATA_KEYS_IN_MEMORY_MAX:
            self._current.popitem(last=False)
