"""The seal of a closed period: its balances in one digest, chained to the period closed before.

    digest  = SHA-256("zerosum.period-balances.v1" ledger id), then for each account that anything was posted to before
              the end, by id: SHA-256(digest so far, account id | currency | debits | credits)
    genesis = SHA-256("zerosum.periods-genesis.v1" ledger id)
    hash    = SHA-256("zerosum.period.v1" hash of the closing before, all that closing and seal say as netstrings)

Amounts have no zeros at the end that mean nothing, so that no table of currencies is needed to prove them.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

from zerosum.domain.ledger.chain import netstrings
from zerosum.domain.money import shortest


def no_balances(ledger_id: UUID) -> bytes:
    return sha256(b"zerosum.period-balances.v1" + ledger_id.bytes).digest()


def with_balance(digest: bytes, account_id: UUID, currency: str, debits: str, credits_: str) -> bytes:
    own = f"{account_id}|{currency}|{shortest(debits)}|{shortest(credits_)}"
    return sha256(digest + own.encode("ascii")).digest()


def no_closings(ledger_id: UUID) -> bytes:
    return sha256(b"zerosum.periods-genesis.v1" + ledger_id.bytes).digest()


def closing_hash(previous: bytes, texts: Sequence[str]) -> bytes:
    return sha256(b"zerosum.period.v1" + previous + netstrings(texts)).digest()
