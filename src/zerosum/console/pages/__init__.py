"""The pages of the console, a module a noun. `every_page` lists them: what is not in it is not there."""

from __future__ import annotations

from collections.abc import Callable

from zerosum.console.console import Console
from zerosum.console.pages.account import account_page
from zerosum.console.pages.accounts import account_pages
from zerosum.console.pages.api_keys import api_key_pages
from zerosum.console.pages.audit_log import audit_log_pages
from zerosum.console.pages.breaks import break_pages
from zerosum.console.pages.clients import client_pages
from zerosum.console.pages.currencies import currency_pages
from zerosum.console.pages.dead_letters import dead_letter_pages
from zerosum.console.pages.disputes import dispute_pages
from zerosum.console.pages.events import event_pages
from zerosum.console.pages.holds import hold_pages
from zerosum.console.pages.house_rules import house_rules_pages
from zerosum.console.pages.integrity import integrity_pages
from zerosum.console.pages.journal import journal_pages
from zerosum.console.pages.ledgers import ledger_pages
from zerosum.console.pages.overview import overview_pages
from zerosum.console.pages.payments import payment_pages
from zerosum.console.pages.periods import period_pages
from zerosum.console.pages.processor_calls import processor_call_pages
from zerosum.console.pages.progress import progress_pages
from zerosum.console.pages.proposals import proposal_pages
from zerosum.console.pages.reconciliation import reconciliation_pages
from zerosum.console.pages.reports import report_pages
from zerosum.console.pages.reviews import review_pages
from zerosum.console.pages.routing import routing_pages
from zerosum.console.pages.rules import rule_pages
from zerosum.console.pages.saved_views import saved_view_pages
from zerosum.console.pages.scheduled_payments import scheduled_payment_pages
from zerosum.console.pages.search import search_pages
from zerosum.console.pages.sessions import session_pages
from zerosum.console.pages.signing_in import signing_in_pages
from zerosum.console.pages.statements import statement_pages
from zerosum.console.pages.trial_balance import trial_balance_pages
from zerosum.console.pages.webhook_settings import webhook_settings_pages
from zerosum.console.pages.webhooks import webhook_pages

PAGES: tuple[Callable[[Console], None], ...] = (
    signing_in_pages,
    overview_pages,
    payment_pages,
    saved_view_pages,
    account_pages,
    account_page,
    client_pages,
    journal_pages,
    period_pages,
    report_pages,
    statement_pages,
    trial_balance_pages,
    search_pages,
    event_pages,
    webhook_pages,
    dead_letter_pages,
    progress_pages,
    integrity_pages,
    review_pages,
    proposal_pages,
    hold_pages,
    dispute_pages,
    scheduled_payment_pages,
    processor_call_pages,
    routing_pages,
    rule_pages,
    house_rules_pages,
    webhook_settings_pages,
    api_key_pages,
    session_pages,
    audit_log_pages,
    currency_pages,
    reconciliation_pages,
    break_pages,
    # Last: its `/{ledger}` is every address of one segment.
    ledger_pages,
)


def add_every_page(console: Console) -> None:
    for add in PAGES:
        add(console)
