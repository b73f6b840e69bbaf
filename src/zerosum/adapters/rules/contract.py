"""What a plug-in is asked and what it answers. It needs this file and nothing else of Zerosum.

It is one plain function. It runs in a process of its own, which is ended where it does not answer in time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    ALLOW = "allow"
    REFUSE = "refuse"
    REVIEW = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePayment:
    """The payment, as it is ordered. `payer` and `payee` are codes; a deposit has no payer, a withdrawal no payee."""

    ledger: str
    type: str
    amount: str
    currency: str
    payer: str | None = None
    payee: str | None = None
    receivers: tuple[str, ...] = ()
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    actor: str = ""


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """`reason` is told to whoever has sent the payment."""

    verdict: Verdict
    reason: str | None = None


Check = Callable[[RulePayment], RuleVerdict]

Make = Callable[[str, Mapping[str, Any]], Check]
"""What a plug-in registers: from the rule's name and the plug-in's own options to a check. Raises ValueError."""


def allow() -> RuleVerdict:
    return RuleVerdict(Verdict.ALLOW)


def refuse(reason: str) -> RuleVerdict:
    return RuleVerdict(Verdict.REFUSE, reason)


def review(reason: str) -> RuleVerdict:
    return RuleVerdict(Verdict.REVIEW, reason)
