"""What the bank says in pain.002 and camt.054 of the payouts of our messages: only what is decided for good counts."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from xml.etree.ElementTree import Element

from zerosum.adapters.safe_xml import FileWrong, name_of, named, namespace_of, text_at

SETTLED = frozenset({"ACSC", "ACCC"})
"""Of pain.002: it was carried out. All that is neither that nor RJCT is on its way."""

REJECTED = "RJCT"

DUPLICATES = frozenset({"AM05", "DU01", "DU02", "DU03", "DU04", "DU05"})
"""Reasons of a bank that has had it before: nothing is said of the first one, which it may carry out."""


class Said(NamedTuple):
    """Of one payout by its end-to-end id, or of all of a message. `amount` None: it tells none."""

    id: str
    is_paid: bool
    reason: str | None = None
    reference: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    is_message: bool = False
    of_currency: str | None = None
    """Of a message: only its payouts in this one, which are a payment information of their own."""
    is_return: bool = False

    @property
    def is_duplicate(self) -> bool:
        return not self.is_paid and self.reason in DUPLICATES


def said_in(root: Element) -> list[Said]:
    """Raises FileWrong."""
    space = namespace_of(root)
    kind = next((kind for kind in _READERS if f":xsd:{kind}." in space), None)
    if kind is None or name_of(root) != "Document":
        raise FileWrong("it is neither pain.002 nor camt.054")
    return list(_READERS[kind](root))


def _of_status_report(root: Element) -> Iterator[Said]:
    reports = list(named(root, "CstmrPmtStsRpt"))
    if len(reports) != 1:
        raise FileWrong("a pain.002 holds one CstmrPmtStsRpt")
    [report] = reports
    group = next(named(report, "OrgnlGrpInfAndSts"), None)
    message_id = None if group is None else text_at(group, "OrgnlMsgId")
    if group is None or not message_id:
        raise FileWrong("a pain.002 names the message that it is about: OrgnlMsgId")
    for one in named(report, "OrgnlPmtInfAndSts", "TxInfAndSts"):
        status, id_ = text_at(one, "TxSts"), text_at(one, "OrgnlEndToEndId")
        if id_ and (status in SETTLED or status == REJECTED):
            yield Said(id_, status in SETTLED, _reason(one), text_at(one, "AcctSvcrRef"))
    # Those that a bank lists are often the ones at fault alone: the others are rejected with them.
    if text_at(group, "GrpSts") == REJECTED:
        yield Said(message_id, False, _reason(group), is_message=True)
        return
    for part in named(report, "OrgnlPmtInfAndSts"):
        if text_at(part, "PmtInfSts") == REJECTED:
            of, _, currency = (text_at(part, "OrgnlPmtInfId") or "").rpartition("-")
            yield Said(of, False, _reason(part), is_message=True, of_currency=currency)


def _reason(element: Element) -> str | None:
    return text_at(element, "StsRsnInf", "Rsn", "Cd") or text_at(element, "StsRsnInf", "Rsn", "Prtry")


def _of_notification(root: Element) -> Iterator[Said]:
    for entry in named(root, "BkToCstmrDbtCdtNtfctn", "Ntfctn", "Ntry"):
        status = text_at(entry, "Sts", "Cd") or text_at(entry, "Sts")
        if status != "BOOK":
            continue
        way = text_at(entry, "CdtDbtInd")
        for one in named(entry, "NtryDtls", "TxDtls"):
            id_ = text_at(one, "Refs", "EndToEndId")
            if id_ is None:
                continue
            amount = next(named(one, "Amt"), None)
            yield Said(
                id_,
                is_paid=way == "DBIT",
                reason=text_at(one, "RtrInf", "Rsn", "Cd"),
                reference=text_at(one, "Refs", "AcctSvcrRef"),
                amount=None if amount is None else _amount(amount),
                currency=None if amount is None else amount.get("Ccy"),
                # What is credited under an id of ours has come back, whether the bank says why or not.
                is_return=way != "DBIT" or next(named(one, "RtrInf"), None) is not None,
            )


def _amount(element: Element) -> Decimal:
    try:
        amount = Decimal((element.text or "").strip())
    except InvalidOperation:
        raise FileWrong(f"{element.text!r} is no amount") from None
    if not amount.is_finite():
        raise FileWrong(f"{element.text!r} is no amount")
    return amount


_READERS = {"pain.002": _of_status_report, "camt.054": _of_notification}
