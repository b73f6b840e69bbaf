"""Reconciliation: outside records against the ledger, and what is done about that which does not match."""
