"""Pure rules: money, ledger, payments. No I/O, no framework, no clock."""
