"""What holds and disputes have in common: each is gone through step by step, as its commands have left it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, ClassVar
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.behind_ids import BehindIds
from zerosum.services.proofs.report import Report


class StepsProof(BehindIds):
    """`on_step` is told of each step that posts nothing: the proof of events counts them."""

    noun: ClassVar[str]
    prefix: ClassVar[Prefix]
    posts_nothing: ClassVar[str]
    """The one verb that has never a journal entry."""

    def __init__(self, report: Report, on_step: Callable[[Any], None]) -> None:
        self._report = report
        self._on_step = on_step

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report = self._report
        rows, limit = await self._rows(connection, share)
        number = 0
        for id_, own in groupby(rows, key=attrgetter(f"{self.noun}_id")):
            number += 1
            steps, what = list(own), f"the {self.noun.replace('_', ' ')} {render_id(self.prefix, id_)}"
            concerned = steps[0].payer_id, steps[0].payee_id
            with report.noting(f"{what} or what stands on it cannot be read", concerned=concerned):
                fault = self._fault_of(steps)
                if fault is not None:
                    report.note(f"{what} {fault}", concerned=concerned)
            self._after = id_
        return number < limit

    @abstractmethod
    async def _rows(self, connection: Connection, share: float) -> tuple[Sequence[Any], int]:
        """The steps of those behind `_after`, in their order, and how many of those it has asked for."""

    @abstractmethod
    def _fault_of_step(self, step: Any, before: Any) -> str | None:
        """What is wrong with a step, seen with the one before it, of which the first has none."""

    @abstractmethod
    def _fault_of_whole(self, steps: Sequence[Any], entry_ids: Sequence[UUID]) -> str | None:
        """What is wrong with it, though each step may be right."""

    def _fault_of(self, steps: Sequence[Any]) -> str | None:
        if steps[0].number is None:
            return "has no steps"
        before = None
        entry_ids: list[UUID] = []
        for place, step in enumerate(steps, start=1):
            if step.number != place:
                return f"lacks the step {place}"
            if self._posts_nothing(step, before):
                self._on_step(_Announced(self.noun, step))
            else:
                entry_ids.append(step.id)
            fault = self._fault_of_step(step, before)
            if fault is not None:
                return f"has a step {place} that {fault}"
            if step.entries != len(entry_ids):
                return f"has a step {place} that counts other entries"
            before = step
        return self._fault_of_whole(steps, entry_ids)

    def _posts_nothing(self, step: Any, before: Any) -> bool:  # noqa: ARG002 - that of others depends on it
        return bool(step.verb == self.posts_nothing)

    def _fault_of_entry(self, step: Any, before: Any, reason: str | None) -> str | None:
        """Whether what it posted is an entry of its own, for this reason and at its time."""
        own_id = None if before is None else str(getattr(step, f"{self.noun}_id"))
        if not step.has_entry or (step.entry_reason, step.resource_type, step.resource_id) != (
            reason,
            self.noun,
            own_id,
        ):
            return "has no journal entry of its own"
        return None if step.posted_at == step.changed_at else "was at another time than its journal entry"


class _Announced:
    """A step that posts nothing, as the proof of events knows entries."""

    def __init__(self, noun: str, step: Any) -> None:
        self.id, self.posted_at, self.reason = step.id, step.changed_at, step.verb
        self.resource_type, self.resource_id = noun, str(getattr(step, f"{noun}_id"))
