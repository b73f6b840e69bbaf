"""What an installation allows of mails: read with its settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLimits:
    """`recipient_domains` may hold `*`: any."""

    recipient_domains: frozenset[str]
    per_ledger_and_hour: int
