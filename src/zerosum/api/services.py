"""The use cases the routes speak to."""

from __future__ import annotations

from dataclasses import dataclass

from zerosum.services.account_administration import AccountAdministration
from zerosum.services.account_groups import AccountGroups
from zerosum.services.account_history import AccountHistory
from zerosum.services.account_reports import AccountReports
from zerosum.services.accounts import Accounts
from zerosum.services.audit import AuditLog
from zerosum.services.audit_feed import AuditFeed
from zerosum.services.balances import Balances
from zerosum.services.charts import Charts
from zerosum.services.clients import Clients
from zerosum.services.credentials.api_keys import ApiKeys
from zerosum.services.credentials.open_sessions import OpenSessions
from zerosum.services.dead_letters import DeadLetters
from zerosum.services.disputes import Disputes
from zerosum.services.event_feed import EventFeed
from zerosum.services.event_history import EventHistory
from zerosum.services.event_tail import EventTail
from zerosum.services.exchanges import Exchanges
from zerosum.services.holds import Holds
from zerosum.services.house_rules import HouseRulesBook
from zerosum.services.imports import Imports
from zerosum.services.ingestion import Ingestion
from zerosum.services.integrity import Integrity
from zerosum.services.issued_statements import IssuedStatements
from zerosum.services.journal import Journal
from zerosum.services.journal_export import JournalExport
from zerosum.services.ledger_routes import LedgerRoutesBook
from zerosum.services.ledgers import Ledgers
from zerosum.services.message_progress import MessageProgress
from zerosum.services.notifications.notifications import Notifications
from zerosum.services.payments import Payments
from zerosum.services.periods import Periods
from zerosum.services.processor_callbacks import ProcessorCallbacks
from zerosum.services.processor_calls import ProcessorCalls
from zerosum.services.proof_log.checkpoints import SignedCheckpoints
from zerosum.services.proof_log.receipts import Receipts
from zerosum.services.proofs.totals import Inspector
from zerosum.services.reconciliation.adjustments import ReconciliationAdjustments
from zerosum.services.reconciliation.breaks import ReconciliationBreaks
from zerosum.services.reconciliation.files import ReconciliationFiles
from zerosum.services.reconciliation.reports import ReconciliationReports
from zerosum.services.reconciliation.sources import ReconciliationSources
from zerosum.services.refunds import Refunds
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.live_processors import LiveProcessors
from zerosum.services.reviews import Reviews
from zerosum.services.scheduled_payments import ScheduledPayments
from zerosum.services.statements import Statements
from zerosum.services.status.board import StatusBoard
from zerosum.services.subjects import Subjects
from zerosum.services.templates import Templates
from zerosum.services.webhooks.deliveries import WebhookDeliveries
from zerosum.services.webhooks.endpoints import WebhookEndpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    account_administration: AccountAdministration
    account_groups: AccountGroups
    account_history: AccountHistory
    account_reports: AccountReports
    accounts: Accounts
    api_keys: ApiKeys
    audit_feed: AuditFeed
    audit_log: AuditLog
    balances: Balances
    charts: Charts
    clients: Clients
    currencies: Currencies
    dead_letters: DeadLetters
    disputes: Disputes
    event_feed: EventFeed
    event_history: EventHistory
    event_tail: EventTail
    exchanges: Exchanges
    holds: Holds
    house_rules: HouseRulesBook
    ledger_routes: LedgerRoutesBook
    imports: Imports
    ingestion: Ingestion
    integrity: Integrity
    inspector: Inspector
    issued_statements: IssuedStatements
    journal: Journal
    journal_export: JournalExport
    ledgers: Ledgers
    message_progress: MessageProgress
    notifications: Notifications
    open_sessions: OpenSessions
    payments: Payments
    periods: Periods
    live_processors: LiveProcessors
    processor_callbacks: ProcessorCallbacks
    processor_calls: ProcessorCalls
    receipts: Receipts
    reconciliation_adjustments: ReconciliationAdjustments
    reconciliation_breaks: ReconciliationBreaks
    reconciliation_files: ReconciliationFiles
    reconciliation_reports: ReconciliationReports
    reconciliation_sources: ReconciliationSources
    refunds: Refunds
    reviews: Reviews
    scheduled_payments: ScheduledPayments
    signed_checkpoints: SignedCheckpoints
    statements: Statements
    status: StatusBoard
    subjects: Subjects
    templates: Templates
    webhook_deliveries: WebhookDeliveries
    webhook_endpoints: WebhookEndpoints
