"""A processor that pays out by files: it takes an order on at once, and the bank's files say what became of it.

Two runs do the rest, by hand or by a timer (`zerosum iso20022`): one writes a message of all that is new, the other
reads what the bank has sent. The worker finds what was read when it looks the payment up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from zerosum.adapters.processors.contract import (
    BadCallback,
    ProcessorAnswer,
    ProcessorCallback,
    ProcessorOrder,
    ProcessorOutcome,
)
from zerosum.adapters.processors.iso20022.answers import Said, said_in
from zerosum.adapters.processors.iso20022.folder import Folder
from zerosum.adapters.processors.iso20022.messages import (
    BIC,
    NAME_MAX,
    REMITTANCE_MAX,
    Debtor,
    is_iban,
    pain001,
    plain,
)
from zerosum.adapters.safe_xml import FileWrong, read_xml

BATCH_MAX = 10_000
"""Payouts of one message; what is left over is for the next run."""

_ID = re.compile("[0-9a-f]{32}")
_MESSAGE_ID = re.compile("ZS[0-9]{14}[0-9a-f]{12}")
_CURRENCY = re.compile("[A-Z]{3}")
"""As the standard has it: one that is otherwise would spoil the message with all that is in it."""

BY_HAND = "settled_by_hand"

PLACES_MAX = 5
"""Of an amount, by the standard."""


class PayoutOptions(BaseModel):
    """Of the kind `iso20022`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    debtor_name: Annotated[str, Field(min_length=1, max_length=NAME_MAX)]
    debtor_iban: str
    debtor_bic: Annotated[str, Field(pattern=f"^{BIC.pattern}$")] | None = None

    @field_validator("debtor_name")
    @classmethod
    def _is_sayable(cls, value: str) -> str:
        if not plain(value, NAME_MAX):
            raise ValueError("has no character that every bank takes")
        return value

    @field_validator("debtor_iban")
    @classmethod
    def _is_iban(cls, value: str) -> str:
        compact = value.replace(" ", "")
        if not is_iban(compact):
            raise ValueError("is no IBAN")
        return compact


