"""Reconciliation: outside records against the ledger."""
