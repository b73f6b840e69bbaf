"""What became of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from zerosum.domain.errors import DomainError
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.ledger.entry import PostedEntry


@dataclass(slots=True)
class Posted:
    """Carried out: `entry` is in the books, `resource` (a payment…) stands on it, `event` announces it."""

    entry: PostedEntry
    event: EventType
    resource: Any = None


@dataclass(slots=True)
class Refused:
    """The command was judged and changed nothing. The same key gets the same refusal for ever, where it is kept."""

    refusal: DomainError
    is_replay: bool = False


@dataclass(slots=True)
class Replayed:
    """The key was used before for the same request, which was posted then under this id."""

    entry_id: UUID
    resource_type: ResourceType


Outcome = Posted | Refused
"""What a Book says."""

Answer = Posted | Refused | Replayed
"""What a caller of the committer gets."""
