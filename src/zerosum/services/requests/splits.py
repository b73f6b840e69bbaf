"""Splits as they are asked for: names to accounts, text to percentages and amounts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.domain.errors import SameAccount, ValidationFailed
from zerosum.domain.identifiers import AccountId
from zerosum.domain.money import Currency, parse_amount, parse_percent
from zerosum.domain.payments.splits import AskedSplit, SplitRule
from zerosum.services.requests.account_directory import AccountName

KnownAccount = Callable[[str, str], AccountName]
"""The account of a name, for which the refusal would point at this member."""


class SplitOrder(NamedTuple):
    """Who is to get which part, in its wire form: exactly one of the others is said."""

    to: str
    percent: str | None = None
    amount: str | None = None
    takes_remainder: bool = False


class Payee(NamedTuple):
    """Who gets what the splits leave, and how he was named."""

    id: AccountId
    code: str
    called: str


def names_in(splits: Iterable[SplitOrder]) -> set[str]:
    """What has to be loaded before `asked_splits` can know it."""
    return {split.to for split in splits}


def remainder_place(splits: Sequence[SplitOrder]) -> int | None:
    """Which of them takes what the others leave. Raises ValidationFailed where that are several."""
    places = [place for place, split in enumerate(splits) if split.takes_remainder]
    if len(places) > 1:
        raise ValidationFailed("Only one can take what is left.", pointer=f"/splits/{places[1]}/remainder")
    return places[0] if places else None


def asked_splits(
    splits: Sequence[SplitOrder], currency: Currency, payer_id: AccountId, payee: Payee, known: KnownAccount
) -> tuple[tuple[AskedSplit, ...], Mapping[UUID, str]]:
    """With the payee among them, and the codes of all. Raises ValidationFailed, SameAccount, what `known` does."""
    remainder = remainder_place(splits)
    codes: dict[UUID, str] = {payee.id: payee.code}
    asked = []
    taken = {payer_id} if remainder is not None else {payer_id, payee.id}
    for place, split in enumerate(splits):
        pointer = f"/splits/{place}"
        account = known(split.to, f"{pointer}/to")
        if place == remainder and account.id != payee.id:
            raise ValidationFailed("The payee keeps what the splits leave.", pointer=f"{pointer}/remainder")
        if account.id in taken:
            raise SameAccount(
                "The account has another part in this payment.", pointer=f"{pointer}/to", account=split.to
            )
        taken.add(account.id)
        codes[account.id] = account.code
        asked.append(_asked(split, account.id, currency, pointer))
    if remainder is None:
        asked.append(AskedSplit(payee.id, SplitRule.REST, None, payee.called))
    return tuple(asked), codes


def _asked(split: SplitOrder, account_id: AccountId, currency: Currency, pointer: str) -> AskedSplit:
    said = (split.percent is not None) + (split.amount is not None) + split.takes_remainder
    if said != 1:
        raise ValidationFailed("A split has either `percent`, or `amount`, or `remainder`.", pointer=pointer)
    if split.percent is not None:
        percent = parse_percent(split.percent, pointer=f"{pointer}/percent")
        return AskedSplit(account_id, SplitRule.PERCENT, percent, split.to)
    if split.amount is not None:
        amount = parse_amount(split.amount, currency, pointer=f"{pointer}/amount")
        return AskedSplit(account_id, SplitRule.AMOUNT, amount, split.to)
    return AskedSplit(account_id, SplitRule.REMAINDER, None, split.to)


def said_of(asked: Iterable[AskedSplit]) -> list[Mapping[str, Any]]:
    """What of them an order has said, for its fingerprint."""
    return [
        {"to": one.called, one.rule.value: one.value_text or "true"} for one in asked if one.rule is not SplitRule.REST
    ]
