"""Four eyes in the console: an act that moves more than its threshold is proposed by one person, confirmed by another.

waiting -> confirmed -> carried_out | refused
waiting -> declined | withdrawn | lapsed
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from zerosum.domain.console_roles import Role
from zerosum.domain.errors import FourEyesRequired, InvalidState
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.money import AMOUNT_PATTERN_TEXT, CURRENCY_CODE_PATTERN_TEXT, render_amount

WAITS_FOR = timedelta(days=3)
"""So long a proposal may be confirmed: over a weekend, and not for ever."""

ANY_OTHER = "*"
"""In thresholds: every currency that has none of its own."""

Moves = Mapping[str, Decimal]
"""What an act moves, by currency."""


class ProposalStatus(StrEnum):
    """Nothing leads out of the last five."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    """Another person has agreed. It is carried out at once; where that was cut short, it goes on from here."""
    CARRIED_OUT = "carried_out"
    REFUSED = "refused"
    """The service has refused it after it was confirmed."""
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    """By whoever has proposed it."""
    LAPSED = "lapsed"
    """Nobody has confirmed it in time, or what it would have moved was another amount by then."""


OPEN = frozenset({ProposalStatus.WAITING, ProposalStatus.CONFIRMED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An act as its form was sent. `action` is its name, `parts` those of its address, which is `place`.

    `moves` is what it moves, fixed when it was proposed; None: nobody can tell. `fixed` are the fields that say so
    where the form has not. `proposer` is who stands behind the credential `proposed_by`. `outcome` says how it ended.
    """

    id: UUID
    ledger_id: LedgerId
    action: str
    place: str
    parts: Mapping[str, str]
    form: Mapping[str, str]
    fixed: Mapping[str, str] = field(default_factory=dict)
    form_key: str | None = None
    moves: Moves | None
    proposed_by: str
    proposer: str
    role: Role
    reason: str
    proposed_at: datetime
    expires_at: datetime
    status: ProposalStatus = ProposalStatus.WAITING
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None
    ended_at: datetime | None = None
    outcome: str | None = None

    def is_overdue(self, now: datetime) -> bool:
        return self.status is ProposalStatus.WAITING and now >= self.expires_at

    def check_waits(self) -> None:
        """Raises InvalidState."""
        if self.status is not ProposalStatus.WAITING:
            raise InvalidState(f"This proposal is {self.status.value}.", proposal_status=self.status.value)

    def check_other(self, person: str, actor: str) -> None:
        """Raises FourEyesRequired unless `person`, who stands behind `actor`, is another than who has proposed it."""
        if person in (self.proposer, self.proposed_by) or actor == self.proposed_by:
            raise FourEyesRequired("You have proposed this: another person has to confirm it.")


def proposal_key(id_: UUID) -> str:
    """The idempotency key of what is carried out. It holds a blank, which no caller can send: it is done once."""
    return f"proposal {id_}"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Above which amount an act needs a second person, by currency. Without any, nothing does."""

    amounts: Mapping[str, Decimal] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Thresholds:
        """Of a text like `USD 10000, * 0`; an empty one is none. Raises ValueError."""
        found: dict[str, Decimal] = {}
        for part in text.split(",") if text.strip() else ():
            words = part.split()
            if len(words) != 2 or not _is_currency(words[0]) or not re.fullmatch(AMOUNT_PATTERN_TEXT, words[1]):
                raise ValueError(f"must be written like `USD 10000, * 0`, not {part.strip()!r}")
            if words[0] in found:
                raise ValueError(f"names {words[0]} twice")
            found[words[0]] = Decimal(words[1])
        return cls(found)

    @property
    def is_on(self) -> bool:
        return bool(self.amounts)

    @property
    def in_words(self) -> str:
        """`10000 USD or 0 of any other currency`, the others last."""
        named = [
            f"{render_amount(amount)} {code}" for code, amount in sorted(self.amounts.items()) if code != ANY_OTHER
        ]
        others = self.amounts.get(ANY_OTHER)
        if others is not None:
            named.append(f"{render_amount(others)} of any {'other ' if named else ''}currency")
        return " or ".join(named)

    def are_exceeded(self, moves: Moves | None) -> bool:
        """Whether one of these amounts is above its threshold. What nobody can tell is above every one."""
        if moves is None:
            return self.is_on
        for currency, amount in moves.items():
            threshold = self.amounts.get(currency, self.amounts.get(ANY_OTHER))
            if threshold is not None and amount > threshold:
                return True
        return False


def moves_told(moves: Moves | None) -> dict[str, str] | None:
    """As it is kept and told."""
    return None if moves is None else {currency: render_amount(amount) for currency, amount in sorted(moves.items())}


def _is_currency(word: str) -> bool:
    return word == ANY_OTHER or re.fullmatch(CURRENCY_CODE_PATTERN_TEXT, word) is not None
