"""The straight way from a payment as it is written to its command: plain ones, all of whose names are in memory.

It is `PaymentKind.command`, and the fingerprint of what it orders, in a second form, at a third of the price
(docs/decisions/0051). Whatever it does not know, and whatever is refused, it leaves to the first one:
`tests/services/test_straight_payments.py` holds the two together over payments of all kinds.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from uuid import UUID

import orjson

from zerosum.db.identifiers import new_uuid
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import (
    INTERNAL_PROCESSOR,
    NO_TEXTS,
    PaymentTexts,
    PaymentType,
    clearing_code,
)
from zerosum.services.committing.submission import Prepared
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.currencies import Currencies

_TYPES = {type_.value: type_ for type_ in PaymentType}

_clearing_code = lru_cache(1024)(clearing_code)


class StraightPayments:
    def __init__(self, directory: AccountDirectory, currencies: Currencies) -> None:
        self._name_of = directory.find_known
        self._currency_of = currencies.find_known

    def command(
        self,
        ledger_id: LedgerId,
        actor: str,
        idempotency_key: str,
        *,
        type_text: str,
        amount: str,
        currency_code: str,
        payer: str | None,
        payee: str | None,
        reference: str | None,
        description: str | None,
    ) -> Prepared | None:
        """None: it says no more than that the other way has to be gone. Names are as the caller has written them."""
        type_, currency = _TYPES.get(type_text), self._currency_of(ledger_id, currency_code)
        if type_ is None or currency is None:
            return None
        called_payer, called_payee = payer, payee
        if type_ is PaymentType.DEPOSIT:
            if payer is not None:
                return None
            called_payer = _clearing_code(INTERNAL_PROCESSOR, currency_code)
        elif type_ is PaymentType.WITHDRAWAL:
            if payee is not None:
                return None
            called_payee = _clearing_code(INTERNAL_PROCESSOR, currency_code)
        if called_payer is None or called_payee is None:
            return None
        debited, credited = self._name_of(ledger_id, called_payer), self._name_of(ledger_id, called_payee)
        if debited is None or credited is None or debited.id == credited.id:
            return None
        try:
            money = Money.parse(amount, currency)
        except DomainError:
            return None
        codes: dict[UUID, str] = {debited.id: debited.code, credited.id: credited.code}
        command = Pay(
            id=new_uuid(),
            ledger_id=ledger_id,
            idempotency_key=idempotency_key,
            fingerprint=_fingerprint(type_text, money, payer, payee, reference, description),
            actor=actor,
            codes=codes,
            called=(called_payer, called_payee),
            type=type_,
            money=money,
            payer_id=AccountId(debited.id),
            payee_id=AccountId(credited.id),
            texts=NO_TEXTS if reference is None and description is None else PaymentTexts(reference, description),
        )
        return Prepared(command, codes)


def _fingerprint(
    type_text: str,
    money: Money,
    payer: str | None,
    payee: str | None,
    reference: str | None,
    description: str | None,
) -> bytes:
    """As `fingerprint` makes it of `ordered_content`: members sorted, those that are not there left out.

    What names an account that is known, a currency or a type, and what is an amount, is written as it is.
    """
    said = f'zerosum.request.v1 payment {{"amount":"{render_amount(money.amount)}","currency":"{money.currency.code}"'
    if description is not None:
        said += f',"description":{orjson.dumps(description).decode()}'
    if payer is not None:
        said += f',"from":"{payer}"'
    if reference is not None:
        said += f',"reference":{orjson.dumps(reference).decode()}'
    if payee is not None:
        said += f',"to":"{payee}"'
    return sha256(f'{said},"type":"{type_text}"}}'.encode()).digest()
