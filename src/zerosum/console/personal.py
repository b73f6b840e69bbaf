"""What was said about a person with a payment or an entry, for the pages of these."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from zerosum.console.view import View
from zerosum.domain.ledger.subjects import SUBJECT_MEMBER
from zerosum.gateway.identity.principal import Scope
from zerosum.services.subjects import ShownMembers, Subjects


async def personal_of(
    view: View, subjects: Subjects, entry_id: UUID, metadata: Mapping[str, str], wire_id: str
) -> ShownMembers | None:
    """Who looks at it is told besides who looks at the page. None: nothing was said, or it is not for the role."""
    if SUBJECT_MEMBER not in metadata or not view.may(Scope.PERSONAL_READ):
        return None
    await view.seen(f"{wire_id}/personal")
    return await subjects.shown(view.caller, entry_id)
