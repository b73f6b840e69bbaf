"""pain.001.001.09: a message of credit transfers, a payment information for each currency, with its control sums."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
IBAN = re.compile("[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
BIC = re.compile("[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
NAME_MAX = 70
REMITTANCE_MAX = 140

_OUTSIDE_OF_SEPA = re.compile("[^A-Za-z0-9/?:().,'+ -]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Debtor:
    """On whose account at the bank payouts are made."""

    name: str
    iban: str
    bic: str | None = None


def is_iban(text: str) -> bool:
    """With its check digits."""
    if IBAN.fullmatch(text) is None:
        return False
    return int("".join(str(int(letter, 36)) for letter in text[4:] + text[:4])) % 97 == 1


def plain(text: str, length: int) -> str:
    """In the characters that every bank takes."""
    letters = unicodedata.normalize("NFKD", text)
    kept = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(_OUTSIDE_OF_SEPA.sub(" ", kept).split())[:length].strip()


def pain001(debtor: Debtor, message_id: str, created_at: str, instructions: Sequence[Mapping[str, Any]]) -> bytes:
    """The same bytes for the same arguments."""
    document = Element("Document", xmlns=NAMESPACE)
    root = SubElement(document, "CstmrCdtTrfInitn")
    header = SubElement(root, "GrpHdr")
    _put(header, "MsgId", message_id)
    _put(header, "CreDtTm", created_at)
    _put_sums(header, instructions)
    _put(SubElement(header, "InitgPty"), "Nm", plain(debtor.name, NAME_MAX))
    by_currency: dict[str, list[Mapping[str, Any]]] = {}
    for one in instructions:
        by_currency.setdefault(one["currency"], []).append(one)
    for currency, own in sorted(by_currency.items()):
        _put_payments(root, debtor, f"{message_id}-{currency}", created_at[:10], own)
    indent(document, " ")
    text: str = tostring(document, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _put_payments(
    root: Element, debtor: Debtor, payment_id: str, day: str, instructions: Sequence[Mapping[str, Any]]
) -> None:
    payments = SubElement(root, "PmtInf")
    _put(payments, "PmtInfId", payment_id)
    _put(payments, "PmtMtd", "TRF")
    _put_sums(payments, instructions)
    if instructions[0]["currency"] == "EUR":
        _put(_below(payments, "PmtTpInf", "SvcLvl"), "Cd", "SEPA")
    _put(SubElement(payments, "ReqdExctnDt"), "Dt", day)
    _put(SubElement(payments, "Dbtr"), "Nm", plain(debtor.name, NAME_MAX))
    _put(_below(payments, "DbtrAcct", "Id"), "IBAN", debtor.iban)
    agent = _below(payments, "DbtrAgt", "FinInstnId")
    if debtor.bic is None:
        _put(SubElement(agent, "Othr"), "Id", "NOTPROVIDED")
    else:
        _put(agent, "BICFI", debtor.bic)
    _put(payments, "ChrgBr", "SLEV")
    for one in instructions:
        _put_transfer(payments, one)


def _put_transfer(payments: Element, one: Mapping[str, Any]) -> None:
    transfer = SubElement(payments, "CdtTrfTxInf")
    ids = SubElement(transfer, "PmtId")
    _put(ids, "InstrId", one["id"])
    _put(ids, "EndToEndId", one["id"])
    amount = SubElement(SubElement(transfer, "Amt"), "InstdAmt", Ccy=one["currency"])
    amount.text = one["amount"]
    if one.get("bic"):
        _put(_below(transfer, "CdtrAgt", "FinInstnId"), "BICFI", one["bic"])
    _put(SubElement(transfer, "Cdtr"), "Nm", one["name"])
    _put(_below(transfer, "CdtrAcct", "Id"), "IBAN", one["iban"])
    if one.get("remittance"):
        _put(SubElement(transfer, "RmtInf"), "Ustrd", one["remittance"])


def _put_sums(element: Element, instructions: Iterable[Mapping[str, Any]]) -> None:
    amounts = [Decimal(one["amount"]) for one in instructions]
    _put(element, "NbOfTxs", str(len(amounts)))
    _put(element, "CtrlSum", format(sum(amounts, Decimal(0)), "f"))


def _below(element: Element, *names: str) -> Element:
    for name in names:
        element = SubElement(element, name)
    return element


def _put(element: Element, name: str, text: str) -> None:
    SubElement(element, name).text = text
