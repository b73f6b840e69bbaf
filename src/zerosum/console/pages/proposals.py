"""The second person: acts above a threshold that wait for somebody else, and what people say of each."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.lists import ALL, narrowed, next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.second_person import PLACE
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix
from zerosum.domain.proposals import Proposal, ProposalStatus
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

WORDS = {"status": (*ProposalStatus, ALL)}
WAITING = ProposalStatus.WAITING


def proposal_pages(console: Console) -> None:
    proposals = console.proposals

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "proposals", ("status",), words=WORDS)
        page = await proposals.list(view.caller, narrowed(request, "status", WAITING))
        return view.show(
            "proposals.html",
            proposals=page.items,
            next=next_page(view, request, page, PLACE),
            at=request.filters.get("status", WAITING),
            statuses=(*ProposalStatus, ALL),
        )

    async def shown(view: View) -> HttpAnswer:
        proposal = await proposals.get(view.caller, view.id(Prefix.PROPOSAL, "proposal"))
        asked = {**proposal.form, **proposal.fixed}
        return view.show(
            "proposal.html",
            proposal=proposal,
            asked=sorted((name, text) for name, text in asked.items() if name != "reason"),
            about=_about(view, proposal),
            is_own=await proposals.is_own(view.caller, proposal),
            is_overdue=proposal.is_overdue(console.now()),
        )

    async def confirm(view: View) -> HttpAnswer:
        return await console.second_person.confirm(view, view.id(Prefix.PROPOSAL, "proposal"))

    async def decline(view: View) -> HttpAnswer:
        await proposals.decline(view.caller, view.id(Prefix.PROPOSAL, "proposal"), view.reason)
        return view.go_to(PLACE, view.path["proposal"])

    async def withdraw(view: View) -> HttpAnswer:
        await proposals.withdraw(view.caller, view.id(Prefix.PROPOSAL, "proposal"), view.reason)
        return view.go_to(PLACE, view.path["proposal"])

    read, decides, one = Scope.PAYMENTS_READ, Scope.REVIEWS_WRITE, "/{ledger}/proposals/{proposal}"
    console.page("/{ledger}/proposals", listed, needs=read, nav=Nav(group="Today", title="Second person", key="n"))
    console.page(one, shown, needs=read, is_personal=True)
    console.act(f"{one}/confirm", confirm, needs=decides, name="confirm a proposal")
    console.act(f"{one}/decline", decline, needs=decides, name="decline a proposal")
    # Whoever may propose anything has this; whether it is his own is looked at there.
    console.act(f"{one}/withdraw", withdraw, needs=Scope.PAYMENTS_WRITE, name="withdraw a proposal")


def _about(view: View, proposal: Proposal) -> str:
    """The page from which it was proposed."""
    return f"{view.console.path_prefix}{proposal.place.rpartition('/')[0]}"
