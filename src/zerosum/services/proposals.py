"""Acts of the console that wait for a second person: proposed, and then confirmed, declined, withdrawn, or lapsed.

A proposal is confirmed in one unit of work and carried out in others, under an idempotency key of its own
(`proposal_key`). Whoever dies between them leaves one that is confirmed: confirming it again goes on, and does it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.credentials.api_keys import people_behind
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.console_proposals import (
    find_by_form,
    find_open_at,
    find_overdue,
    find_proposal,
    insert_proposal,
    list_proposals,
    update_proposals,
)
from zerosum.domain.audit import AuditType
from zerosum.domain.console_roles import Role
from zerosum.domain.errors import Forbidden, InvalidState, NotFound, ValidationFailed
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.proposals import WAITS_FOR, Moves, Proposal, ProposalStatus, Thresholds, moves_told
from zerosum.services.audit import audit_record, audited
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest

FORM_CHARACTERS_MAX = 4_000
"""Of all fields of a form that is kept."""

PLACE_CHARACTERS_MAX = 500

LAPSED_AT_ONCE = 100
"""Overdue proposals that one look ends."""

TOLD: Mapping[ProposalStatus, AuditType] = {
    ProposalStatus.WAITING: AuditType.CONSOLE_PROPOSED,
    ProposalStatus.CONFIRMED: AuditType.CONSOLE_CONFIRMED,
    ProposalStatus.CARRIED_OUT: AuditType.CONSOLE_CARRIED_OUT,
    ProposalStatus.REFUSED: AuditType.CONSOLE_REFUSED,
    ProposalStatus.DECLINED: AuditType.CONSOLE_DECLINED,
    ProposalStatus.WITHDRAWN: AuditType.CONSOLE_WITHDRAWN,
    ProposalStatus.LAPSED: AuditType.CONSOLE_LAPSED,
}
"""What the audit log has of a proposal that has come so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedAct:
    """A form that was sent, by somebody of this role. See `Proposal`."""

    action: str
    place: str
    parts: Mapping[str, str]
    form: Mapping[str, str]
    fixed: Mapping[str, str]
    form_key: str | None
    moves: Moves | None
    role: Role
    reason: str


