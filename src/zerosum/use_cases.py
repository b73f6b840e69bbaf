"""The use cases of one process, and what they share: each thing is made once and given to whoever needs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from zerosum import __version__
from zerosum.adapters.balance_cache import BalanceCache, NoBalanceCache
from zerosum.adapters.webhook_client import UrlCheck
from zerosum.api.schemas.event_shapes import members_of
from zerosum.api.services import Services
from zerosum.config import Settings
from zerosum.console.console import Console, ConsoleServices, Turn
from zerosum.console.openid import OpenIdSignIn
from zerosum.console.pages import add_every_page
from zerosum.console.streams import LiveStreams
from zerosum.db.engine import Database
from zerosum.outside import live_processors
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
from zerosum.services.committing.committer import Committer
from zerosum.services.console_log import ConsoleLog
from zerosum.services.console_overview import ConsoleOverview
from zerosum.services.console_search import ConsoleSearch
from zerosum.services.console_views import ConsoleViews
from zerosum.services.credentials.api_keys import ApiKeys
from zerosum.services.credentials.console_sessions import ConsoleSessions
from zerosum.services.credentials.open_sessions import OpenSessions
from zerosum.services.credentials.sealing import Sealer
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
from zerosum.services.judging import PaymentRules, RuleBook
from zerosum.services.ledger_routes import LedgerRoutesBook
from zerosum.services.ledgers import Ledgers
from zerosum.services.message_progress import MessageProgress
from zerosum.services.notifications.notifications import Notifications
from zerosum.services.payment_lives import PaymentLives
from zerosum.services.payments import PaymentKind, Payments
from zerosum.services.periods import Periods
from zerosum.services.processor_callbacks import ProcessorCallbacks
from zerosum.services.processor_calls import ProcessorCalls
from zerosum.services.proof_log.checkpoints import SignedCheckpoints
from zerosum.services.proof_log.receipts import Receipts
from zerosum.services.proofs.totals import Inspector
from zerosum.services.proposals import Proposals
from zerosum.services.reconciliation.adjustments import ReconciliationAdjustments
from zerosum.services.reconciliation.breaks import ReconciliationBreaks
from zerosum.services.reconciliation.files import ReconciliationFiles
from zerosum.services.reconciliation.reports import ReconciliationReports
from zerosum.services.reconciliation.sources import ReconciliationSources
from zerosum.services.refunds import Refunds
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.client_currency import client_currency
from zerosum.services.requests.closed_periods import ClosedPeriods
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.known_parties import known_payments
from zerosum.services.requests.paging import Cursors
from zerosum.services.requests.quotas import CountedQuota
from zerosum.services.requests.settled_time import SettledTime
from zerosum.services.reviews import Reviews
from zerosum.services.scheduled_payments import ScheduledPayments
from zerosum.services.shown_rules import ShownRuleBook, ShownRules
from zerosum.services.spans import NO_SPANS, Spans
from zerosum.services.statements import Statements
from zerosum.services.status.board import Process, StatusBoard
from zerosum.services.status.found import Load
from zerosum.services.subjects import Subjects
from zerosum.services.templates import Templates
from zerosum.services.webhooks.deliveries import WebhookDeliveries
from zerosum.services.webhooks.endpoints import WebhookEndpoints
from zerosum.services.webhooks.secrets import EndpointSecrets


def use_cases(
    settings: Settings,
    database: Database,
    committer: Committer,
    cache: BalanceCache | NoBalanceCache,
    sealer: Sealer,
    now: Callable[[], datetime],
    is_ending: Callable[[], bool] = lambda: False,
    rule_book: RuleBook | None = None,
    process: Process | None = None,
    spans: Spans = NO_SPANS,
) -> Services:
    """`rule_book` judges payments; whoever has made it closes it. `process` is the one that answers, for its status."""
    cursors = Cursors(settings.cursor_key())
    currencies = Currencies(database, now)
    directory = AccountDirectory(database)
    payments = known_payments(database)
    closed_periods = ClosedPeriods(database, now)
    settled = SettledTime(database, now)
    account_quota = CountedQuota("accounts", settings.accounts_per_ledger)
    accounts = Accounts(database, currencies, directory, cursors, now, account_quota)
    charts = Charts(database, accounts, directory, currencies, now)
    api_keys = ApiKeys(database, settings.pepper(), now, settings.api_keys_per_ledger, settings.key_lifetimes)
    ledgers = Ledgers(database, api_keys, cursors, now)
    subjects = Subjects(database, committer, sealer, now, CountedQuota("subjects", settings.subjects_per_ledger))
    journal = Journal(database, committer, charts, directory, currencies, cursors, closed_periods, now, subjects)
    statements = Statements(database, directory, currencies, lines_max=settings.statement_lines_max)
    outside = live_processors(settings, database, now)
    disputes = Disputes(database, committer, directory, currencies, payments, cursors, now)
    feed = EventFeed(database, directory)
    rules = None if rule_book is None else PaymentRules(rule_book, database, committer, spans)
    own_routes = LedgerRoutesBook(database, cursors, outside, now)
    payments_made = Payments(
        database,
        committer,
        accounts,
        charts,
        directory,
        currencies,
        cursors,
        closed_periods,
        now,
        outside,
        rules,
        own_routes,
        subjects,
        payments,
    )
    sources = ReconciliationSources(database, directory, currencies, cursors, now)
    return Services(
        account_administration=AccountAdministration(database, committer, accounts, directory, currencies),
        account_groups=AccountGroups(database, committer, currencies, cursors, settled, now),
        account_history=AccountHistory(database, currencies, now),
        account_reports=AccountReports(database, currencies, cursors, settled, now),
        accounts=accounts,
        api_keys=api_keys,
        open_sessions=OpenSessions(database, cursors, now),
        audit_feed=AuditFeed(database),
        audit_log=AuditLog(database, cursors),
        balances=Balances(database, directory, currencies, cache, cursors, settled, now),
        charts=charts,
        clients=Clients(
            database,
            committer,
            accounts,
            directory,
            currencies,
            cursors,
            now,
            client_currency(settings.client_currency),
        ),
        currencies=currencies,
        dead_letters=DeadLetters(database, cursors, now),
        disputes=disputes,
        event_feed=feed,
        event_history=EventHistory(database, feed),
        event_tail=EventTail(feed, is_ending),
        exchanges=Exchanges(database, committer, accounts, charts, directory, currencies, cursors, closed_periods, now),
        holds=Holds(database, committer, charts, directory, currencies, cursors, now, rules),
        ledger_routes=own_routes,
        house_rules=HouseRulesBook(database, committer, directory, currencies),
        imports=Imports(database, now),
        ingestion=Ingestion(database, now),
        integrity=Integrity(database, cursors, now),
        inspector=Inspector(database, now),
        issued_statements=IssuedStatements(database, committer, directory, statements, cursors, now),
        journal=journal,
        journal_export=JournalExport(database, ledgers, settled),
        templates=Templates(database, committer, charts, directory, currencies, cursors, closed_periods, now),
        ledgers=ledgers,
        message_progress=MessageProgress(database),
        notifications=Notifications(
            database, directory, cursors, now, settings.mail_limits(), members_of, settings.notifications_per_ledger
        ),
        live_processors=outside,
        payments=payments_made,
        processor_callbacks=ProcessorCallbacks(database, committer, outside, disputes, now),
        processor_calls=ProcessorCalls(database, committer, currencies, cursors, now, outside),
        periods=Periods(database, currencies, cursors, settled, now),
        receipts=Receipts(database),
        signed_checkpoints=SignedCheckpoints(database, cursors),
        reviews=Reviews(database, committer, payments_made.kind, cursors, now),
        reconciliation_adjustments=ReconciliationAdjustments(database, journal, sources, directory, now),
        reconciliation_breaks=ReconciliationBreaks(database, cursors, now),
        reconciliation_files=ReconciliationFiles(database, sources, currencies, cursors, now),
        reconciliation_reports=ReconciliationReports(database, currencies, now),
        reconciliation_sources=sources,
        refunds=Refunds(database, committer, currencies, payments, cursors, now, outside),
        scheduled_payments=ScheduledPayments(
            database,
            committer,
            PaymentKind(accounts, charts, directory, currencies, closed_periods, now),
            directory,
            cursors,
            now,
        ),
        statements=statements,
        subjects=subjects,
        status=StatusBoard(database, process or _alone(database), now, time.monotonic),
        webhook_deliveries=WebhookDeliveries(database, cursors, now),
        webhook_endpoints=WebhookEndpoints(
            database,
            EndpointSecrets(sealer),
            UrlCheck(settings.webhook_guard),
            cursors,
            now,
            settings.webhook_endpoints_per_ledger,
        ),
    )


def _alone(database: Database) -> Process:
    """No process of a service: nobody counts what waits in it."""
    nothing = Load(queued_commands=None, requests_in_flight=None, redis="none")
    return Process(is_ready=database.is_ready, load=lambda: nothing)


def make_console(
    settings: Settings,
    database: Database,
    services: Services,
    now: Callable[[], datetime],
    issuer: OpenIdSignIn | None,
    turn: Turn,
    rule_book: ShownRuleBook | None,
    is_ending: Callable[[], bool] = lambda: False,
) -> Console:
    """The operators' pages, over the same use cases. `turn` is of a ledger's costly reads."""
    own = ConsoleServices(
        sessions=ConsoleSessions(database, now),
        log=ConsoleLog(database, now),
        overview=ConsoleOverview(database, services.balances, now, time.monotonic),
        lives=PaymentLives(database),
        search=ConsoleSearch(database, services.ledgers),
        rules=ShownRules(rule_book),
        views=ConsoleViews(database, now),
        proposals=Proposals(database, settings.second_person, Cursors(settings.cursor_key()), now),
        issuer=issuer,
    )
    console = Console(services, own, now, settings.shown_url, __version__)
    console.turn = turn
    console.streams = LiveStreams(is_ending)
    add_every_page(console)
    return console
