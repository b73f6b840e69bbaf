"""Reviews: payments that a rule has held are listed, approved and refused."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response

from zerosum.api.desk_routes import answer_of, rehearses
from zerosum.api.endpoints import Routes, TheCall, as_response
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.routes.payments import REFUSALS, DryRunFlag
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.reviews import (
    ReviewDecisionRequest,
    ReviewDryRun,
    ReviewResponse,
    ReviewStatusName,
    review_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.committing.submission import Submission
from zerosum.services.reviews import DecisionOrder, RecordedReview

ReviewReference = Annotated[str, id_path(Prefix.REVIEW, "The review's id.")]

EXAMPLES = {"one": {"summary": "Say why", "value": {"reason": "I know this customer."}}}

FILTERS = ("status", "rule")

OF_REVIEWS = (errors.InvalidId, errors.InvalidState, errors.ReviewNotFound)


def review_routes(services: Services) -> Routes:
    routes = Routes("Reviews")
    reviews = services.reviews

    async def decide(call: TheCall, review: str, desk: Submission[DecisionOrder, RecordedReview]) -> Response:
        is_rehearsal = rehearses(call)
        said = validated(ReviewDecisionRequest, call.content)
        order = said.order(call.idempotency_key or "", parse_id(Prefix.REVIEW, review))
        return as_response(await answer_of(call, desk, order, review_body, is_rehearsal=is_rehearsal, status=200))

    async def approve_review(call: TheCall, review: ReviewReference, dry_run: DryRunFlag = None) -> Response:  # noqa: ARG001
        return await decide(call, review, reviews.approvals)

    async def refuse_review(call: TheCall, review: ReviewReference, dry_run: DryRunFlag = None) -> Response:  # noqa: ARG001
        return await decide(call, review, reviews.refusals)

    async def list_of_reviews(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        status: Annotated[ReviewStatusName | None, Query(description="Only what stands so now.")] = None,  # noqa: ARG001
        rule: Annotated[  # noqa: ARG001
            str | None, Query(description="Only what this rule has held.", min_length=1, max_length=100)
        ] = None,
    ) -> dict[str, Any]:
        request = page_request(call, "reviews", limit, cursor, order, FILTERS)
        return await list_body(await reviews.list(call.caller, request), review_body)

    async def get_review(call: TheCall, review: ReviewReference) -> dict[str, Any]:
        return review_body(await reviews.get(call.caller, parse_id(Prefix.REVIEW, review)))

    routes.add(
        "GET",
        "/v1/reviews",
        list_of_reviews,
        operation_id="listReviews",
        scope=Scope.PAYMENTS_READ,
        refusals=(errors.InvalidCursor,),
        query=(*PAGE_PARAMETERS, *FILTERS),
        summary="List reviews",
        answer=ListOf[ReviewResponse],
        description="Newest first. `status=in_review` are those that wait for people.",
    )
    routes.add(
        "GET",
        "/v1/reviews/{review}",
        get_review,
        operation_id="getReview",
        scope=Scope.PAYMENTS_READ,
        refusals=(errors.InvalidId, errors.ReviewNotFound),
        summary="Read a review",
        answer=ReviewResponse,
    )
    routes.add(
        "POST",
        "/v1/reviews/{review}/approve",
        approve_review,
        operation_id="approveReview",
        scope=Scope.REVIEWS_WRITE,
        body=BodyKind.JSON,
        needs_key=True,
        query=("dry_run",),
        summary="Approve a payment",
        answer=ReviewResponse,
        reads=ReviewDecisionRequest,
        examples=EXAMPLES,
        refusals=(
            *OF_REVIEWS,
            *[one for one in REFUSALS if one not in (*OF_REVIEWS, errors.RuleRefused)],
            errors.FourEyesRequired,
        ),
        named_in_body=(errors.AccountNotFound, errors.ProcessorNotFound),
        also_answers={200: ("Approved, or a rehearsal.", ReviewResponse | ReviewDryRun)},
        description="Not by whoever has made it; where two approvals are needed, by two people. With the last one it "
        "is paid, by all that the books want of it at that moment: what they refuse stays in review.",
    )
    routes.add(
        "POST",
        "/v1/reviews/{review}/refuse",
        refuse_review,
        operation_id="refuseReview",
        scope=Scope.REVIEWS_WRITE,
        body=BodyKind.JSON,
        needs_key=True,
        query=("dry_run",),
        summary="Refuse a payment",
        answer=ReviewResponse,
        reads=ReviewDecisionRequest,
        examples=EXAMPLES,
        refusals=OF_REVIEWS,
        also_answers={200: ("Refused, or a rehearsal.", ReviewResponse | ReviewDryRun)},
        description="Nothing is paid, and it stays so.",
    )
    return routes
