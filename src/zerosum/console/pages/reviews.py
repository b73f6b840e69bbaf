"""Approvals: payments that a rule has held, and what people say of each. Not by whoever has made it."""

from __future__ import annotations

from zerosum.api.schemas.reviews import ReviewDecisionRequest
from zerosum.console.console import Console
from zerosum.console.lists import ALL, narrowed, next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix
from zerosum.domain.payments.reviews import ReviewStatus
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.reviews import RecordedReview

FILTERS = ("status", "rule")
WORDS = {"status": (*ReviewStatus, ALL)}
WAITING = ReviewStatus.IN_REVIEW


def review_pages(console: Console) -> None:
    reviews = console.services.reviews

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "reviews", FILTERS, words=WORDS)
        page = await reviews.list(view.caller, narrowed(request, "status", WAITING))
        return view.show(
            "reviews.html",
            reviews=page.items,
            next=next_page(view, request, page, "reviews"),
            given=request.filters,
            at=request.filters.get("status", WAITING),
            statuses=(*ReviewStatus, ALL),
        )

    async def shown(view: View) -> HttpAnswer:
        review = await reviews.get(view.caller, view.id(Prefix.REVIEW, "review"))
        texts = [(name, text) for name, text in review.texts._asdict().items() if text]
        return view.show("review.html", review=review, texts=texts, barred=await barred(view, review))

    async def barred(view: View, review: RecordedReview) -> str:
        """Why this person would be refused. It is the books that refuse: this spares them the way there."""
        first = None if review.first is None else review.first.actor
        people = await reviews.people_behind(view.caller, {view.caller.actor, review.actor, first or review.actor})
        person = people[view.caller.actor]
        if person == people[review.actor]:
            return "You have made this payment, or the key that has made it: another person has to approve it."
        if first is not None and person == people[first]:
            return "Yours was the first approval: the second has to be another person's."
        return ""

    async def approve(view: View) -> HttpAnswer:
        order = view.order(ReviewDecisionRequest, "reason").order(view.key, view.id(Prefix.REVIEW, "review"))
        await reviews.approvals.one(view.caller, order)
        return view.go_to("reviews", view.path["review"])

    async def refuse(view: View) -> HttpAnswer:
        order = view.order(ReviewDecisionRequest, "reason").order(view.key, view.id(Prefix.REVIEW, "review"))
        await reviews.refusals.one(view.caller, order)
        return view.go_to("reviews", view.path["review"])

    read, write = Scope.PAYMENTS_READ, Scope.REVIEWS_WRITE
    console.page("/{ledger}/reviews", listed, needs=read, nav=Nav(group="Today", title="Approvals", key="q"))
    console.page("/{ledger}/reviews/{review}", shown, needs=read, is_personal=True)
    console.act("/{ledger}/reviews/{review}/approve", approve, needs=write, name="approve a payment")
    console.act("/{ledger}/reviews/{review}/refuse", refuse, needs=write, name="refuse a payment")
