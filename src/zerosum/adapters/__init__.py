"""The outside world: Redis, the clock, and later processors, webhooks and brokers."""
