"""What an order says about a subject: in the clear only until it is sealed, and never in what is made of the order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zerosum.domain.errors import DomainError
from zerosum.domain.ledger.subjects import SealedMembers
from zerosum.services.requests.account_directory import NotPrepared


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalOrder:
    """`members` are a caller's own. `sealed` are the same once the order is prepared, or why they cannot be."""

    subject: str
    members: Mapping[str, str] = field(repr=False)
    sealed: SealedMembers | DomainError | None = None


def sealed_members(personal: PersonalOrder | None) -> SealedMembers | None:
    """For the command. Raises NotPrepared, SubjectErased."""
    if personal is None:
        return None
    if personal.sealed is None:
        raise NotPrepared("what is said about a subject is not sealed yet")
    if isinstance(personal.sealed, DomainError):
        raise personal.sealed
    return personal.sealed
