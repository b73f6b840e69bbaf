"""Payments as ready HTTP requests. Only the idempotency key is filled in while a run goes on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

VARIANTS = 8192
"""So many different payments are rendered beforehand and sent in turn."""

CENTS_MAX = 999

SCATTER = 0x9E37_79B9_7F4A_7C15
"""Odd, so that no two numbers meet; 2^64 divided by the golden ratio, which spreads them best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`key_prefix` makes the idempotency keys of a run its own."""

    host: str
    token: str
    key_prefix: str
    currency: str = "USD"

    def head(self, method: str, path: str) -> str:
        """Without the empty line that ends it."""
        return f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {self.token}\r\n"


Pair = tuple[str, str]
"""Payer and payee, by code."""


def uniform_pairs(codes: Sequence[str], seed: int, number: int = VARIANTS) -> list[Pair]:
    """Any account pays any other."""
    chance = random.Random(seed)  # noqa: S311 - a choice of accounts, no secret
    return [(codes[payer], codes[payee]) for payer, payee in (_two(chance, len(codes)) for _ in range(number))]


def hot_pairs(codes: Sequence[str], seed: int, number: int = VARIANTS) -> list[Pair]:
    """The first account pays all the others."""
    chance = random.Random(seed)  # noqa: S311
    return [(codes[0], codes[chance.randrange(1, len(codes))]) for _ in range(number)]


def single_payments(target: Target, pairs: Sequence[Pair], seed: int) -> Iterator[bytes]:
    """Without end, each under a key of its own."""
    head = target.head("POST", "/v1/payments") + "Content-Type: application/json\r\n"
    variants = []
    for item in _bodies(target, pairs, seed):
        body = f"{{{item}}}"
        start = f"{head}Content-Length: {len(body)}\r\nIdempotency-Key: {target.key_prefix}-"
        variants.append((start.encode(), f"\r\n\r\n{body}".encode()))
    number = 0
    while True:
        for start_bytes, end_bytes in variants:
            number += 1
            yield b"%b%016x%b" % (start_bytes, scattered(number), end_bytes)


def bulk_payments(target: Target, pairs: Sequence[Pair], items: int, seed: int) -> Iterator[bytes]:
    """The same, so many to a call."""
    head = target.head("POST", "/v1/payments/bulk") + "Content-Type: application/json\r\n"
    variants = [f'{{{body}, "idempotency_key": "{target.key_prefix}-'.encode() for body in _bodies(target, pairs, seed)]
    chance = random.Random(seed)  # noqa: S311
    for call in count():
        chosen = chance.choices(variants, k=items)
        first = call * items
        body = b", ".join(b'%b%016x"}' % (variant, scattered(first + index)) for index, variant in enumerate(chosen))
        body = b'{"items": [%b]}' % body
        yield b"%bContent-Length: %d\r\n\r\n%b" % (head.encode(), len(body), body)


def scattered(number: int) -> int:
    """Each number once, in no order: keys that came one after another would flatter the index they go into."""
    return number * SCATTER & 0xFFFF_FFFF_FFFF_FFFF


def count_bulk(status: int, body: bytes) -> int:
    """How many items of a bulk call were carried out."""
    return body.count(b'"status":201,') if status == 200 else 0


def _bodies(target: Target, pairs: Sequence[Pair], seed: int) -> list[str]:
    """The members of a payment, as JSON without braces."""
    chance = random.Random(seed)  # noqa: S311
    bodies = []
    for payer, payee in pairs:
        cents = chance.randint(1, CENTS_MAX)
        bodies.append(
            f'"type": "transfer", "amount": "{cents // 100}.{cents % 100:02}", "currency": "{target.currency}", '
            f'"from": "{payer}", "to": "{payee}", "reference": "invoice {cents}"'
        )
    return bodies


def _two(chance: random.Random, number: int) -> tuple[int, int]:
    first, second = chance.randrange(number), chance.randrange(number - 1)
    return first, second + (second >= first)
