"""Payments that a rule has held for review."""

from __future__ import annotations

from typing import Literal, Unpack

from zerosum.client.calls import Asked, Calls, Way, call, listing
from zerosum.client.models.payments import Review
from zerosum.client.writing import Once, written

_REVIEW = "/v1/reviews/{review}"


class Reviews(Calls[Way]):
    @call("getReview", "GET", _REVIEW, Review)
    def get(self, review: str) -> Asked:
        """As it is now."""
        return Asked(path={"review": review})

    @listing("listReviews", "/v1/reviews", Review)
    def list(
        self,
        *,
        status: Literal["in_review", "approved", "refused"] | None = None,
        rule: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        page_size: int | None = None,
    ) -> Asked:
        """All that fit."""
        return Asked(query={"status": status, "rule": rule, "order": order, "limit": page_size})

    @call("approveReview", "POST", f"{_REVIEW}/approve", Review, is_keyed=True)
    def approve(self, review: str, *, reason: str, **options: Unpack[Once]) -> Asked:
        """With the last approval it is paid, by what the books say then; `payment_id` tells."""
        return written("approveReview", {"reason": reason}, {"review": review}, **options)

    @call("refuseReview", "POST", f"{_REVIEW}/refuse", Review, is_keyed=True)
    def refuse(self, review: str, *, reason: str, **options: Unpack[Once]) -> Asked:
        """It is never paid."""
        return written("refuseReview", {"reason": reason}, {"review": review}, **options)
