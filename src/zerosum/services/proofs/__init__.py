"""What proves the books: each table derived again from others, ledger by ledger."""
