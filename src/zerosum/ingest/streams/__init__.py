"""Messages from queues and streams into a ledger: one runner for all inputs."""
