"""Disputes of payments: opening one, evidence, how it was decided, and reading."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import Query, Response

from zerosum.api.desk_routes import answer_of, includes_balances
from zerosum.api.endpoints import Routes, TheCall, as_response, json_answer
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.routes.payments import DryRunFlag, Include
from zerosum.api.routes.refunds import PaymentReference
from zerosum.api.schemas.bulk import balances_after
from zerosum.api.schemas.disputes import (
    ChargebackRequest,
    DecisionRequest,
    DisputeDryRun,
    DisputeRequest,
    DisputeResponse,
    DisputeStatusName,
    EscalationRequest,
    EvidenceRequest,
    dispute_body,
)
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.committing.submission import Submission
from zerosum.services.disputes import DisputeChangeOrder, DisputeOrder, RecordedDispute

Order = TypeVar("Order", DisputeOrder, DisputeChangeOrder)
Change = EvidenceRequest | DecisionRequest | EscalationRequest

DisputeReference = Annotated[str, id_path(Prefix.DISPUTE, "The dispute's id.")]

EXAMPLES = {
    "all": {"summary": "All of it", "value": {"reason": "fraudulent", "provider_case_id": "case-77"}},
    "part": {
        "summary": "A part, with a date",
        "value": {"reason": "not as described", "amount": "5.00", "respond_by": "2099-12-31T00:00:00Z"},
    },
}
EVIDENCE_EXAMPLES = {"one": {"summary": "A piece of evidence", "value": {"text": "Delivered on Monday"}}}
DECISION_EXAMPLES = {"one": {"summary": "With a note", "value": {"note": "The bank has agreed"}}}
CHARGEBACK_EXAMPLES = {
    **DECISION_EXAMPLES,
    "fee": {"summary": "With a fee", "value": {"fee": {"amount": "15.00", "to": "platform:dispute-fees"}}},
}
ESCALATION_EXAMPLES = {"next": {"summary": "To the next stage", "value": {"stage": "pre_arbitration"}}}

FILTERS = ("payment", "status")

OF_CHANGES = (errors.InvalidId, errors.DisputeNotFound, errors.InvalidState, errors.BalanceOverflow)
OF_ONE = {
    "chargeback": (
        *errors.OF_AMOUNTS,
        errors.SameAccount,
        errors.CurrencyMismatch,
        errors.InsufficientFunds,
        errors.LimitExceeded,
        errors.AccountFrozen,
        errors.AccountClosed,
    ),
    "escalate": (errors.AmountExceedsPayment,),
}


def dispute_routes(services: Services) -> Routes:
    routes = Routes("Disputes")
    disputes = services.disputes

    async def dispute_payment(
        call: TheCall,
        payment: PaymentReference,
        dry_run: DryRunFlag = None,  # noqa: ARG001 - read by `answered`
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        body = validated(DisputeRequest, call.content)
        order = body.order(call.idempotency_key or "", parse_id(Prefix.PAYMENT, payment))
        return await answered(call, disputes.desk, order, 201)

    async def answered(call: TheCall, desk: Submission[Order, RecordedDispute], order: Order, status: int) -> Response:
        """A second notice of a case posts nothing: its balances are those that the dispute's last step has left."""
        is_rehearsal, tells_balances = includes_balances(call)
        if is_rehearsal or not tells_balances:
            answer = answer_of(call, desk, order, dispute_body, is_rehearsal=is_rehearsal, status=status)
            return as_response(await answer)
        done = await desk.one(call.caller, order)
        balances = balances_after(await disputes.lines_of(call.caller, done.view, order.idempotency_key))
        content = dispute_body(done.view) | {"balances": balances}
        return as_response(json_answer(status, content, is_replay=done.is_replay))

    async def changed(call: TheCall, dispute: str, body: Change) -> Response:
        order = body.order(call.idempotency_key or "", parse_id(Prefix.DISPUTE, dispute))
        return await answered(call, disputes.changes, order, 200)

    async def add_evidence(
        call: TheCall,
        dispute: DisputeReference,
        dry_run: DryRunFlag = None,  # noqa: ARG001 - read by `answered`
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        return await changed(call, dispute, validated(EvidenceRequest, call.content))

    async def resolve_dispute(
        call: TheCall,
        dispute: DisputeReference,
        dry_run: DryRunFlag = None,  # noqa: ARG001 - read by `answered`
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        return await changed(call, dispute, validated(DecisionRequest, call.content or {}))

    async def charge_back(
        call: TheCall,
        dispute: DisputeReference,
        dry_run: DryRunFlag = None,  # noqa: ARG001 - read by `answered`
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        body = validated(ChargebackRequest, call.content or {})
        if body.fee is not None and body.fee.force:
            call.must_have(Scope.ADMIN, "/fee/force")
        return await changed(call, dispute, body)

    async def escalate(
        call: TheCall,
        dispute: DisputeReference,
        dry_run: DryRunFlag = None,  # noqa: ARG001 - read by `answered`
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        return await changed(call, dispute, validated(EscalationRequest, call.content))

    async def list_disputes(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        payment: Annotated[str | None, Query(description="Only of this payment, by its id.")] = None,  # noqa: ARG001
        status: Annotated[DisputeStatusName | None, Query(description="Only what stands so now.")] = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        request = page_request(call, "disputes", limit, cursor, order, FILTERS)
        return await list_body(await disputes.list(call.caller, request), dispute_body)

    async def get_dispute(call: TheCall, dispute: DisputeReference) -> dict[str, Any]:
        return dispute_body(await disputes.get(call.caller, parse_id(Prefix.DISPUTE, dispute)))

    read, write = Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE
    routes.add(
        "POST",
        "/v1/payments/{payment}/dispute",
        dispute_payment,
        operation_id="disputePayment",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        query=("dry_run", "include"),
        summary="Open a dispute of a payment",
        answer=DisputeResponse,
        reads=DisputeRequest,
        examples=EXAMPLES,
        refusals=(
            *errors.OF_AMOUNTS,
            errors.InvalidId,
            errors.PaymentNotFound,
            errors.AmountExceedsPayment,
            errors.NotDisputable,
            errors.BalanceOverflow,
        ),
        also_answers={200: ("A rehearsal.", DisputeDryRun)},
        description="What of a deposit or transfer is questioned is held at who was paid, even where he has spent it. "
        "A second notice of the same case is answered with the same dispute.",
    )
    for name, endpoint, summary, model, examples, description in (
        (
            "evidence",
            add_evidence,
            "Add evidence",
            EvidenceRequest,
            EVIDENCE_EXAMPLES,
            "Posts nothing. The dispute is under review from then on.",
        ),
        (
            "resolve",
            resolve_dispute,
            "Decide a dispute for who was paid",
            DecisionRequest,
            DECISION_EXAMPLES,
            "It is won: what was held is his again.",
        ),
        (
            "chargeback",
            charge_back,
            "Decide a dispute against who was paid",
            ChargebackRequest,
            CHARGEBACK_EXAMPLES,
            "It is lost: the money goes back, though he may owe it then. It costs the fee that is said, else what the "
            "house rules say; with null for a fee nothing.",
        ),
        (
            "escalate",
            escalate,
            "Take a dispute to a later stage",
            EscalationRequest,
            ESCALATION_EXAMPLES,
            "It is open again: evidence counts, and it is decided anew. Where it was won, the money is held again. "
            "What was lost stays lost.",
        ),
    ):
        routes.add(
            "POST",
            f"/v1/disputes/{{dispute}}/{name}",
            endpoint,
            operation_id=f"{name}Dispute",
            scope=write,
            body=BodyKind.JSON if name in ("evidence", "escalate") else BodyKind.OPTIONAL_JSON,
            needs_key=True,
            query=("dry_run", "include"),
            summary=summary,
            answer=DisputeResponse,
            reads=model,
            examples=examples,
            refusals=(*OF_CHANGES, *OF_ONE.get(name, ())),
            named_in_body=(errors.AccountNotFound,) if name == "chargeback" else (),
            description=description,
        )
    routes.add(
        "GET",
        "/v1/disputes",
        list_disputes,
        operation_id="listDisputes",
        scope=read,
        refusals=(errors.InvalidCursor, errors.InvalidId),
        query=(*PAGE_PARAMETERS, *FILTERS),
        summary="List disputes",
        answer=ListOf[DisputeResponse],
        description="Newest first.",
    )
    routes.add(
        "GET",
        "/v1/disputes/{dispute}",
        get_dispute,
        operation_id="getDispute",
        scope=read,
        refusals=(errors.InvalidId, errors.DisputeNotFound),
        summary="Read a dispute",
        answer=DisputeResponse,
    )
    return routes
