"""Moments as PostgreSQL gives them to proofs."""

from __future__ import annotations


def micros(column: str) -> str:
    """The microseconds since 1970, exact, as text."""
    return f"trunc(extract(epoch from {column}) * 1000000)::text"
