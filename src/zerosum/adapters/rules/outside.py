"""Rules that ask outside: so many at once, each for so long, and what is decided where no answer comes.

They are asked before anything is locked. Whatever goes wrong is told in the log, and the rule's default decides.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from zerosum.adapters.rules.contract import RulePayment, RuleVerdict, Verdict
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.domain.payments.rules import Finding, Judged, Rule, RuleAction

JUDGING_SECONDS_MAX = 4.0
"""One call is judged for no longer, however many payments it has: of those that are left the defaults decide.

With the committer's own deadline behind it that is less than a call through the framework may take.
"""

WAITING_MAX = 10_000
"""So many questions to one rule are under way or wait for their turn: of further ones the default decides at once."""

REASON_MAX = 300

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]+")

_log = logging.getLogger(__name__)


Telling = Callable[[str, int], AbstractContextManager[object]]
"""Within which a rule, by its name, is asked about one of the payments, by its place."""


class TooManyWait(Exception):
    """The message says so."""


class Asked(Protocol):
    """Who answers: a service behind HTTP, or a plug-in."""

    async def ask(self, payment: RulePayment, seconds: float) -> RuleVerdict:
        """In so many seconds, or raises TimeoutError; raises whatever is wrong."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class OutsideRule:
    """`default` is what is decided where no answer comes in time, or none that can be read."""

    rule: Rule
    asked: Asked
    timeout_seconds: float
    default: Verdict
    places: asyncio.Semaphore
    under_way: int = 0

    async def finding(
        self, ledger_id: LedgerId, payment: Judged, deadline: float, told: AbstractContextManager[object]
    ) -> Finding | None:
        """None: it lets the payment pass. The question lies within what is `told` of it, and the wait for a place."""
        loop = asyncio.get_running_loop()
        self.under_way += 1
        try:
            with told:
                if self.under_way > WAITING_MAX:
                    raise TooManyWait(f"more than {WAITING_MAX} questions wait")
                async with asyncio.timeout_at(deadline), self.places:
                    seconds = min(self.timeout_seconds, deadline - loop.time())
                    verdict = await self.asked.ask(_told(ledger_id, payment), seconds)
        except Exception as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            _log.warning("the rule %s could not be asked (%s): its default is %s", self.rule.name, why, self.default)
            detail = f"The rule `{self.rule.name}` could not be asked."
            return self._caught(payment, RuleVerdict(self.default, detail))
        finally:
            self.under_way -= 1
        return self._caught(payment, verdict)

    def _caught(self, payment: Judged, verdict: RuleVerdict) -> Finding | None:
        if verdict.verdict is Verdict.ALLOW:
            return None
        reason = _UNPRINTABLE.sub(" ", verdict.reason or "").strip()  # What no database keeps would fail the payment.
        detail = reason or f"The rule `{self.rule.name}` has objected."
        return self.rule.caught(payment, detail[:REASON_MAX], action=RuleAction(verdict.verdict.value))


async def ask_outside(
    rules: Sequence[OutsideRule], ledger_id: LedgerId, payments: Sequence[Judged], telling: Telling
) -> list[list[Finding]]:
    """For each payment what all rules have found that are about it, in the order of the file."""
    deadline = asyncio.get_running_loop().time() + JUDGING_SECONDS_MAX
    asked = [
        (place, rule.finding(ledger_id, payment, deadline, telling(rule.rule.name, place)))
        for place, payment in enumerate(payments)
        for rule in rules
        if rule.rule.scope.holds(payment)
    ]
    answers = await asyncio.gather(*[call for _, call in asked])
    found: list[list[Finding]] = [[] for _ in payments]
    for (place, _), finding in zip(asked, answers, strict=True):
        if finding is not None:
            found[place].append(finding)
    return found


def _told(ledger_id: LedgerId, payment: Judged) -> RulePayment:
    return RulePayment(
        ledger=render_id(Prefix.LEDGER, ledger_id),
        type=payment.type.value,
        amount=render_amount(payment.amount),
        currency=payment.currency,
        payer=payment.payer,
        payee=payment.payee,
        receivers=payment.receivers,
        reference=payment.reference,
        description=payment.description,
        metadata=dict(payment.metadata),
        actor=payment.actor,
    )
