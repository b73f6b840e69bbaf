"""Reconciliation: what somebody outside says of an account of ours, held against what our books say of it."""
