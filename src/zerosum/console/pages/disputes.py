"""Disputes: until when each has to be answered, and what becomes of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from zerosum.api.schemas.disputes import (
    ChargebackRequest,
    DecisionRequest,
    EscalationRequest,
    EvidenceRequest,
    LaterStage,
)
from zerosum.api.validation import validated
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.second_person import Weight
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix
from zerosum.domain.payments.disputes import DisputeStage, DisputeStatus
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.disputes import RecordedDispute

FILTERS = ("status", "payment")
WORDS = {"status": DisputeStatus}


def dispute_pages(console: Console) -> None:
    disputes = console.services.disputes

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "disputes", FILTERS, words=WORDS)
        page = await disputes.list(view.caller, request)
        return view.show(
            "disputes.html",
            disputes=[(dispute, _deadline(dispute)) for dispute in page.items],
            next=next_page(view, request, page, "disputes"),
            given=request.filters,
            statuses=list(DisputeStatus),
        )

    async def shown(view: View) -> HttpAnswer:
        dispute = await disputes.get(view.caller, view.id(Prefix.DISPUTE, "dispute"))
        payment = await console.services.payments.get(view.caller, dispute.payment_id)
        return view.show(
            "dispute.html",
            dispute=dispute,
            payment=payment,
            evidence=[(piece.text, datetime.fromisoformat(piece.added_at)) for piece in dispute.evidence],
            deadline=_deadline(dispute),
            is_decided=dispute.status in (DisputeStatus.WON, DisputeStatus.LOST),
            stages=[stage for stage in LaterStage if _is_later(stage, dispute)],
        )

    console.page(
        "/{ledger}/disputes",
        listed,
        needs=Scope.PAYMENTS_READ,
        nav=Nav(group="Money", title="Disputes", key="d"),
    )
    console.page("/{ledger}/disputes/{dispute}", shown, needs=Scope.PAYMENTS_READ, is_personal=True)
    _add_acts(console)


def _add_acts(console: Console) -> None:
    """The reason that is given is kept with the dispute, too: as evidence, or as the note of a decision."""
    changes = console.services.disputes.changes

    async def decided(view: View) -> Weight:
        """What is disputed, whoever gets it."""
        dispute = await console.services.disputes.get(view.caller, _id(view))
        return Weight(moves={dispute.currency: dispute.amount})

    async def evidence(view: View) -> HttpAnswer:
        order = validated(EvidenceRequest, {"text": view.reason}).order(view.key, _id(view))
        await changes.one(view.caller, order)
        return _back(view)

    async def resolve(view: View) -> HttpAnswer:
        order = validated(DecisionRequest, {"note": view.reason}).order(view.key, _id(view))
        await changes.one(view.caller, order)
        return _back(view)

    async def chargeback(view: View) -> HttpAnswer:
        """Its fee is what the house rules say."""
        order = validated(ChargebackRequest, {"note": view.reason}).order(view.key, _id(view))
        await changes.one(view.caller, order)
        return _back(view)

    async def escalate(view: View) -> HttpAnswer:
        told = {name: view.form[name] for name in ("stage", "respond_by") if name in view.form}
        order = validated(EscalationRequest, {**told, "note": view.reason}).order(view.key, _id(view))
        await changes.one(view.caller, order)
        return _back(view)

    for word, act, name, weigh in (
        ("evidence", evidence, "add evidence to a dispute", None),
        ("resolve", resolve, "win a dispute", decided),
        ("chargeback", chargeback, "lose a dispute", decided),
        ("escalate", escalate, "escalate a dispute", None),
    ):
        template = f"/{{ledger}}/disputes/{{dispute}}/{word}"
        console.act(template, act, needs=Scope.PAYMENTS_WRITE, name=name, weigh=weigh)


def _deadline(dispute: RecordedDispute) -> datetime | None:
    """Until when evidence counts; None where nobody has said, or all is decided."""
    if dispute.texts.respond_by is None or dispute.status in (DisputeStatus.WON, DisputeStatus.LOST):
        return None
    return datetime.fromisoformat(dispute.texts.respond_by)


def _is_later(stage: LaterStage, dispute: RecordedDispute) -> bool:
    """What was lost stays lost."""
    order = list(DisputeStage)
    return dispute.status is not DisputeStatus.LOST and order.index(DisputeStage(stage)) > order.index(dispute.stage)


def _id(view: View) -> UUID:
    """Raises InvalidId."""
    found: UUID = view.id(Prefix.DISPUTE, "dispute")
    return found


def _back(view: View) -> HttpAnswer:
    return view.go_to("disputes", view.path["dispute"])
