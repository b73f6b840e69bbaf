"""Statements as ISO 20022 camt.053.001.08, which banks and accounting programs read.

What raises the account's balance is a credit there and what lowers it a debit, whatever type the account has: the
message speaks to the one whose account it is. Its times are inclusive, so the span ends a microsecond earlier.
"""

from __future__ import annotations

import re
from decimal import Decimal
from uuid import UUID
from xml.etree.ElementTree import Element, SubElement, tostring

from zerosum.api.render import render_time
from zerosum.api.schemas.statements import explanation_text
from zerosum.domain.errors import StatementNotInForm
from zerosum.domain.ledger.account import Side
from zerosum.domain.money import render_amount
from zerosum.services.issued_statements import NumberedStatement
from zerosum.services.requests.paging import gently
from zerosum.services.requests.times import INSTANT
from zerosum.services.statements import Explanation, Statement, StatementLine

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
MEDIA_TYPE = "application/xml"

_CURRENCY = re.compile("[A-Z]{3}")
_DIGITS_MAX, _PLACES_MAX = 18, 5
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHORT, _NAME, _REASON, _LINE, _TOLD = 35, 70, 105, 140, 500


async def camt053(numbered: NumberedStatement, statement: Statement) -> bytes:
    """Raises StatementNotInForm for a currency or an amount that the message has no room for."""
    issued = numbered.issued
    if not _CURRENCY.fullmatch(issued.content.currency):
        raise StatementNotInForm("camt.053 knows currencies of three capital letters only.", form="camt.053")
    document = Element("Document", xmlns=NAMESPACE)
    message = SubElement(document, "BkToCstmrStmt")
    header = SubElement(message, "GrpHdr")
    _text(header, "MsgId", issued.id.hex)
    _text(header, "CreDtTm", render_time(issued.issued_at))
    body = SubElement(message, "Stmt")
    _text(body, "Id", issued.id.hex)
    _text(body, "ElctrncSeqNb", str(issued.number))
    _text(body, "LglSeqNb", str(issued.number))
    _text(body, "CreDtTm", render_time(issued.issued_at))
    span = SubElement(body, "FrToDt")
    _text(span, "FrDtTm", render_time(statement.start))
    _text(span, "ToDtTm", _last_moment(statement))
    _account(body, numbered)
    _balance(body, "OPBD", issued.content.opening, issued.content.currency, render_time(statement.start))
    _balance(body, "CLBD", issued.content.closing, issued.content.currency, _last_moment(statement))
    balance = statement.opening
    rises = [line.running_balance > before for line, before in _with_before(statement, balance)]
    await gently(lambda one: _entry(body, *one), list(zip(statement.lines, rises, strict=True)))
    proof = (
        f"account version {issued.content.account_version}, head {issued.content.head.hex()}, hash {issued.hash.hex()}"
    )
    _text(body, "AddtlStmtInf", proof)
    written: bytes = tostring(document, encoding="utf-8", xml_declaration=True)
    return written


def _with_before(statement: Statement, opening: Decimal) -> list[tuple[StatementLine, Decimal]]:
    before = [opening, *(line.running_balance for line in statement.lines)]
    return list(zip(statement.lines, before, strict=False))


def _last_moment(statement: Statement) -> str:
    return render_time(max(statement.end - INSTANT, statement.start))


def _account(parent: Element, numbered: NumberedStatement) -> None:
    account = SubElement(parent, "Acct")
    _text(SubElement(SubElement(account, "Id"), "Othr"), "Id", numbered.account.id.hex)
    _text(account, "Ccy", numbered.issued.content.currency)
    _text(account, "Nm", numbered.account.code[:_NAME])


def _balance(parent: Element, kind: str, amount: Decimal, currency: str, moment: str) -> None:
    balance = SubElement(parent, "Bal")
    _text(SubElement(SubElement(balance, "Tp"), "CdOrPrtry"), "Cd", kind)
    _amount(balance, amount.copy_abs(), currency)
    _text(balance, "CdtDbtInd", "DBIT" if amount < 0 else "CRDT")
    _text(SubElement(balance, "Dt"), "DtTm", moment)


