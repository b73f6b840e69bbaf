"""What a row says of money, and of who has moved it: guarded by triggers of `guards.py`."""

from __future__ import annotations

MONEY_COLUMNS = {
    "accounts": "ledger_id, id, currency, type, version, posted_debits, posted_credits, held, head, last_posted_at",
    "payments": "ledger_id, id, type, currency, amount, payer_id, payee_id, processor",
    "payment_splits": "ledger_id, id, payment_id, place, account_id, called, rule, value, currency, amount",
    "disputes": "ledger_id, id, payment_id, currency, amount, payer_id, payee_id, created_at",
    "processor_calls": "ledger_id, id, processor, type, currency, amount, payer_id, payee_id, created_at, route, "
    "refunded_payment_id, routing, number, effective_at, parts",
    "holds": "ledger_id, id, currency, payer_id, payee_id, created_at",
    "scheduled_payments": "ledger_id, id, type, currency, amount, payer_id, payee_id, execute_at, rule, time_zone, "
    "occurrences, on_refusal, attempts_max, retry_seconds, actor, fingerprint, idempotency_key, created_at",
    "reviews": "ledger_id, id, type, currency, amount, payer_id, payee_id, ordered, fingerprint, idempotency_key, "
    "actor, created_at, rule, rules_version, detail, approvals_needed",
    "console_proposals": "ledger_id, id, action, place, parts, form, fixed, form_key, moves, proposed_by, proposer, "
    "role, reason, proposed_at, expires_at",
    "client_transactions": "ledger_id, tx, client, type, currency, amount, entry_id",
    "reconciliation_breaks": "ledger_id, id, source, run_id, kind, holder_id, number, entry_id, is_different, amount, "
    "currency, day, opened_at",
}
"""What nobody sets once a row is there, by table: an account's change only as its postings say."""
