"""The use cases the routes speak to."""

from __future__ import annotations

from dataclasses import dataclass

from zerosum.services.account_administration import AccountAdministration
from zerosum.services.accounts import Accounts
from zerosum.services.audit import AuditLog
from zerosum.services.balances import Balances
from zerosum.services.charts import Charts
from zerosum.services.clients import Clients
from zerosum.services.credentials.api_keys import ApiKeys
from zerosum.services.disputes import Disputes
from zerosum.services.holds import Holds
from zerosum.services.imports import Imports
from zerosum.services.journal import Journal
from zerosum.services.ledgers import Ledgers
from zerosum.services.payments import Payments
from zerosum.services.proofs.totals import Inspector
from zerosum.services.refunds import Refunds
from zerosum.services.requests.currencies import Currencies
from zerosum.services.statements import Statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    account_administration: AccountAdministration
    accounts: Accounts
    api_keys: ApiKeys
    audit_log: AuditLog
    balances: Balances
    charts: Charts
    clients: Clients
    currencies: Currencies
    disputes: Disputes
    holds: Holds
    imports: Imports
    inspector: Inspector
    journal: Journal
    ledgers: Ledgers
    payments: Payments
    refunds: Refunds
    statements: Statements
