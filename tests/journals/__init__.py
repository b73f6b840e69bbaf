"""Journal files of hledger and beancount, and the way from a ledger into another."""
