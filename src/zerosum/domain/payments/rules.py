"""Rules before posting: what the operator wants of payments besides what the books want. Pure, in the order of a file.

What a payment says is enough for some rules (`findings`). Others need what the books hold, and are judged with the
accounts locked (`book_checks.py`); others ask outside, before anything is locked (`adapters/rules`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from zerosum.domain.errors import RuleRefused
from zerosum.domain.payments.payment import PaymentType

RULES_MAX = 200
"""In one file."""


class RuleAction(StrEnum):
    """What a rule does about a payment that it catches."""

    REFUSE = "refuse"
    REVIEW = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A payment as rules see it. Accounts are told by their codes, clearing accounts are nobody's."""

    type: PaymentType
    amount: Decimal
    currency: str
    payer: str | None
    payee: str | None
    receivers: tuple[str, ...] = ()
    """All that get a part of it, where those are several."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    description: str | None = None
    actor: str = ""

    @property
    def parties(self) -> Iterator[tuple[str, str]]:
        """Each with where an order names it."""
        if self.payer is not None:
            yield self.payer, "/from"
        if self.payee is not None:
            yield self.payee, "/to"
        for code in self.receivers:
            if code not in (self.payer, self.payee):
                yield code, "/splits"


class Finding(NamedTuple):
    """A rule has caught a payment. `place` is that of the rule in its file, `approvals` how many a review needs."""

    place: int
    rule: str
    action: RuleAction
    detail: str
    pointer: str | None = None
    approvals: int = 1
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which payments a rule is about: what is not said fits everything. Of `accounts` one party has to fit."""

    types: frozenset[PaymentType] = frozenset()
    currencies: frozenset[str] = frozenset()
    accounts: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def holds(self, payment: Judged) -> bool:
        if self.types and payment.type not in self.types:
            return False
        if self.currencies and payment.currency not in self.currencies:
            return False
        if self.accounts and not any(is_meant(self.accounts, code) for code, _ in payment.parties):
            return False
        return all(payment.metadata.get(name) == value for name, value in self.metadata.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What all rules share. Two people have to approve a payment of at least `two_approvals_from`."""

    place: int
    name: str
    kind: str
    scope: Scope = Scope()
    action: RuleAction = RuleAction.REFUSE
    two_approvals_from: Decimal | None = None

    def caught(
        self, payment: Judged, detail: str, pointer: str | None = None, action: RuleAction | None = None, **facts: Any
    ) -> Finding:
        needs_two = self.two_approvals_from is not None and payment.amount >= self.two_approvals_from
        approvals = 2 if needs_two else 1
        return Finding(self.place, self.name, action or self.action, detail, pointer, approvals, facts or None)


class StaticRule(Protocol):
    """One that needs nothing but what the payment says."""

    @property
    def rule(self) -> Rule: ...

    def finding(self, payment: Judged) -> Finding | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountLimit:
    rule: Rule
    amount_max: Decimal | None = None
    amount_min: Decimal | None = None

    def finding(self, payment: Judged) -> Finding | None:
        if self.amount_max is not None and payment.amount > self.amount_max:
            detail = f"The amount is above what the rule `{self.rule.name}` allows."
            return self.rule.caught(payment, detail, "/amount", amount_max=format(self.amount_max, "f"))
        if self.amount_min is not None and payment.amount < self.amount_min:
            detail = f"The amount is below what the rule `{self.rule.name}` allows."
            return self.rule.caught(payment, detail, "/amount", amount_min=format(self.amount_min, "f"))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Parties by their codes, and values of metadata. Which of them it was is for the caller to see."""

    rule: Rule
    accounts: tuple[str, ...] = ()
    metadata: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def finding(self, payment: Judged) -> Finding | None:
        for code, pointer in payment.parties:
            if is_meant(self.accounts, code):
                return self.rule.caught(payment, f"The rule `{self.rule.name}` blocks this account.", pointer)
        for name, values in self.metadata.items():
            if payment.metadata.get(name) in values:
                pointer = "/metadata/" + name.replace("~", "~0").replace("/", "~1")
                return self.rule.caught(payment, f"The rule `{self.rule.name}` blocks this value.", pointer)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyPolicy:
    """Only what is allowed, or anything but what is denied."""

    rule: Rule
    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    def finding(self, payment: Judged) -> Finding | None:
        is_out = bool(self.allowed) and payment.currency not in self.allowed
        if not is_out and payment.currency not in self.denied:
            return None
        return self.rule.caught(payment, f"The rule `{self.rule.name}` does not take this currency.", "/currency")


def is_meant(patterns: Sequence[str], code: str) -> bool:
    """A pattern is a code; ending in `*`, what codes begin with."""
    return any(code.startswith(one[:-1]) if one.endswith("*") else code == one for one in patterns)


def findings(rules: Sequence[StaticRule], payment: Judged) -> list[Finding]:
    """In the order of the file. Behind one that refuses nothing is looked at any more."""
    found: list[Finding] = []
    for rule in rules:
        finding = rule.finding(payment) if rule.rule.scope.holds(payment) else None
        if finding is not None:
            found.append(finding)
            if finding.action is RuleAction.REFUSE:
                break
    return found


def refusal(finding: Finding, version: str) -> RuleRefused:
    """What the caller is told: by which rule, of which version of the rules."""
    facts = dict(finding.facts or {})
    return RuleRefused(finding.detail, pointer=finding.pointer, rule=finding.rule, rules_version=version, **facts)