def _entry(parent: Element, line: StatementLine, is_credit: bool) -> None:
    posting = line.posting
    entry = SubElement(parent, "Ntry")
    _text(entry, "NtryRef", str(posting.account_version))
    _amount(entry, posting.amount, posting.currency)
    _text(entry, "CdtDbtInd", "CRDT" if is_credit else "DBIT")
    _text(SubElement(entry, "Sts"), "Cd", "BOOK")
    _text(SubElement(entry, "BookgDt"), "DtTm", render_time(posting.posted_at))
    _text(SubElement(entry, "ValDt"), "DtTm", render_time(posting.effective_at))
    _text(entry, "AcctSvcrRef", posting.entry_id.hex)
    code = SubElement(SubElement(entry, "BkTxCd"), "Prtry")
    _text(code, "Cd", "debit" if posting.side is Side.DEBIT else "credit")
    _text(code, "Issr", "Zerosum")
    _details(entry, line, is_credit)
    _text(entry, "AddtlNtryInf", line.explanation.reason)


def _details(entry: Element, line: StatementLine, is_credit: bool) -> None:
    said = line.explanation
    details = SubElement(SubElement(entry, "NtryDtls"), "TxDtls")
    references = SubElement(details, "Refs")
    _text(references, "AcctSvcrRef", line.posting.entry_id.hex)
    is_short = said.reference is not None and len(_clean(said.reference)) <= _SHORT
    if said.reference is not None and is_short:
        _text(references, "EndToEndId", said.reference)
    for kind, id_ in {"payment": said.payment_id, said.resource_type.value: said.resource_id}.items():
        if isinstance(id_, UUID):
            own = SubElement(references, "Prtry")
            _text(own, "Tp", kind)
            _text(own, "Ref", id_.hex)
    _amount(details, line.posting.amount, line.posting.currency)
    _text(details, "CdtDbtInd", "CRDT" if is_credit else "DBIT")
    if said.counterparties:
        party = SubElement(SubElement(details, "RltdPties"), "Dbtr" if is_credit else "Cdtr")
        _text(SubElement(party, "Pty"), "Nm", said.counterparties[0])
    told = [said.description, None if is_short else said.reference]
    pieces = [piece for text in told if text is not None for piece in _pieces(_clean(text))]
    if pieces:
        remittance = SubElement(details, "RmtInf")
        for piece in pieces:
            _text(remittance, "Ustrd", piece)
    _why(details, said)


def _why(details: Element, said: Explanation) -> None:
    """Why money came back stands where banks look for it, and everything else that is known of it as text."""
    if said.cause is not None or said.network_reason_code is not None:
        returned = SubElement(details, "RtrInf")
        code = _clean(said.network_reason_code or said.cause or "")
        _text(SubElement(returned, "Rsn"), "Prtry", code[:_SHORT])
        for piece in _pieces(_clean(said.cause or ""), _REASON):
            _text(returned, "AddtlInf", piece)
    told = _clean(explanation_text(said)) if explanation_text(said) else ""
    if told:
        _text(details, "AddtlTxInf", told[:_TOLD])


def _pieces(text: str, length: int = _LINE) -> list[str]:
    return [text[start : start + length] for start in range(0, len(text), length)]


def _amount(parent: Element, amount: Decimal, currency: str) -> None:
    places = -int(amount.as_tuple().exponent)
    digits = len(render_amount(amount).replace(".", "").lstrip("0"))
    if places > _PLACES_MAX or digits > _DIGITS_MAX:
        raise StatementNotInForm(
            f"camt.053 has room for {_DIGITS_MAX} digits, {_PLACES_MAX} of them after the point.", form="camt.053"
        )
    SubElement(parent, "Amt", Ccy=currency).text = render_amount(amount)


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _clean(text)


def _clean(text: str) -> str:
    """XML has no way to write most control characters."""
    return _NOT_IN_XML.sub("\ufffd", text) or "-"
