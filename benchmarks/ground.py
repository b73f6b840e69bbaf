"""Commands between the accounts of the template, for what is measured below HTTP."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from benchmarks.databases import TEMPLATE
from benchmarks.service import Service
from zerosum.cli.load.payments import CENTS_MAX, scattered
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.money import CurrencyTable, Money
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import PaymentTexts, PaymentType
from zerosum.services.committing.fingerprint import fingerprint

CURRENCY = CurrencyTable()["USD"]


@dataclass(frozen=True, slots=True)
class Ground:
    ledger_id: LedgerId
    account_ids: Sequence[AccountId]

    @classmethod
    def of(cls, service: Service) -> Ground:
        """The accounts that `bench` has opened."""
        rows = service.sql(
            "select ledger_id, id from accounts where code like 'bench:%' order by code", database=TEMPLATE
        )
        return cls(LedgerId(UUID(bytes=rows[0][0].bytes)), [AccountId(UUID(bytes=row[1].bytes)) for row in rows])

    def half(self, index: int) -> Ground:
        """The first or the second half of the accounts: two connections that never wait for each other."""
        middle = len(self.account_ids) // 2
        return Ground(self.ledger_id, self.account_ids[:middle] if index == 0 else self.account_ids[middle:])

    def commands(self, number: int, seed: int) -> list[Pay]:
        chance = random.Random(seed)
        return [self._command(chance, f"bench-{seed}-{scattered(index):016x}") for index in range(number)]

    def _command(self, chance: random.Random, key: str) -> Pay:
        payer, payee = chance.sample(self.account_ids, 2)
        cents = chance.randint(1, CENTS_MAX)
        return Pay(
            id=new_uuid(),
            ledger_id=self.ledger_id,
            idempotency_key=key,
            fingerprint=fingerprint("payment", {"key": key}),
            actor="key_bench",
            type=PaymentType.TRANSFER,
            money=_money(cents),
            payer_id=payer,
            payee_id=payee,
            texts=PaymentTexts(reference=f"invoice {cents}"),
        )


@functools.cache
def _money(cents: int) -> Money:
    return Money.parse(f"{cents // 100}.{cents % 100:02}", CURRENCY)
