"""A book's records of client transactions in 16 bytes a slot instead of some 600 as Python objects.

An open table of whole numbers, two for each slot: status, type, client and tx in the first, ten-thousandths in the
second. It is at most seven tenths full and grows by doubling, so a transaction costs 23 to 46 bytes, and while it grows
half as much again. A random factor keeps others from choosing ids that collide. Amounts that do not fit into 64 bits
stand in a list beside it. Nothing is ever taken out.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Iterator, MutableMapping
from decimal import Decimal
from uuid import UUID

from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import EXACT, Money
from zerosum.domain.payments.clients import (
    CLIENT_CURRENCY,
    CLIENT_TRANSACTION,
    ClientTransaction,
    ClientTransactionStatus,
    ClientTransactionType,
)
from zerosum.ingest.client_files.rows import PLACES

_TYPES = tuple(ClientTransactionType)
_STATUSES = tuple(ClientTransactionStatus)
_TX_MASK, _CLIENT_SHIFT, _CLIENT_MASK = 0xFFFF_FFFF, 32, 0xFFFF
_TYPE_SHIFT, _STATUS_SHIFT = 48, 50
_TAKEN = 1 << 56
_SPREAD = 0x9E37_79B9_7F4A_7C15
"""2^64 divided by the golden ratio: ids that come in order get homes far from each other, whatever the factor is."""
_WORD_MASK = (1 << 64) - 1
_PLAIN_UNITS_MAX = 1 << 62


NO_ENTRY = UUID(int=0)
"""Nobody keeps the journal of a client file's book."""


def _tx(key: RecordKey) -> int:
    return int(str(key.id))


class PackedRecords(MutableMapping[RecordKey, ClientTransaction]):
    """Of one ledger, whose id is part of every key."""

    def __init__(self, ledger_id: LedgerId, *, bits: int = 10) -> None:
        """2 to the power of `bits` slots at first."""
        self._ledger_id = ledger_id
        self._bits = bits
        self._slots = array("q", bytes(16 << bits))
        self._count = 0
        self._factor = secrets.randbits(64) | 1
        self._huge: list[int] = []

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[RecordKey]:
        for place in range(0, len(self._slots), 2):
            if self._slots[place]:
                yield RecordKey(self._ledger_id, CLIENT_TRANSACTION, str(self._slots[place] & _TX_MASK))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, RecordKey) and self._slots[self._place_of(_tx(key))] != 0

    def __getitem__(self, key: RecordKey) -> ClientTransaction:
        tx = _tx(key)
        place = self._place_of(tx)
        word, units = self._slots[place], self._slots[place + 1]
        if not word:
            raise KeyError(key)
        if units < 0:
            units = self._huge[-1 - units]
        return ClientTransaction(
            ledger_id=self._ledger_id,
            tx=tx,
            client=(word >> _CLIENT_SHIFT) & _CLIENT_MASK,
            type=_TYPES[(word >> _TYPE_SHIFT) & 3],
            money=Money(Decimal(units).scaleb(-PLACES, EXACT), CLIENT_CURRENCY),
            status=_STATUSES[(word >> _STATUS_SHIFT) & 3],
            entry_id=NO_ENTRY,
        )

    def __setitem__(self, key: RecordKey, record: ClientTransaction) -> None:
        tx = _tx(key)
        place = self._place_of(tx)
        if not self._slots[place]:
            if self._count * 10 >= 7 << self._bits:
                self._grow()
                place = self._place_of(tx)
            self._count += 1
            self._slots[place + 1] = self._packed_units(record.money.amount)
        self._slots[place] = (
            _TAKEN
            | _STATUSES.index(record.status) << _STATUS_SHIFT
            | _TYPES.index(record.type) << _TYPE_SHIFT
            | record.client << _CLIENT_SHIFT
            | tx
        )

    def __delitem__(self, key: RecordKey) -> None:
        raise TypeError("a transaction that was carried out is never taken back")

    def _place_of(self, tx: int) -> int:
        """Where it is, or the empty slot where it belongs."""
        slots, mask = self._slots, (1 << self._bits) - 1
        mixed = tx * self._factor & _WORD_MASK
        slot = ((mixed ^ mixed >> 32) * _SPREAD & _WORD_MASK) >> (64 - self._bits)
        while (word := slots[2 * slot]) and word & _TX_MASK != tx:
            slot = (slot + 1) & mask
        return 2 * slot

    def _packed_units(self, amount: Decimal) -> int:
        """The amount of a transaction never changes, so it is put in once."""
        units = int(amount.scaleb(PLACES, EXACT))
        if units < _PLAIN_UNITS_MAX:
            return units
        self._huge.append(units)
        return -len(self._huge)

    def _grow(self) -> None:
        old = self._slots
        self._bits += 1
        self._slots = array("q", bytes(16 << self._bits))
        for from_place in range(0, len(old), 2):
            if old[from_place]:
                place = self._place_of(old[from_place] & _TX_MASK)
                self._slots[place], self._slots[place + 1] = old[from_place], old[from_place + 1]
