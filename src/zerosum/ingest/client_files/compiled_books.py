"""The compiled book: balances of 65,536 clients and one table of transactions, by the rules of `client_commands.py`.

Numbers of 64 bits are too short for 20 integer digits and four places, so a balance is two of them: high * 10^12 + low,
where 0 <= low < 10^12. Clearing is the row after the last client: the Book judges it too.

The table is open addressing over whole numbers, two for each slot: state, client and tx in the first, the amount in the
second. Sixteen neighbouring tx ids share one home of 256 bytes, so that ids that come in order are found in order; a
taken slot leads on by 17, which reaches every slot in the end. The seed keeps others from choosing ids that collide.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zerosum.ingest.client_files.compiled import compiled

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

LIMB = 1_000_000_000_000
CLIENTS = 65_536
CLEARING = CLIENTS
TOTAL_HIGH, TOTAL_LOW, HELD_HIGH, HELD_LOW = 0, 1, 2, 3

EXISTS, LOCKED = 1, 2
"""Flags of a client."""

MALFORMED = 255
"""As a kind: nothing is taken. As a reason: it was not."""

REASONS = (
    "",
    "client_locked",
    "tx_exists",
    "insufficient_funds",
    "balance_overflow",
    "tx_not_found",
    "wrong_client",
    "not_disputable",
    "already_disputed",
    "not_disputed",
    "negative_total",
)
(
    _CARRIED_OUT,
    _CLIENT_LOCKED,
    _TX_EXISTS,
    _INSUFFICIENT_FUNDS,
    _BALANCE_OVERFLOW,
    _TX_NOT_FOUND,
    _WRONG_CLIENT,
    _NOT_DISPUTABLE,
    _ALREADY_DISPUTED,
    _NOT_DISPUTED,
    _NEGATIVE_TOTAL,
) = range(len(REASONS))

_DEPOSIT, _WITHDRAWAL, _DISPUTE, _RESOLVE, _CHARGEBACK = range(5)
"""Kinds: places in `rows.KINDS`."""

_STANDS, _DISPUTED, _CHARGED_BACK, _WITHDRAWN = 1, 2, 3, 4
"""States of a slot; none is 0, which is an empty one. A resolved deposit stands as it did before."""

_NEIGHBOURS_BITS, _NEIGHBOURS_MASK, _STEP = 4, 15, 17
_TX_MASK, _CLIENT_SHIFT, _CLIENT_MASK, _STATE_SHIFT = 0xFFFF_FFFF, 32, 0xFFFF, 48
_UNLOCATED_MASK = 0xFFFF_FFFF_FFFF


@compiled
def _slot_of(table: Numbers, tx: int, seed: int) -> int:
    """Where the tx is, or the empty slot where it belongs. The table is never full."""
    slots_mask = table.size // 2 - 1
    mixed = np.uint64(tx >> _NEIGHBOURS_BITS) ^ np.uint64(seed)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    home = int(mixed >> np.uint64(20))
    slot = ((home << _NEIGHBOURS_BITS) | (tx & _NEIGHBOURS_MASK)) & slots_mask
    while True:
        word = table[2 * slot]
        if word == 0 or (word & _TX_MASK) == tx:
            return slot
        slot = (slot + _STEP) & slots_mask


@compiled
def grow(old: Numbers, new: Numbers, seed: int) -> None:
    """Put everything into the larger table."""
    for place in range(0, old.size, 2):
        if old[place]:
            slot = _slot_of(new, old[place] & _TX_MASK, seed)
            new[2 * slot] = old[place]
            new[2 * slot + 1] = old[place + 1]


@compiled
def _sum(high: int, low: int, sign: int, more_high: int, more_low: int) -> tuple[int, int]:
    high += sign * more_high
    low += sign * more_low
    if low >= LIMB:
        return high + 1, low - LIMB
    if low < 0:
        return high - 1, low + LIMB
    return high, low


@compiled
def _fits(high: int, low: int) -> bool:
    """Strictly between minus and plus 10^24 ten-thousandths: BALANCE_LIMIT."""
    return high < LIMB and (high > -LIMB or (high == -LIMB and low > 0))


@compiled
def _moved(
    balances: Numbers, owner: int, total_sign: int, held_sign: int, high: int, low: int
) -> tuple[int, int, int, int, int, bool]:
    """Total and held as they would be, the high part of what would be available, and whether all of them fit."""
    total_high, total_low = _sum(balances[owner, TOTAL_HIGH], balances[owner, TOTAL_LOW], total_sign, high, low)
    held_high, held_low = _sum(balances[owner, HELD_HIGH], balances[owner, HELD_LOW], held_sign, high, low)
    available_high, available_low = _sum(total_high, total_low, -1, held_high, held_low)
    fits = _fits(total_high, total_low) and _fits(held_high, held_low) and _fits(available_high, available_low)
    return total_high, total_low, held_high, held_low, available_high, fits


@compiled
def _carry(
    balances: Numbers, client: int, kind: int, total_sign: int, held_sign: int, high: int, low: int, refuse: bool
) -> int:
    """Judge and carry a movement that is the same for the client and for clearing. Gives the reason against it."""
    mine = _moved(balances, client, total_sign, held_sign, high, low)
    if kind == _CHARGEBACK and refuse and mine[0] < 0:
        return _NEGATIVE_TOTAL
    if kind == _WITHDRAWAL and mine[4] < 0:
        return _INSUFFICIENT_FUNDS
    theirs = _moved(balances, CLEARING, total_sign, held_sign, high, low)
    if not (mine[5] and theirs[5]):
        return _BALANCE_OVERFLOW
    for owner, after in ((client, mine), (CLEARING, theirs)):
        balances[owner, TOTAL_HIGH] = after[0]
        balances[owner, TOTAL_LOW] = after[1]
        balances[owner, HELD_HIGH] = after[2]
        balances[owner, HELD_LOW] = after[3]
    return _CARRIED_OUT


@compiled
def _objection(kind: int, client: int, word: int) -> int:
    """What stands against the row as far as its tx goes. `word` is what the table knows of it."""
    if kind in (_DEPOSIT, _WITHDRAWAL):
        return _TX_EXISTS if word else _CARRIED_OUT
    if word == 0:
        return _TX_NOT_FOUND
    if (word >> _CLIENT_SHIFT) & _CLIENT_MASK != client:
        return _WRONG_CLIENT
    state = word >> _STATE_SHIFT
    if state == _WITHDRAWN:
        return _NOT_DISPUTABLE
    if kind != _DISPUTE:
        return _CARRIED_OUT if state == _DISPUTED else _NOT_DISPUTED
    if state == _DISPUTED:
        return _ALREADY_DISPUTED
    return _NOT_DISPUTABLE if state == _CHARGED_BACK else _CARRIED_OUT


@compiled
def take_rows(
    kinds: Bytes,
    clients: Numbers,
    txs: Numbers,
    amounts: Numbers,
    reasons: Bytes,
    count: int,
    huge: Numbers,
    balances: Numbers,
    flags: Bytes,
    table: Numbers,
    seed: int,
    refuse_negative_total: bool,
) -> int:
    """Take the rows one after another and say why not. Gives how many transactions the table holds more than before.

    An amount below zero says where in `huge` the real one is.
    """
    stored = 0
    for index in range(count):
        kind, client, tx = kinds[index], clients[index], txs[index]
        if kind == MALFORMED:
            reasons[index] = MALFORMED
            continue
        flags[client] |= EXISTS
        if flags[client] & LOCKED:
            reasons[index] = _CLIENT_LOCKED
            continue
        slot = _slot_of(table, tx, seed)
        word = table[2 * slot]
        reason = _objection(kind, client, word)
        if reason == _CARRIED_OUT:
            amount = amounts[index] if word == 0 else table[2 * slot + 1]
            if amount >= 0:
                high, low = amount // LIMB, amount % LIMB
            else:
                high, low = huge[-1 - amount, 0], huge[-1 - amount, 1]
            total_sign = 1 if kind == _DEPOSIT else -1 if kind in (_WITHDRAWAL, _CHARGEBACK) else 0
            held_sign = 1 if kind == _DISPUTE else -1 if kind in (_RESOLVE, _CHARGEBACK) else 0
            reason = _carry(balances, client, kind, total_sign, held_sign, high, low, refuse_negative_total)
        reasons[index] = reason
        if reason != _CARRIED_OUT:
            continue
        if word == 0:
            state = _STANDS if kind == _DEPOSIT else _WITHDRAWN
            table[2 * slot] = (state << _STATE_SHIFT) | (client << _CLIENT_SHIFT) | tx
            table[2 * slot + 1] = amounts[index]
            stored += 1
        else:
            state = _DISPUTED if kind == _DISPUTE else _STANDS if kind == _RESOLVE else _CHARGED_BACK
            table[2 * slot] = (state << _STATE_SHIFT) | (word & _UNLOCATED_MASK)
            if kind == _CHARGEBACK:
                flags[client] |= LOCKED
    return stored
