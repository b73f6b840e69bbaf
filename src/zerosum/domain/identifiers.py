"""Ids: a prefix and a UUIDv7 in text on the wire, a plain UUID inside."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NewType
from uuid import UUID

from zerosum.domain.errors import InvalidId

LedgerId = NewType("LedgerId", UUID)
AccountId = NewType("AccountId", UUID)
JournalEntryId = NewType("JournalEntryId", UUID)
PaymentId = NewType("PaymentId", UUID)
HoldId = NewType("HoldId", UUID)
DisputeId = NewType("DisputeId", UUID)
ScheduledPaymentId = NewType("ScheduledPaymentId", UUID)
ReviewId = NewType("ReviewId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)

SERVICE_LEDGER = LedgerId(UUID(int=0))
"""Owns what belongs to the service itself (signing keys, its data key). No account can live in it."""

ID_PATTERN_TEXT = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUID_TEXT = re.compile(ID_PATTERN_TEXT, re.IGNORECASE | re.ASCII)

CODE_PATTERN_TEXT = "[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,127}"
_CODE = re.compile(CODE_PATTERN_TEXT, re.ASCII)


RESERVED_CODES = {
    "clearing:": "where money to and from a processor waits",
    "clients:": "the accounts of clients",
    "disputes:": "kept for disputes of payments",
    "holds:": "kept for holds",
    "zerosum:": "kept for whatever else the service will open for itself",
}
"""Codes that begin so are opened by the service alone: whoever took one would stop what needs it."""
RESERVED_CODES_PATTERN_TEXT = "|".join(RESERVED_CODES)


def is_reserved_code(text: str) -> bool:
    return text.startswith(tuple(RESERVED_CODES))


class Prefix(StrEnum):
    """What stands before a UUID on the wire, so that an id says what it names."""

    LEDGER = "led_"
    ACCOUNT = "acc_"
    JOURNAL_ENTRY = "je_"
    PAYMENT = "pay_"
    HOLD = "hold_"
    REFUND = "ref_"
    DISPUTE = "dsp_"
    EXCHANGE = "exc_"
    SCHEDULED_PAYMENT = "sch_"
    SCHEDULED_RUN = "run_"
    REVIEW = "rev_"
    PROPOSAL = "prp_"
    EVENT = "evt_"
    WEBHOOK_ENDPOINT = "we_"
    NOTIFICATION = "ntf_"
    MAIL = "mail_"
    API_KEY = "key_"
    CONSOLE_SESSION = "ses_"
    AUDIT_RECORD = "aud_"
    STATEMENT = "stm_"
    DEAD_LETTER = "dl_"
    RECONCILIATION_FILE = "rcf_"
    RECONCILIATION_BREAK = "brk_"
    RECONCILIATION_MATCH = "rcm_"


def render_id(prefix: Prefix, value: UUID) -> str:
    return f"{prefix.value}{value}"


def parse_id(prefix: Prefix, text: str) -> UUID:
    """The UUID in `text`. Upper case means the same id; braces, other prefixes and the nil UUID are refused.

    Raises InvalidId.
    """
    body = text.removeprefix(prefix.value)
    if len(body) != len(text) and _UUID_TEXT.fullmatch(body):
        value = UUID(body)
        if value.int != 0:
            return value
    raise InvalidId(f"An id of this kind is written {prefix.value} and a UUID.")


def is_account_code(text: str) -> bool:
    """Whether `text` may be an account's code: it can never be mistaken for an account id.

    Nor has it a segment `.` or `..`: programs on the way take these out of an address, however they are written.
    """
    if _CODE.fullmatch(text) is None or text.startswith(Prefix.ACCOUNT.value):
        return False
    return "/." not in text or {".", ".."}.isdisjoint(text.split("/"))