class FilePayouts:
    def __init__(self, options: PayoutOptions) -> None:
        self._debtor = Debtor(name=options.debtor_name, iban=options.debtor_iban, bic=options.debtor_bic)
        self.folder = Folder(options.folder)
        self.folder.make()

    def pay(self, order: ProcessorOrder) -> ProcessorAnswer:
        """Taken on, once for each key. Declined where no bank could carry it out."""
        objection = _objection(order)
        if objection is not None:
            return ProcessorAnswer(outcome=ProcessorOutcome.DECLINED, reason=objection)
        said, id_ = order.metadata, end_to_end_id(order.key)
        instruction = {
            "id": id_,
            "key": order.key,
            "payment_id": order.payment_id,
            "amount": order.amount,
            "currency": order.currency,
            "iban": _compact(said["creditor_iban"]),
            "bic": _compact(said.get("creditor_bic", "")) or None,
            "name": plain(said["creditor_name"], NAME_MAX),
            "remittance": plain(order.reference or order.description or "", REMITTANCE_MAX) or None,
        }
        self.folder.put("instructions", id_, instruction)
        return self.look_up(order.key)

    def look_up(self, key: str) -> ProcessorAnswer:
        id_ = end_to_end_id(key)
        result = self.folder.get("results", id_)
        if result is not None:
            outcome = ProcessorOutcome.APPROVED if result["is_paid"] else ProcessorOutcome.DECLINED
            return ProcessorAnswer(
                outcome=outcome,
                amount=result.get("amount"),
                reason=result["reason"],
                processor_payment_id=result["reference"] or id_,
            )
        if self.folder.get("instructions", id_) is not None:
            return ProcessorAnswer(outcome=ProcessorOutcome.PENDING, processor_payment_id=id_)
        return ProcessorAnswer(outcome=ProcessorOutcome.ABSENT)

    def withdraw(self, key: str, *, is_approved: bool, amount: str | None) -> None:
        """Where it is in no message yet it never will be, and this is its result. Raises FolderBusy."""
        with self.folder.lease():
            id_ = end_to_end_id(key)
            if id_ not in self._planned() and self.folder.get("batched", id_) is None:
                reason = None if is_approved else BY_HAND
                said = {"is_paid": is_approved, "amount": amount, "reason": reason, "reference": None, "file": None}
                self.folder.put("results", id_, said)

    def parse_callback(
        self,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> ProcessorCallback:
        raise BadCallback("a bank that sends files never calls")

    def write(self, now: datetime) -> list[str]:
        """The messages that were put into `out`: those that a run before has left, and a new one. Raises FolderBusy.

        What a message is made of is on the disk before it is: a run that dies is ended by the next one, byte for byte.
        """
        with self.folder.lease():
            self._plan(now)
            left = [name for name in self.folder.names("plans") if self.folder.get("done", name) is None]
            for message_id in left:
                plan = self.folder.get("plans", message_id) or {}
                for id_ in plan["ids"]:
                    self.folder.put("batched", id_, {"message": message_id})
                found = [self.folder.get("instructions", id_) or {} for id_ in plan["ids"]]
                message = pain001(self._debtor, message_id, plan["created_at"], found)
                self.folder.put_bytes("out", f"{message_id}.xml", message)
                self.folder.put("done", message_id, {"sha256": hashlib.sha256(message).hexdigest()})
            return left

    def read(self) -> Iterator[tuple[str, list[str]]]:
        """Of each file in `in`: its name, and what a person has to look at. Raises FolderBusy."""
        with self.folder.lease():
            for name in self.folder.names("in"):
                try:
                    told = said_in(read_xml(self.folder.path / "in" / name))
                except FileWrong as error:
                    self.folder.move(name, "wrong")
                    yield name, [str(error)]
                    continue
                complaints = [complaint for said in told for complaint in self._taken(said, name)]
                self.folder.move(name, "read")
                yield name, complaints

    def _planned(self) -> set[str]:
        """Those in messages that a run has left before they were put out."""
        return {
            id_
            for message_id in self.folder.names("plans")
            if self.folder.get("done", message_id) is None
            for id_ in (self.folder.get("plans", message_id) or {})["ids"]
        }

    def _plan(self, now: datetime) -> None:
        taken = self._planned() | set(self.folder.names("batched")) | set(self.folder.names("results"))
        new = [id_ for id_ in self.folder.names("instructions") if id_ not in taken][:BATCH_MAX]
        if new:
            # By what is in it, so that nothing is in two messages under one id, nor one message under two.
            digest = hashlib.sha256("\n".join(new).encode()).hexdigest()[:12]
            message_id = f"ZS{now:%Y%m%d%H%M%S}{digest}"
            self.folder.put("plans", message_id, {"ids": new, "created_at": f"{now:%Y-%m-%dT%H:%M:%S}"})

    def _taken_of_all(self, said: Said, name: str) -> Iterator[str]:
        """Of a message that is rejected, or its part in one currency."""
        plan = self.folder.get("plans", said.id) if _MESSAGE_ID.fullmatch(said.id) else None
        if plan is None:
            yield f"it rejects the message {said.id}, which is none of ours"
            return
        if said.is_duplicate:
            yield f"the bank says that it has had {said.id} before ({said.reason}): the first one goes on"
            return
        for id_ in plan["ids"]:
            if said.of_currency is None or (self.folder.get("instructions", id_) or {})["currency"] == said.of_currency:
                yield from self._taken(said._replace(id=id_, is_message=False), name)

    def _taken(self, said: Said, name: str) -> Iterator[str]:
        """What stands against it, in words."""
        if said.is_message:
            yield from self._taken_of_all(said, name)
            return
        instruction = self.folder.get("instructions", said.id) if _ID.fullmatch(said.id) else None
        if instruction is None:
            return  # A file of the bank tells of other payments, too.
        if said.is_return:
            yield f"{said.id} was paid and has come back ({said.reason}): book it by hand"
            return
        if self.folder.get("batched", said.id) is None:
            yield f"{said.id} was never sent to the bank, and it speaks of it"
            return
        if said.is_duplicate:
            yield f"the bank says that it has had {said.id} before ({said.reason}): look what became of the first"
            return
        asked = (Decimal(instruction["amount"]), instruction["currency"])
        if said.amount is not None and (said.amount, said.currency) != asked:
            wanted = f"{instruction['amount']} {instruction['currency']}"
            yield f"{said.id} was to be {wanted}, and not {said.amount} {said.currency}"
            return
        result = {"is_paid": said.is_paid, "reason": said.reason, "reference": said.reference, "file": name}
        if not self.folder.put("results", said.id, result):
            before = self.folder.get("results", said.id) or {}
            if before["is_paid"] != said.is_paid:
                yield f"{said.id} was {_word(before['is_paid'])} before, and now it is {_word(said.is_paid)}"


def make_payouts(name: str, options: Mapping[str, Any]) -> FilePayouts:  # noqa: ARG001 - the same for all
    given = {member: value for member, value in options.items() if member != "timeout_seconds"}
    return FilePayouts(PayoutOptions(**given))


def end_to_end_id(key: str) -> str:
    """Of at most 35 characters, as banks take them."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _objection(order: ProcessorOrder) -> str | None:
    said = order.metadata
    if order.type != "withdrawal":
        return "payouts_only"
    if not is_iban(_compact(said.get("creditor_iban", ""))):
        return "creditor_iban_invalid"
    bic = _compact(said.get("creditor_bic", ""))
    if bic and BIC.fullmatch(bic) is None:
        return "creditor_bic_invalid"
    if not plain(said.get("creditor_name", ""), NAME_MAX):
        return "creditor_name_missing"
    if _CURRENCY.fullmatch(order.currency) is None:
        return "currency_not_payable"
    places = len(order.amount.partition(".")[2])
    return "amount_not_payable" if places > PLACES_MAX or len(order.amount) > 18 else None


def _compact(text: str) -> str:
    return text.replace(" ", "").upper()


def _word(is_paid: bool) -> str:
    return "paid" if is_paid else "rejected"
