"""Four eyes: an act that moves more than its threshold waits for another person, and is then done in its maker's name.

an act above its threshold:  weigh -> propose -> the proposal's page
another person confirms:     weigh again -> confirm -> carry out under the proposal's own key -> what came of it

Whoever dies behind `confirm` leaves a proposal that is confirmed; whoever confirms it again goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from zerosum.console.roles import SCOPES
from zerosum.console.view import View, see_other
from zerosum.domain.console_roles import Role
from zerosum.domain.errors import (
    DomainError,
    IdempotencyKeyReused,
    InvalidState,
    OutcomeUnknown,
    Overloaded,
    ProcessorCallMoved,
    Unavailable,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.proposals import OPEN, Moves, Proposal, ProposalStatus, proposal_key
from zerosum.gateway.identity.principal import Principal
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.proposals import ProposedAct

if TYPE_CHECKING:
    from zerosum.console.console import Console

PLACE = "proposals"

NOT_KEPT = ("csrf", "key")
"""Of a form: the session's token is nobody else's, and what is carried out has a key of its own."""

UNDECIDED = (Unavailable, Overloaded, OutcomeUnknown, IdempotencyKeyReused)
"""Behind these it may have been done, or may be done yet; so, too, behind what is worth another try. A call that was
moved to another processor is not: it never comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What an act would move now. `at_most` is what it may come to until it is done, where that can be more.

    `fixed` are fields of the form that say so where it has not: `{"amount": "12.34"}` of "all that is left".
    """

    moves: Moves | None
    at_most: Moves | None = None
    fixed: Mapping[str, str] = field(default_factory=dict)


Weigh = Callable[[View], Awaitable[Weight]]


@dataclass(frozen=True, slots=True)
class WeighedAct:
    """An act that waits for a second person above its threshold. `name` is what the audit log calls it."""

    name: str
    weigh: Weigh
    carry_out: Callable[[View], Awaitable[HttpAnswer]]


class SecondPerson:
    def __init__(self, console: Console) -> None:
        self._console = console
        self.acts: dict[str, WeighedAct] = {}

    async def waits(self, view: View, act: WeighedAct) -> HttpAnswer | None:
        """The page of the proposal that was made of an act. None: it may be carried out by one person."""
        proposals = self._console.proposals
        if not proposals.thresholds.is_on:
            return None
        place, key = view.call.path.lower(), view.key if "key" in view.form else None
        form = {name: value for name, value in view.form.items() if name not in NOT_KEPT}
        if (before := await proposals.of_form(view.caller, key, place, form)) is not None:
            return _shown(view, before.id)
        weight = await act.weigh(view)
        if not proposals.thresholds.are_exceeded(weight.moves if weight.at_most is None else weight.at_most):
            return None
        if weight.moves is not None and not any(weight.moves.values()):
            raise InvalidState("There is nothing that this could move.")
        proposed = ProposedAct(
            action=act.name,
            place=place,
            parts=dict(view.path),
            form=form,
            fixed=weight.fixed,
            form_key=key,
            moves=weight.moves,
            role=Role(view.session.role),
            reason=view.reason,
        )
        return _shown(view, (await proposals.propose(view.caller, proposed)).id)

    async def confirm(self, view: View, id_: UUID) -> HttpAnswer:
        """Carry out what somebody else has proposed, once. Raises what the service refuses of it."""
        proposals = self._console.proposals
        found = await proposals.get(view.caller, id_)
        act = self._act_of(found)
        moves = found.moves
        if found.status is ProposalStatus.WAITING:
            moves = await self._moves_now(view, found, act)
        confirmed = await proposals.confirm(view.caller, id_, view.reason, moves)
        return await self._carry_out(view, confirmed, act)

    async def _moves_now(self, view: View, proposal: Proposal, act: WeighedAct) -> Moves | None:
        try:
            return (await act.weigh(_as_proposed(view, proposal))).moves
        except InvalidState:
            return {}  # Nothing can be moved any more.

    async def _carry_out(self, view: View, proposal: Proposal, act: WeighedAct) -> HttpAnswer:
        proposals = self._console.proposals
        try:
            answer = await act.carry_out(_as_proposed(view, proposal, is_fixed=True))
        except DomainError as refusal:
            if isinstance(refusal, ProcessorCallMoved) or not (refusal.retryable or isinstance(refusal, UNDECIDED)):
                told = f"{refusal.code}: {refusal.detail}"
                await proposals.end(view.caller, proposal.id, ProposalStatus.REFUSED, told)
            raise
        await proposals.end(view.caller, proposal.id, ProposalStatus.CARRIED_OUT, "Carried out.")
        return answer

    def _act_of(self, proposal: Proposal) -> WeighedAct:
        """Raises InvalidState."""
        act = self.acts.get(proposal.action)
        if act is None and proposal.status in OPEN:
            raise InvalidState("This version knows no such act: decline it, and propose it anew.")
        if act is None:
            proposal.check_waits()
            raise InvalidState("This proposal has ended.")
        return act


def _as_proposed(view: View, proposal: Proposal, *, is_fixed: bool = False) -> View:
    """The request of whoever has proposed it, as he has sent it: his rights and his name, and the proposal's key."""
    return replace(
        view,
        principal=Principal(
            proposal.ledger_id, proposal.proposed_by, SCOPES[proposal.role], rate_key=view.principal.rate_key
        ),
        path=proposal.parts,
        form={**proposal.form, **(proposal.fixed if is_fixed else {})},
        own_key=proposal_key(proposal.id),
    )


def _shown(view: View, id_: UUID) -> HttpAnswer:
    """Where it says that nothing is done yet."""
    return see_other(view.href(PLACE, render_id(Prefix.PROPOSAL, id_)))
