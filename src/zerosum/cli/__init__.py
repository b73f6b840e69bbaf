"""The `zerosum` command."""