class Proposals:
    def __init__(
        self, database: Database, thresholds: Thresholds, cursors: Cursors, now: Callable[[], datetime]
    ) -> None:
        self.thresholds = thresholds
        self._database = database
        self._cursors = cursors
        self._now = now

    async def propose(self, caller: Caller, act: ProposedAct) -> Proposal:
        """What waits from now on, or what was made of the same form before.

        Raises ValidationFailed for too long a form, InvalidState where the same is proposed already.
        """
        size = sum(len(name) + len(value) for name, value in act.form.items())
        if size > FORM_CHARACTERS_MAX or len(act.place) > PLACE_CHARACTERS_MAX:
            raise ValidationFailed("This form is too long to be kept for a second person.", pointer="")
        now = self._now()
        async with self._database.work(caller.ledger_id) as connection:
            await lock_until_commit(connection, f"proposal:{caller.ledger_id}:{act.place}")
            if act.form_key is not None:
                await lock_until_commit(connection, f"proposal:{caller.ledger_id}:form:{act.form_key}")
                found = await find_by_form(connection, caller.ledger_id, act.form_key)
                if found is not None:
                    return _same(found, caller, act.place, act.form)
            if (there := await self._made_room(connection, caller, act)) is not None:
                return there
            person = (await people_behind(connection, caller.ledger_id, [caller.actor]))[caller.actor]
            proposal = Proposal(
                id=new_uuid(),
                ledger_id=caller.ledger_id,
                action=act.action,
                place=act.place,
                parts=act.parts,
                form=act.form,
                fixed=act.fixed,
                form_key=act.form_key,
                moves=act.moves,
                proposed_by=caller.actor,
                proposer=person,
                role=act.role,
                reason=act.reason,
                proposed_at=now,
                expires_at=now + WAITS_FOR,
            )
            await insert_proposal(connection, proposal)
            await _tell(connection, caller, proposal, now, act.reason)
        return proposal

    async def of_form(
        self, caller: Caller, form_key: str | None, place: str, form: Mapping[str, str]
    ) -> Proposal | None:
        """What was made of the same form before. Raises InvalidState where its key was another form's."""
        if form_key is None:
            return None
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_by_form(connection, caller.ledger_id, form_key)
        return None if found is None else _same(found, caller, place, form)

    async def get(self, caller: Caller, id_: UUID) -> Proposal:
        """Raises NotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_proposal(connection, caller.ledger_id, id_)
        if found is None:
            raise _no_such_proposal()
        return found

    async def list(self, caller: Caller, request: PageRequest) -> Page[Proposal]:
        """The newest first. Those that are overdue lapse before. Raises InvalidParameter."""
        position = self._cursors.position(caller.ledger_id, request)
        await self._lapse_overdue(caller)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_proposals(
                connection,
                caller.ledger_id,
                status=position.filters.get("status"),
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda proposal: proposal.id)

    async def is_own(self, caller: Caller, proposal: Proposal) -> bool:
        """Whether the same person has proposed it, whichever credential was used."""
        async with self._database.work(caller.ledger_id) as connection:
            person = (await people_behind(connection, caller.ledger_id, [caller.actor]))[caller.actor]
        return person in (proposal.proposer, proposal.proposed_by) or caller.actor == proposal.proposed_by

    async def confirm(self, caller: Caller, id_: UUID, reason: str, moves: Moves | None) -> Proposal:
        """One that is confirmed, by this person or by another before. `moves` is what it would move now.

        Where that is another amount, or it is too late, it lapses. Raises InvalidState, FourEyesRequired, NotFound.
        """
        now = self._now()
        async with self._database.work(caller.ledger_id) as connection:
            found = await self._locked(connection, caller, id_)
            await self._check_other(connection, caller, found)
            if found.status is ProposalStatus.CONFIRMED:
                return found
            found.check_waits()
            if (why := _why_lapsed(found, moves, now)) is None:
                decided = _decided(found, ProposalStatus.CONFIRMED, caller, reason, now)
                await self._put(connection, caller, decided, now, reason)
                return decided
            lapsed = replace(found, status=ProposalStatus.LAPSED, ended_at=now, outcome=why)
            await self._put(connection, caller, lapsed, now, why)
        raise InvalidState(why, proposal_status=ProposalStatus.LAPSED.value)

    async def decline(self, caller: Caller, id_: UUID, reason: str) -> Proposal:
        """Another person says no. Raises InvalidState, FourEyesRequired, NotFound."""
        now = self._now()
        async with self._database.work(caller.ledger_id) as connection:
            found = await self._locked(connection, caller, id_)
            await self._check_other(connection, caller, found)
            found.check_waits()
            declined = replace(_decided(found, ProposalStatus.DECLINED, caller, reason, now), ended_at=now)
            await self._put(connection, caller, declined, now, reason)
        return declined

    async def withdraw(self, caller: Caller, id_: UUID, reason: str) -> Proposal:
        """Whoever has proposed it takes it back. Raises Forbidden for others, InvalidState, NotFound."""
        now = self._now()
        async with self._database.work(caller.ledger_id) as connection:
            found = await self._locked(connection, caller, id_)
            person = (await people_behind(connection, caller.ledger_id, [caller.actor]))[caller.actor]
            if person != found.proposer and caller.actor != found.proposed_by:
                raise Forbidden("Only whoever has proposed this withdraws it: decline it instead.")
            found.check_waits()
            withdrawn = replace(_decided(found, ProposalStatus.WITHDRAWN, caller, reason, now), ended_at=now)
            await self._put(connection, caller, withdrawn, now, reason)
        return withdrawn

    async def end(self, caller: Caller, id_: UUID, status: ProposalStatus, outcome: str) -> None:
        """What has become of one that was confirmed. Of two who carry it out at the same time, done is done."""
        now = self._now()
        async with self._database.work(caller.ledger_id) as connection:
            found = await self._locked(connection, caller, id_)
            is_done_after_all = (found.status, status) == (ProposalStatus.REFUSED, ProposalStatus.CARRIED_OUT)
            if found.status is ProposalStatus.CONFIRMED or is_done_after_all:
                ended = replace(found, status=status, ended_at=now, outcome=outcome)
                await self._put(connection, caller, ended, now, outcome)

    async def _made_room(self, connection: Connection, caller: Caller, act: ProposedAct) -> Proposal | None:
        """One at a time of an address: two of them would be two refunds. What is there, of a form that has no key.

        Raises InvalidState.
        """
        now = self._now()
        there = await find_open_at(connection, caller.ledger_id, act.place)
        if there is None:
            return None
        if not there.is_overdue(now):
            if act.form_key is None:
                with suppress(InvalidState):
                    return _same(there, caller, act.place, act.form)
            known = render_id(Prefix.PROPOSAL, there.id)
            raise InvalidState(f"The same is proposed already: {known} is {there.status.value}.", proposal=known)
        await self._put(connection, caller, _overdue(there, now), now, _TOO_LATE)
        return None

    async def _lapse_overdue(self, caller: Caller) -> None:
        now = self._now()
        async with self._database.work(caller.ledger_id) as connection:
            for proposal in await find_overdue(connection, caller.ledger_id, now, LAPSED_AT_ONCE):
                await self._put(connection, caller, _overdue(proposal, now), now, _TOO_LATE)

    async def _locked(self, connection: Connection, caller: Caller, id_: UUID) -> Proposal:
        found = await find_proposal(connection, caller.ledger_id, id_, is_locked=True)
        if found is None:
            raise _no_such_proposal()
        return found

    async def _check_other(self, connection: Connection, caller: Caller, proposal: Proposal) -> None:
        """Raises FourEyesRequired."""
        people = await people_behind(connection, caller.ledger_id, [caller.actor, proposal.proposed_by])
        # Who stood behind the proposer then, and who does now.
        for one in (proposal, replace(proposal, proposer=people[proposal.proposed_by])):
            one.check_other(people[caller.actor], caller.actor)

    async def _put(
        self, connection: Connection, caller: Caller, proposal: Proposal, now: datetime, reason: str
    ) -> None:
        await update_proposals(connection, [proposal])
        await _tell(connection, caller, proposal, now, reason)


_TOO_LATE = f"Nobody has confirmed it within {WAITS_FOR.days} days."


def _why_lapsed(proposal: Proposal, moves: Moves | None, now: datetime) -> str | None:
    if proposal.is_overdue(now):
        return _TOO_LATE
    if moves_told(moves) != moves_told(proposal.moves):
        was, is_now = (_in_words(one) for one in (proposal.moves, moves))
        return f"It was proposed when it moved {was}, and would move {is_now} now: propose it anew."
    return None


def _in_words(moves: Moves | None) -> str:
    told = moves_told(moves)
    if told is None:
        return "an amount that nobody can tell"
    return " and ".join(f"{amount} {currency}" for currency, amount in told.items()) or "nothing"


def _overdue(proposal: Proposal, now: datetime) -> Proposal:
    return replace(proposal, status=ProposalStatus.LAPSED, ended_at=now, outcome=_TOO_LATE)


def _decided(proposal: Proposal, status: ProposalStatus, caller: Caller, reason: str, now: datetime) -> Proposal:
    return replace(proposal, status=status, decided_by=caller.actor, decided_at=now, decision_reason=reason)


def _same(found: Proposal, caller: Caller, place: str, form: Mapping[str, str]) -> Proposal:
    """A form that is sent twice is proposed once. Raises InvalidState where its key was another form's."""
    if (found.proposed_by, found.place, dict(found.form)) != (caller.actor, place, dict(form)):
        raise InvalidState("Another form was sent with this key: open the page again.")
    return found


async def _tell(connection: Connection, caller: Caller, proposal: Proposal, now: datetime, reason: str) -> None:
    """What has become of it, in the audit log. What lapses by itself is nobody's doing."""
    record = audit_record(
        TOLD[proposal.status],
        caller,
        now,
        resource=render_id(Prefix.PROPOSAL, proposal.id),
        reason=reason,
        facts={
            "action": proposal.action,
            "place": proposal.place,
            "moves": moves_told(proposal.moves),
            "proposed_by": proposal.proposed_by,
        },
    )
    if proposal.status is ProposalStatus.LAPSED:
        record = replace(record, actor=None, address=None, request_id=None)
    await audited(connection, record)


def _no_such_proposal() -> NotFound:
    return NotFound("This ledger has no such proposal.")
