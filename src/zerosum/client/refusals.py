"""What the service refuses: one class for each thing a program decides by, under the kind it belongs to.

A code without a class of its own, which may be newer than this client, is an object of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from zerosum.client.errors import ZerosumError


@dataclass(frozen=True, slots=True)
class Fault:
    """`pointer` leads into the body (a JSON pointer), or is the name of a parameter."""

    pointer: str
    code: str
    detail: str


class Refused(ZerosumError):
    """The service has answered with a problem, and nothing was changed. Programs decide by the class or `code`."""

    own_code: ClassVar[str | None] = None
    of_code: ClassVar[dict[str, type[Refused]]] = {}

    def __init_subclass__(cls) -> None:
        if "own_code" in vars(cls) and cls.own_code is not None:
            Refused.of_code[cls.own_code] = cls

    def __init__(self, problem: Mapping[str, Any], *, status: int, key: str | None = None) -> None:
        self.problem = problem
        self.status = status
        self.code = str(problem.get("code"))
        self.title = str(problem.get("title") or "")
        self.detail = str(problem.get("detail") or self.title)
        self.retryable = problem.get("retryable") is True
        self.request_id: str | None = problem.get("request_id")
        self.idempotency_key = key
        faults = [one for one in problem.get("errors") or () if isinstance(one, dict)]
        self.faults = tuple(
            Fault(str(one.get("pointer")), str(one.get("code")), str(one.get("detail"))) for one in faults
        )
        super().__init__(f"{self.detail} ({self.code})")

    def __reduce__(self) -> tuple[Any, ...]:
        """It can be handed to another process, as queues of tasks do."""
        return refusal, (self.problem, self.status, self.idempotency_key)

    @property
    def account(self) -> str | None:
        """As the request has named it."""
        return self.problem.get("account")

    def _amount(self, name: str) -> Decimal | None:
        text = self.problem.get(name)
        return Decimal(text) if isinstance(text, str) else None


# --- Kinds -----------------------------------------------------------------------------------------------------------


class Malformed(Refused):
    """The request is not as it should be: `faults` says where. Change it."""


class NotAllowed(Refused):
    """The credential is no good, or not for this."""


class NotFound(Refused):
    """There is no such thing."""


class Impossible(Refused):
    """Well-formed, and refused as things stand: by the books, by rules, by the state of something."""


class Busy(Refused):
    """Nothing was done; later it may be."""


class Failed(Refused):
    """Something went wrong on the side of the service."""


# --- Who asks --------------------------------------------------------------------------------------------------------


class Unauthenticated(NotAllowed):
    own_code = "unauthenticated"


class Forbidden(NotAllowed):
    own_code = "forbidden"


class OriginNotAllowed(NotAllowed):
    own_code = "origin_not_allowed"


# --- What is not there -----------------------------------------------------------------------------------------------


class AccountNotFound(NotFound):
    own_code = "account_not_found"


class PaymentNotFound(NotFound):
    own_code = "payment_not_found"


class HoldNotFound(NotFound):
    own_code = "hold_not_found"


class DisputeNotFound(NotFound):
    own_code = "dispute_not_found"


class JournalEntryNotFound(NotFound):
    own_code = "journal_entry_not_found"


class KeyNotFound(NotFound):
    own_code = "idempotency_key_not_found"


class EventsGone(NotFound):
    """The feed keeps nothing so old. Behind `oldest_after` nothing is missing."""

    own_code = "events_gone"

    @property
    def oldest_after(self) -> str | None:
        return self.problem.get("oldest_after")


# --- What the books refuse -------------------------------------------------------------------------------------------


class InsufficientFunds(Impossible):
    own_code = "insufficient_funds"

    @property
    def available(self) -> Decimal | None:
        return self._amount("available")

    @property
    def required(self) -> Decimal | None:
        return self._amount("required")


class LimitExceeded(Impossible):
    own_code = "limit_exceeded"


class VelocityLimitExceeded(Impossible):
    own_code = "velocity_limit_exceeded"


class ConditionFailed(Impossible):
    own_code = "condition_failed"


class VersionConflict(Impossible):
    own_code = "version_conflict"


class CurrencyMismatch(Impossible):
    own_code = "currency_mismatch"


class BalanceOverflow(Impossible):
    own_code = "balance_overflow"


class AmountExceedsPayment(Impossible):
    own_code = "amount_exceeds_payment"


class AmountExceedsHold(Impossible):
    own_code = "amount_exceeds_hold"


class AccountFrozen(Impossible):
    own_code = "account_frozen"


class AccountClosed(Impossible):
    own_code = "account_closed"


class AccountExists(Impossible):
    own_code = "account_exists"


class AlreadyReversed(Impossible):
    own_code = "already_reversed"


class InvalidState(Impossible):
    own_code = "invalid_state"


class PeriodClosed(Impossible):
    own_code = "period_closed"


class RuleRefused(Impossible):
    own_code = "rule_refused"


class QuotaExceeded(Impossible):
    own_code = "quota_exceeded"


class IdempotencyKeyReused(Impossible):
    """The key stands for another request: two different intentions were given one name."""

    own_code = "idempotency_key_reused"


class InvalidAmount(Malformed):
    own_code = "invalid_amount"


class AmountTooPrecise(Malformed):
    own_code = "amount_too_precise"


class InvalidCurrency(Malformed):
    own_code = "invalid_currency"


class Unbalanced(Malformed):
    own_code = "unbalanced"


# --- What may pass ---------------------------------------------------------------------------------------------------


class RateLimited(Busy):
    own_code = "rate_limited"


class Overloaded(Busy):
    own_code = "overloaded"


class Unavailable(Busy):
    own_code = "unavailable"


class VersionNotReached(Busy):
    own_code = "version_not_reached"


_KINDS: dict[int, type[Refused]] = {
    400: Malformed,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    405: Malformed,
    408: Busy,
    409: Impossible,
    410: NotFound,
    413: Malformed,
    414: Malformed,
    415: Malformed,
    422: Malformed,
    429: Busy,
    431: Malformed,
}


def refusal(problem: Mapping[str, Any], status: int, key: str | None = None) -> Refused:
    """The object of the class for its code, or else of its kind."""
    of_kind = Busy if problem.get("retryable") is True else _KINDS.get(status, Failed)
    kind = Refused.of_code.get(str(problem.get("code")), of_kind)
    return kind(problem, status=status, key=key)
