"""Which indexes there are, and for whom: one that is lost makes nothing wrong, only slow, where a ledger is large."""

from __future__ import annotations

from tests.db.conftest import Dsns
from tests.db.servers import Connection

INDEXES = {
    "account_changes_pkey": "what was said about an account, in order",
    "account_checkpoints_pkey": "balances at an instant",
    "accounts_by_code_prefix": "GET /v1/accounts?code_prefix",
    "accounts_by_currency": "GET /v1/accounts?currency",
    "accounts_by_type": "GET /v1/accounts?type",
    "accounts_code_unique": "an account by its code; never two of one code",
    "accounts_not_open": "GET /v1/accounts?status",
    "accounts_pkey": "the lock of a payment",
    "alembic_version_pkc": "migrations",
    "answers_pkey": "the key of a command that posts nothing",
    "api_keys_pkey": "authentication",
    "audit_log_by_type": "GET /v1/audit-log?type",
    "audit_log_pkey": "GET /v1/audit-log",
    "charts_pkey": "the chart that counts, the newest",
    "client_transactions_by_client": "GET /v1/clients/{client}/transactions; one entry carries out one",
    "client_transactions_pkey": "a tx is used once",
    "currencies_pkey": "a currency by its code",
    "data_keys_pkey": "sealing",
    "dated_checkpoints_pkey": "balances at an instant, where entries are dated",
    "dispute_changes_of_dispute": "the steps of a dispute, in order",
    "dispute_changes_pkey": "what a key that has changed a dispute is answered again",
    "disputes_by_status": "GET /v1/disputes?status",
    "disputes_case_unique": "a case is one dispute",
    "disputes_of_payment": "GET /v1/disputes?payment, and what a payment shows of them",
    "disputes_pkey": "the lock of a dispute",
    "events_pkey": "readers of events, in the order of their transactions",
    "hold_changes_of_hold": "the steps of a hold, in order",
    "hold_changes_pkey": "what a key that has changed a hold is answered again",
    "holds_by_payee": "GET /v1/holds?account",
    "holds_by_payer": "GET /v1/holds?account",
    "holds_by_reference": "GET /v1/holds?reference",
    "holds_by_status": "GET /v1/holds?status",
    "holds_due": "the release of what has expired, over all ledgers",
    "holds_pkey": "the lock of a hold",
    "imports_pkey": "a name stands for one content",
    "journal_entries_dated": "GET /v1/payments and /v1/journal-entries by time, where it is not that of posting",
    "journal_entries_idempotency_key_unique": "a key posts once, for ever",
    "journal_entries_pkey": "an entry by its id",
    "journal_entries_reverses_unique": "an entry is reversed once",
    "ledgers_pkey": "a ledger by its id",
    "payments_by_currency": "GET /v1/payments?currency",
    "payments_by_reference": "GET /v1/payments?reference",
    "payments_by_type": "GET /v1/payments?type",
    "payments_not_succeeded": "GET /v1/payments?status",
    "payments_pkey": "a payment by its id",
    "postings_by_time": "statements, and balances at an instant",
    "postings_of_hold": "what a hold has placed and released",
    "postings_dated": "balances at an instant: what did not happen when it was posted",
    "postings_entry": "the lines of an entry",
    "postings_pkey": "an account's history; a lost update cannot even be stored",
    "proof_positions_pkey": "the self-audit goes on after a restart",
    "refusal_seals_pkey": "a refusal that is gone is missed",
    "refunds_of_payment": "GET /v1/payments/{payment}/refunds, and what a payment shows of them",
    "refunds_pkey": "a refund by the entry that gave it back",
    "refusals_by_age": "old refusals go",
    "refusals_pkey": "a refused key",
    "secret_checks_pkey": "wrong secrets at start",
    "signing_keys_pkey": "tokens",
}
"""Written by hand: whoever adds or drops one says here for whom."""


async def test_each_index_is_there_for_somebody_and_nobody_s_is_missing(any_database: Dsns, admin: Connection) -> None:
    rows = await admin.fetch("select indexname from pg_indexes where schemaname = 'public'")
    found = {row[0] for row in rows}
    assert found - INDEXES.keys() == set(), "say in INDEXES for whom these are"
    assert INDEXES.keys() - found == set(), "these are gone, and who needed them reads whole tables"
