"""Who calls: tokens, API keys, issuers."""
