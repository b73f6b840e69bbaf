"""The same commands from files and brokers."""
