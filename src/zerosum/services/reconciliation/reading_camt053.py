"""A bank statement as ISO 20022 camt.053, of any version: its entries, and whether they come to what it says.

A credit is what comes in for the holder of the account, whose books these are. Entries that the bank has not booked are
left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, tzinfo
from decimal import Decimal

from zerosum.domain.errors import DomainError
from zerosum.domain.money import Currency, add, parse_signed_amount, subtract
from zerosum.domain.reconciliation.outside import (
    LINES_MAX,
    REFERENCES_MAX,
    TEXT_MAX,
    Faults,
    OutsideLine,
    OutsideRecord,
    repeated_ids,
    spoken_of,
)
from zerosum.services.reconciliation.csv_values import FIRST_DAY, LAST_DAY
from zerosum.services.reconciliation.xml_nodes import Node, read_nodes
from zerosum.services.requests.times import parse_time

_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.\d\d")
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(Z|[+-]\d\d:\d\d)?", re.ASCII)
_SIGNS = {"CRDT": 1, "DBIT": -1}
_REFERENCES = ("EndToEndId", "TxId", "InstrId", "PmtInfId", "AcctSvcrRef", "UETR", "ClrSysRef")
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)
_READ_OF_STATEMENT = ("Acct", "Bal", "FrToDt", "TxsSummry")
_NOTHING_PROVIDED = "NOTPROVIDED"


def read_camt053(content: bytes, currency: Currency, zone: tzinfo, outside_account: str | None) -> OutsideRecord:
    """`outside_account` is the number that the bank knows it by, where it is to be looked at.

    Raises ReconciliationFileInvalid.
    """
    faults = Faults()
    reader = _Reader(currency, zone, outside_account, faults)
    namespace = read_nodes(content, "Document/BkToCstmrStmt/Stmt", reader.take, faults)
    if namespace is not None and not _NAMESPACE.fullmatch(namespace):
        faults.note(
            1, "Document", "wrong_namespace", "This is no camt.053 (urn:iso:std:iso:20022:tech:xsd:camt.053.001.xx)."
        )
    return reader.record()


class _Reader:
    def __init__(self, currency: Currency, zone: tzinfo, outside_account: str | None, faults: Faults) -> None:
        self._currency = currency
        self._zone = zone
        self._outside_account = outside_account
        self._faults = faults
        self._lines: list[OutsideLine] = []
        self._entries = 0
        self._said: dict[str, list[Node]] = {}
        self._place = 1

    def take(self, node: Node) -> None:
        """One child of the statement."""
        self._place = node.place
        if node.name in _READ_OF_STATEMENT:
            self._said.setdefault(node.name, []).append(node)
        if node.name != "Ntry":
            return
        self._entries += 1
        if self._entries > LINES_MAX:
            if self._entries == LINES_MAX + 1:
                self._fault(node, "Ntry", "too_many_lines", f"A statement has at most {LINES_MAX} entries.")
            return
        line = self._line(node)
        if line is not None:
            self._lines.append(line)

    def record(self) -> OutsideRecord:
        faults, lines = self._faults, self._lines
        faults.check()
        self._check_account()
        opening, closing = self._balance(_OPENING), self._balance(_CLOSING)
        total = Decimal(0)
        for line in lines:
            total = add(total, line.amount)
        if opening is not None and closing is not None and add(opening, total) != closing:
            faults.note(
                self._place, "Bal", "wrong_balance", "Opening balance and entries do not come to the closing one."
            )
        self._check_summary()
        for line in repeated_ids(lines):
            faults.note(line.place, "AcctSvcrRef", "duplicate_line", "An earlier entry has this reference of the bank.")
        from_on, to_on = self._days(lines)
        faults.check()
        return OutsideRecord(lines=lines, from_on=from_on, to_on=to_on, opening=opening, closing=closing)

    def _fault(self, node: Node, column: str, fault: str, detail: str) -> None:
        self._faults.note(node.place, column, fault, detail)

    def _line(self, node: Node) -> OutsideLine | None:
        if (node.text_of("Sts/Cd") or node.text_of("Sts")) not in ("BOOK", ""):
            return None
        amount = self._signed(node)
        booked_on, value_on = self._day(node, "BookgDt"), self._day(node, "ValDt")
        on = booked_on or value_on
        if on is None:
            self._fault(node, "BookgDt", "invalid_date", "An entry has a booking date, written 2026-11-21.")
        if amount is None or not amount or on is None:
            return None
        own = _text(node.text_of("AcctSvcrRef"))
        told = [_text(one.text) for name in _REFERENCES for one in node.all(f"NtryDtls/TxDtls/Refs/{name}")]
        told += [_text(one.text) for one in node.all("NtryDtls/TxDtls/RmtInf/Strd/CdtrRefInf/Ref")]
        free = [_text(one.text) for one in node.all("NtryDtls/TxDtls/RmtInf/Ustrd")]
        references = [text for text in dict.fromkeys((own, *told, *free)) if text and text != _NOTHING_PROVIDED]
        description = " ".join(text for text in (_text(node.text_of("AddtlNtryInf")), *free) if text)
        return OutsideLine(
            place=node.place,
            booked_on=on,
            value_on=value_on,
            amount=amount,
            outside_id=own or None,
            references=tuple(references[:REFERENCES_MAX]),
            description=description[:TEXT_MAX] or None,
        )

    def _signed(self, node: Node) -> Decimal | None:
        amount = self._amount(node)
        sign = _SIGNS.get(node.text_of("CdtDbtInd"))
        if sign is None:
            self._fault(node, "CdtDbtInd", "invalid_direction", "This is CRDT or DBIT.")
        if amount is None or sign is None:
            return None
        return amount if sign > 0 or not amount else amount.copy_negate()

    def _amount(self, node: Node) -> Decimal | None:
        found = node.first("Amt")
        if found is None:
            self._fault(node, "Amt", "invalid_amount", "The amount is missing.")
            return None
        if found.attributes.get("Ccy") != self._currency.code:
            self._fault(found, "Amt", "currency_mismatch", f"The account holds {self._currency.code}.")
            return None
        if found.text.startswith("-"):
            self._fault(found, "Amt", "invalid_amount", "An amount has no sign: CdtDbtInd says its direction.")
            return None
        return self._number(found, "Amt", found.text)

    def _number(self, node: Node, column: str, text: str) -> Decimal | None:
        try:
            return parse_signed_amount(text, self._currency, pointer="")
        except DomainError as refusal:
            self._fault(node, column, refusal.code, refusal.detail)
            return None

    def _day(self, node: Node, name: str) -> date | None:
        text = node.text_of(f"{name}/Dt") or node.text_of(f"{name}/DtTm")
        return self._parsed(node, name, text) if text else None

    def _parsed(self, node: Node, column: str, text: str) -> date | None:
        match = _DAY.fullmatch(text)
        try:
            if match is not None:
                found = date(int(match[1]), int(match[2]), int(match[3]))
            else:
                # A time without a zone is one of the bank's clock.
                moment = parse_time(text) or parse_time(f"{text}Z")
                is_local = moment is not None and parse_time(text) is None
                found = date.min if moment is None else (moment if is_local else moment.astimezone(self._zone)).date()
        except ValueError:
            found = date.min
        if not FIRST_DAY <= found <= LAST_DAY:
            self._fault(node, column, "invalid_date", "A day is written 2026-11-21.")
            return None
        return found

    def _check_account(self) -> None:
        accounts = self._said.get("Acct", [])
        if len(accounts) != 1:
            detail = "A file holds one statement of one account."
            self._faults.note(self._place, "Stmt", "not_one_statement", detail)
            self._faults.check()
        (account,) = accounts
        if account.text_of("Ccy") not in ("", self._currency.code):
            self._fault(account, "Ccy", "currency_mismatch", f"The account holds {self._currency.code}.")
        number = account.text_of("Id/IBAN") or account.text_of("Id/Othr/Id")
        if self._outside_account is not None and number.replace(" ", "") != self._outside_account.replace(" ", ""):
            self._fault(account, "Acct", "wrong_account", "The statement is of another account than the source names.")

    def _balance(self, kinds: Sequence[str]) -> Decimal | None:
        for kind in kinds:
            for balance in self._said.get("Bal", []):
                if balance.text_of("Tp/CdOrPrtry/Cd") == kind:
                    return self._signed(balance)
        self._faults.note(self._place, "Bal", "missing_balance", f"The statement has no balance {kinds[0]}.")
        return None

    def _check_summary(self) -> None:
        """What the statement counts itself, where it does, of all its entries."""
        if len(self._lines) != self._entries:
            return  # some are not booked, or of nothing, and it counts them
        parts = {"TtlNtries": (1, -1), "TtlCdtNtries": (1,), "TtlDbtNtries": (-1,)}
        for summary in self._said.get("TxsSummry", []):
            for name, signs in parts.items():
                for part in summary.all(name):
                    self._check_part(part, [line for line in self._lines if (1 if line.amount > 0 else -1) in signs])

    def _check_part(self, part: Node, lines: Sequence[OutsideLine]) -> None:
        count, whole = part.text_of("NbOfNtries"), part.text_of("Sum")
        if count and count != str(len(lines)):
            self._fault(part, part.name, "wrong_count", "There are not as many entries as the statement counts.")
        total = Decimal(0)
        for line in lines:
            total = add(total, line.amount.copy_abs())
        if whole:
            said = self._number(part, part.name, whole)
            if said is not None and subtract(said, total):
                self._fault(part, part.name, "wrong_sum", "The entries do not come to the sum of the statement.")

    def _days(self, lines: Sequence[OutsideLine]) -> tuple[date, date]:
        for span in self._said.get("FrToDt", []):
            start, end = ((span.text_of(f"{name}Tm") or span.text_of(name), name) for name in ("FrDt", "ToDt"))
            days = [self._parsed(span, name, text) for text, name in (start, end) if text]
            if len(days) == 2 and days[0] is not None and days[1] is not None and days[0] <= days[1]:
                return days[0], days[1]
            self._fault(span, "FrToDt", "invalid_date", "The statement goes from one day to a later one.")
        if lines:
            return spoken_of(lines)
        if not self._faults.found:
            self._faults.note(self._place, "FrToDt", "no_lines", "The statement has no entries, and says no days.")
        return FIRST_DAY, FIRST_DAY


def _text(text: str) -> str:
    """On one line, without what cannot be shown."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())[:TEXT_MAX]
