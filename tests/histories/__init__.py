"""Whether what callers saw is what one ledger that does one thing after the other would have shown them."""
