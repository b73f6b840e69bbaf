"""Payouts by files: pain.001 tells the bank what to pay out; pain.002 and camt.054 say what became of it."""
