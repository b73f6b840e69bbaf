"""The kinds of rules as a file describes them, each with its members."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from zerosum.adapters.rules.contract import Verdict
from zerosum.adapters.rules.outside import JUDGING_SECONDS_MAX, OutsideRule
from zerosum.adapters.rules.plug_in import PlugIn
from zerosum.adapters.rules.score_hook import SCORE_MAX, ScoreHook, ScoreSettings
from zerosum.domain.ledger.velocity import ROLLING_SECONDS_MAX, Direction, VelocityLimit, Window, WindowKind
from zerosum.domain.money import CURRENCY_CODE_PATTERN_TEXT
from zerosum.domain.payments.book_checks import Duplicate, Velocity
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.rules import AmountLimit, Blocked, CurrencyPolicy, Rule, RuleAction, Scope

SECRET_BYTES_MIN = 16

Amount = Annotated[Decimal, Field(ge=0, max_digits=38, decimal_places=18)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,127}\*?$")]
Currency = Annotated[str, Field(pattern=f"^{CURRENCY_CODE_PATTERN_TEXT}$")]
Seconds = Annotated[int, Field(ge=1, le=ROLLING_SECONDS_MAX, strict=True)]


def _text(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise ValueError('an amount is a text, such as "10.00"')
    return value


class Described(BaseModel):
    """What rules of every kind say: how they are called, and which payments they are about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100)]
    kind: str
    types: frozenset[PaymentType] = frozenset()
    currencies: frozenset[Currency] = frozenset()
    accounts: list[Code] = []
    metadata: dict[str, str] = {}
    two_approvals_from: Amount | None = None

    @field_validator("two_approvals_from", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        return _text(value)

    def rule(self, place: int, action: RuleAction) -> Rule:
        scope = Scope(
            types=self.types, currencies=self.currencies, accounts=tuple(self.accounts), metadata=self.metadata
        )
        return Rule(
            place=place,
            name=self.name,
            kind=self.kind,
            scope=scope,
            action=action,
            two_approvals_from=self.two_approvals_from,
        )


class DescribedRule(Described):
    """One that says itself what becomes of a payment that it catches."""

    action: RuleAction = RuleAction.REFUSE

    @model_validator(mode="after")
    def _two_review(self) -> DescribedRule:
        if self.two_approvals_from is not None and self.action is RuleAction.REFUSE:
            raise ValueError("two_approvals_from is for rules whose action is review")
        return self

    def own_rule(self, place: int) -> Rule:
        return self.rule(place, self.action)


class DescribedLimit(DescribedRule):
    amount_max: Amount | None = None
    amount_min: Amount | None = None

    @field_validator("amount_max", "amount_min", mode="before")
    @classmethod
    def _are_texts(cls, value: Any) -> Any:
        return _text(value)

    @model_validator(mode="after")
    def _limits_something(self) -> DescribedLimit:
        if self.amount_max is None and self.amount_min is None:
            raise ValueError("it has amount_max, or amount_min, or both")
        if self.amount_max is not None and self.amount_min is not None and self.amount_min > self.amount_max:
            raise ValueError("amount_min is above amount_max")
        return self

    def made(self, place: int) -> AmountLimit:
        return AmountLimit(rule=self.own_rule(place), amount_max=self.amount_max, amount_min=self.amount_min)


class DescribedVelocity(DescribedRule):
    """Of the payer (`from`) or the payee (`to`), within the last so many seconds."""

    party: Literal["from", "to"]
    window_seconds: Seconds
    count_max: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = None
    sum_max: Amount | None = None

    @field_validator("sum_max", mode="before")
    @classmethod
    def _is_an_amount(cls, value: Any) -> Any:
        return _text(value)

    @model_validator(mode="after")
    def _counts_something(self) -> DescribedVelocity:
        if self.count_max is None and self.sum_max is None:
            raise ValueError("it has count_max, or sum_max, or both")
        if self.sum_max is not None and len(self.currencies) != 1:
            raise ValueError("sum_max is in one currency: currencies names it")
        without = PaymentType.DEPOSIT if self.party == "from" else PaymentType.WITHDRAWAL
        if without in self.types:
            raise ValueError(f"a {without.value} has no `{self.party}`")
        return self

    def made(self, place: int) -> Velocity:
        direction = Direction.OUT if self.party == "from" else Direction.IN
        window = Window(direction, WindowKind.ROLLING, self.window_seconds)
        return Velocity(rule=self.own_rule(place), limit=VelocityLimit(window, self.sum_max, self.count_max))


class DescribedBlocked(DescribedRule):
    blocked_accounts: list[Code] = []
    blocked_metadata: dict[str, Annotated[list[str], Field(min_length=1, max_length=10_000)]] = {}

    @model_validator(mode="after")
    def _blocks_something(self) -> DescribedBlocked:
        if not self.blocked_accounts and not self.blocked_metadata:
            raise ValueError("it has blocked_accounts, or blocked_metadata, or both")
        return self

    def made(self, place: int) -> Blocked:
        values = {name: frozenset(values) for name, values in self.blocked_metadata.items()}
        return Blocked(rule=self.own_rule(place), accounts=tuple(self.blocked_accounts), metadata=values)


class DescribedCurrencies(DescribedRule):
    allowed: frozenset[Currency] = frozenset()
    denied: frozenset[Currency] = frozenset()

    @model_validator(mode="after")
    def _says_something(self) -> DescribedCurrencies:
        if bool(self.allowed) == bool(self.denied):
            raise ValueError("it has either allowed or denied")
        return self

    def made(self, place: int) -> CurrencyPolicy:
        return CurrencyPolicy(rule=self.own_rule(place), allowed=self.allowed, denied=self.denied)


class DescribedDuplicate(DescribedRule):
    window_seconds: Seconds

    def made(self, place: int) -> Duplicate:
        return Duplicate(rule=self.own_rule(place), window_seconds=self.window_seconds)


class DescribedOutside(Described):
    """What becomes of a payment is what is answered. There is no default of the default: somebody has to choose."""

    default: Verdict
    timeout_seconds: Annotated[float, Field(ge=0.01, le=JUDGING_SECONDS_MAX)] = 1.0
    at_once: Annotated[int, Field(ge=1, le=200)] = 16


class DescribedScore(DescribedOutside):
    url: str
    refuse_from: Annotated[Decimal, Field(ge=0, le=SCORE_MAX)] | None = None
    review_from: Annotated[Decimal, Field(ge=0, le=SCORE_MAX)] | None = None
    secret: SecretStr | None = None
    secret_file: Path | None = None
    headers: dict[Annotated[str, Field(pattern="^[!-9;-~]+$")], Annotated[str, Field(pattern="^[!-~]+$")]] = {}

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
            raise ValueError("must be written like https://scores.example.com/payments")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("must be https, but for this machine itself")
        return value

    @model_validator(mode="after")
    def _decides_something(self) -> DescribedScore:
        if self.refuse_from is None and self.review_from is None:
            raise ValueError("it has refuse_from, or review_from, or both")
        if self.refuse_from is not None and self.review_from is not None and self.review_from >= self.refuse_from:
            raise ValueError("review_from is below refuse_from, or nothing would be reviewed")
        return self

    def made(self, place: int) -> OutsideRule:
        settings = ScoreSettings(
            url=self.url,
            at_once=self.at_once,
            secrets=self._secrets(),
            headers=self.headers,
            refuse_from=self.refuse_from,
            review_from=self.review_from,
        )
        return OutsideRule(
            self.rule(place, RuleAction.REVIEW),
            ScoreHook(settings),
            self.timeout_seconds,
            self.default,
            asyncio.Semaphore(self.at_once),
        )

    def _secrets(self) -> list[bytes]:
        if self.secret_file is None and self.secret is None:
            return []
        text = (
            self.secret_file.read_text(encoding="utf-8").strip()
            if self.secret_file is not None
            else self.secret.get_secret_value()
            if self.secret is not None
            else ""
        )
        if len(text.encode()) < SECRET_BYTES_MIN:
            raise ValueError(f"a secret has at least {SECRET_BYTES_MIN} bytes")
        return [text.encode()]


class DescribedPlugIn(DescribedOutside):
    at_once: Annotated[int, Field(ge=1, le=32)] = 2
    """Processes, of each process of the service."""

    def made_of(self, place: int, entry_point: str, options: Mapping[str, Any]) -> OutsideRule:
        return OutsideRule(
            self.rule(place, RuleAction.REVIEW),
            PlugIn(entry_point, self.name, options, self.at_once),
            self.timeout_seconds,
            self.default,
            asyncio.Semaphore(self.at_once),
        )


KINDS: Mapping[str, Any] = {
    "limit": DescribedLimit,
    "velocity": DescribedVelocity,
    "blocked": DescribedBlocked,
    "currencies": DescribedCurrencies,
    "duplicate": DescribedDuplicate,
    "score": DescribedScore,
}
