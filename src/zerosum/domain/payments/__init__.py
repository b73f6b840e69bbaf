"""Payments: business facts, and the posting rules that turn them into journal entries."""
