"""The books prove themselves: every link, sum, version and stored balance of a ledger is computed again.

| part | looks at |
| --- | --- |
| `of_accounts` | accounts with their postings (`of_chains`) and histories (`of_histories`) |
| `of_checkpoints` | what accounts came to, sealed beside their postings |
| `of_branch_totals` | what branches came to, sealed beside accounts and postings |
| `of_statements` | statements that were issued, beside the postings they tell of |
| `of_entries` | journal entries with their payments and client transactions (`of_fingerprints`) |
| `of_splits` | payments with several receivers, with what each got and gave back |
| `of_processor_calls` | payments through processors: what is pending, and what was said of them |
| `of_reconciliation` | files of reconciliation, what was matched of them, and breaks with their steps |
| `of_exchanges` | exchanges, with what their rates make of them |
| `of_holds` | holds, with the steps of their lives and what these posted |
| `of_disputes` | disputes, in the same way |
| `of_schedules` | scheduled payments, run by run |
| `of_reviews` | payments that a rule has held, who has approved them, and what they have paid |
| `of_periods` | closed periods: seals, the balances in them, and what came in behind them |
| `of_templates` | templates, and what was posted by them (`template_amounts`) |
| `of_versions` | charts, house rules and the ledger's own routes, against the security log |
| `of_account_groups` | account groups, against the security log |
| `of_subjects` | what was said about people, beside what entries commit to, and who was erased |
| `of_group_limits` | which accounts stand under the limits of groups |
| `of_settings` | what the ledger is set to, against the security log |
| `of_answers` | what keys of commands that post nothing are answered again |
| `of_events` | what was announced |
| `refusal_seals` | refusals, against the seals of the worker |
| `audit_seals` | the security log, in the same way |
| `of_signed_checkpoints` | the proof log and its signatures |

None shares code with what writes the books. A proof goes slice by slice: `zerosum verify` takes all of them at one
moment, the worker's self-audit each at a moment of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.integrity import count_postings, currency_places
from zerosum.db.queries.pages import look_up_by_key
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.domain.money.iso4217 import ISO_4217
from zerosum.services.proofs.audit_seals import AuditSealsProof
from zerosum.services.proofs.of_account_groups import AccountGroupsProof
from zerosum.services.proofs.of_accounts import AccountsProof
from zerosum.services.proofs.of_answers import AnswersProof
from zerosum.services.proofs.of_branch_totals import BranchTotalsProof, DatedTotalsProof, TotalSealsProof
from zerosum.services.proofs.of_checkpoints import CheckpointsProof
from zerosum.services.proofs.of_disputes import DisputesProof
from zerosum.services.proofs.of_entries import ClientTransactionsProof, EntriesProof
from zerosum.services.proofs.of_events import EventsProof
from zerosum.services.proofs.of_exchanges import ExchangesProof
from zerosum.services.proofs.of_group_limits import GroupLimitsProof
from zerosum.services.proofs.of_holds import HoldsProof
from zerosum.services.proofs.of_periods import PeriodsProof
from zerosum.services.proofs.of_processor_calls import ProcessorCallsProof
from zerosum.services.proofs.of_reconciliation import (
    ReconciliationBreaksProof,
    ReconciliationFilesProof,
    ReconciliationMatchesProof,
)
from zerosum.services.proofs.of_reviews import ReviewsProof
from zerosum.services.proofs.of_schedules import SchedulesProof
from zerosum.services.proofs.of_settings import SettingsProof
from zerosum.services.proofs.of_signed_checkpoints import SignedCheckpointsProof
from zerosum.services.proofs.of_splits import SplitsProof
from zerosum.services.proofs.of_statements import StatementsProof
from zerosum.services.proofs.of_subjects import PersonalMembersProof, SubjectsProof
from zerosum.services.proofs.of_templates import TemplatesProof, TemplateUsesProof
from zerosum.services.proofs.of_versions import ChartsProof, HouseRulesProof, RoutesProof
from zerosum.services.proofs.refusal_seals import SealsProof
from zerosum.services.proofs.report import BREAKS_MAX as BREAKS_MAX
from zerosum.services.proofs.report import Break as Break
from zerosum.services.proofs.report import Report as Report

ISO_PLACES = {code: places for code, (places, _) in ISO_4217.items()}


class Part(Protocol):
    async def take_slice(self, connection: Connection, share: float) -> bool:
        """At most this share of the largest slice. Whether that was the last one."""
        ...

    def position(self) -> dict[str, Any]:
        """How far it has come, as JSON that does not change with it."""
        ...

    def go_on(self, position: Mapping[str, Any]) -> None:
        """From such a position on, of which nobody knows where it comes from."""
        ...


class LedgerProof:
    """A proof of one ledger, as far as it has come, or of the service's own log. `horizon` is that of `EventsProof`.

    `position` is one that was kept: where it cannot be read, the proof begins at its beginning.
    """

    def __init__(
        self, ledger_id: UUID, *, horizon: int | None = None, position: Mapping[str, Any] | None = None
    ) -> None:
        self.report = Report(ledger_id)
        self._horizon = horizon
        self._kept = position
        self._parts: list[Part] | None = None
        self._places: dict[str, int] = {}

    @property
    def part(self) -> str:
        """What the next slice belongs to."""
        return "" if not self._parts else type(self._parts[0]).__name__

    def position(self) -> dict[str, Any]:
        """After a slice that was not the last one."""
        parts = {type(part).__name__: part.position() for part in self._parts or ()}
        return {"horizon": self._horizon, "parts": parts}

    async def take_slice(self, connection: Connection, share: float = 1.0) -> bool:
        """A bounded piece of it, in a unit of work of its own. Whether that was the last one."""
        await self.begin_look(connection)
        return await self.take_next(connection, share)

    async def begin_look(self, connection: Connection) -> None:
        """In each unit of work before its first slice: a currency may have been defined since the last, and used."""
        self._places.update(await places_of(connection, self.report.ledger_id))

    async def take_next(self, connection: Connection, share: float = 1.0) -> bool:
        """One slice more of a look that has begun. Whether that was the last one."""
        if self._parts is None:
            self._parts = self._gone_on(self._places) or self._begun(self._places)
        if await self._parts[0].take_slice(connection, share):
            self._parts.pop(0)
        return not self._parts

    def _gone_on(self, places: Mapping[str, int]) -> list[Part] | None:
        """None where there is no position, or none that can be read."""
        if self._kept is None:
            return None
        horizon = self._horizon
        try:
            self._horizon = int(self._kept["horizon"])
            positions: Mapping[str, Any] = self._kept["parts"]
            # Parts are gone through in their order, so what is left is the end of it.
            parts = self._begun(places)[-len(positions) :]
            for part in parts:
                part.go_on(positions[type(part).__name__])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            self._horizon = horizon
            return None
        return parts

    def _begun(self, places: Mapping[str, int]) -> list[Part]:
        if self.report.ledger_id == SERVICE_LEDGER:
            return [AuditSealsProof(self.report), SignedCheckpointsProof(self.report)]
        return parts_of(self.report, EventsProof(self.report, horizon=self._horizon), places)


def parts_of(report: Report, events: EventsProof, places: Mapping[str, int]) -> list[Part]:
    """All parts of a ledger's proof, in their order. `events` is one of them, and is told by others what to expect."""
    return [
        AccountsProof(report, places),
        CheckpointsProof(report),
        TotalSealsProof(report),
        BranchTotalsProof(report),
        DatedTotalsProof(report),
        StatementsProof(report, events.expect),
        EntriesProof(report, events.expect),
        SplitsProof(report),
        ProcessorCallsProof(report),
        ReconciliationFilesProof(report),
        ReconciliationMatchesProof(report),
        ReconciliationBreaksProof(report),
        ExchangesProof(report, places),
        HoldsProof(report, events.expect, places),
        DisputesProof(report, events.expect),
        SchedulesProof(report, events.expect),
        ReviewsProof(report, events.expect),
        TemplatesProof(report, events.expect),
        TemplateUsesProof(report, places),
        ClientTransactionsProof(report),
        PeriodsProof(report, events.expect),
        ChartsProof(report),
        AccountGroupsProof(report, events.expect),
        SubjectsProof(report, events.expect),
        PersonalMembersProof(report),
        GroupLimitsProof(report),
        SettingsProof(report),
        AnswersProof(report),
        HouseRulesProof(report),
        RoutesProof(report),
        events,
        SealsProof(report),
        AuditSealsProof(report),
        SignedCheckpointsProof(report),
    ]


async def places_of(connection: Connection, ledger_id: UUID) -> dict[str, int]:
    """Of each currency; in a unit of work that looks for a proof."""
    await look_up_by_key(connection)
    return {**ISO_PLACES, **await currency_places(connection, ledger_id)}


async def has_more_postings(database: Database, ledger_id: UUID, number: int) -> bool:
    """Than this number."""
    async with database.work(ledger_id) as connection:
        return await count_postings(connection, ledger_id, at_most=number + 1) > number


async def verify_ledger(database: Database, ledger_id: UUID, on_progress: Callable[[int, int], None]) -> Report:
    """Everything, in one consistent look. `on_progress` is told how many postings of how many were walked."""
    proof = LedgerProof(ledger_id)
    async with database.snapshot(ledger_id, SERVICE_LEDGER) as connection:
        total = await count_postings(connection, ledger_id)
        await proof.begin_look(connection)
        while not await proof.take_next(connection):
            on_progress(proof.report.postings, total)
    on_progress(total, total)
    return proof.report
