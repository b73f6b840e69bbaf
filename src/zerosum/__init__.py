"""Zerosum: a payment service that keeps double-entry books."""

__version__ = "0.1.0"
