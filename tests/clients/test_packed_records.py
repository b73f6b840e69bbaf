"""The packed records are a dict of client transactions, in fewer bytes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Money
from zerosum.domain.payments.clients import (
    CLIENT_CURRENCY,
    CLIENT_TRANSACTION,
    ClientTransaction,
    ClientTransactionStatus,
    ClientTransactionType,
)
from zerosum.ingest.client_files.packed_records import NO_ENTRY, PackedRecords

LEDGER = LedgerId(UUID(int=1))

records = st.builds(
    ClientTransaction,
    ledger_id=st.just(LEDGER),
    tx=st.one_of(st.integers(0, 20), st.integers(0, 4_294_967_295)),
    client=st.integers(0, 65_535),
    type=st.sampled_from(ClientTransactionType),
    money=st.integers(1, 10**24 - 1).map(
        lambda units: Money(CLIENT_CURRENCY.scaled(Decimal(units) * CLIENT_CURRENCY.minor_unit), CLIENT_CURRENCY)
    ),
    entry_id=st.just(NO_ENTRY),
    status=st.sampled_from(ClientTransactionStatus),
)


@given(made=st.lists(records, max_size=60), statuses=st.data())
def test_they_are_a_dict_in_fewer_bytes(made: list[ClientTransaction], statuses: st.DataObject) -> None:
    packed, plain = PackedRecords(LEDGER, bits=2), dict[RecordKey, ClientTransaction]()
    for new in made:
        key = RecordKey(LEDGER, CLIENT_TRANSACTION, str(new.tx))
        assert (key in packed) == (key in plain)
        assert packed.get(key) == plain.get(key)
        status = statuses.draw(st.sampled_from(ClientTransactionStatus))
        packed[key] = plain[key] = replace(plain[key], status=status) if key in plain else new
    assert dict(packed) == plain
    assert len(packed) == len(plain)


def test_nothing_is_taken_out_again() -> None:
    packed = PackedRecords(LEDGER)
    with pytest.raises(TypeError, match="never taken back"):
        del packed[RecordKey(LEDGER, CLIENT_TRANSACTION, "1")]


def test_nobody_can_choose_tx_ids_that_share_their_homes() -> None:
    """Multiples of a Fibonacci number all come close to each other where the golden ratio alone spreads them."""
    packed = PackedRecords(LEDGER, bits=13)
    homes = {packed._place_of(832_040 * number) for number in range(4000)}
    assert len(homes) > 2500, "at random they have some 3,160 of 8,192"
