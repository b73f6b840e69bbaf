"""Events of the feed on their way to brokers."""
