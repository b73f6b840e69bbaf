"""What can go wrong, by what a caller can do about it. What the service refuses is in `refusals`."""

from __future__ import annotations

from typing import Any

from zerosum.client.models.payments import Review


class ZerosumError(Exception):
    """Whatever this client raises for what it met; what is misused is a TypeError or ValueError."""


class Unreachable(ZerosumError):
    """The service cannot be reached or is busy, and nothing was done: try again later, under the same key."""


class OutcomeUnknown(ZerosumError):
    """Nobody can say yet whether the call was carried out. The same call under `idempotency_key` tells, and is safe."""

    def __init__(self, message: str, idempotency_key: str | None) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key

    def __reduce__(self) -> tuple[Any, ...]:
        return OutcomeUnknown, (str(self), self.idempotency_key)


class UnexpectedAnswer(ZerosumError):
    """What answers there does not speak as this service does."""


class WebhookRefused(ZerosumError):
    """The delivery is not ours, was changed on the way, or is too old: do not believe it."""


class PaymentInReview(ZerosumError):
    """A rule has held the payment: nothing is paid unless `review` is approved. Asked again, it is the same answer."""

    def __init__(self, review: Review) -> None:
        super().__init__(f"{review.detail} ({review.id} is in review)")
        self.review = review

    def __reduce__(self) -> tuple[Any, ...]:
        return PaymentInReview, (self.review,)
