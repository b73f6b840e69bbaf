"""An account as it was at one moment, as plain data: in its events, and in answers that are given again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from zerosum.domain.identifiers import AccountId, LedgerId, Prefix, parse_id, render_id
from zerosum.domain.ledger.account import Account, AccountState, AccountStatus, AccountType, read_limit, render_limit
from zerosum.domain.ledger.velocity import velocity_limit
from zerosum.domain.money import render_amount


def account_facts(account: Account) -> dict[str, Any]:
    """What an event tells of it: what is said about the account, and not what is in it."""
    state = account.state
    return {
        "code": account.code,
        "name": account.name,
        "type": account.type.value,
        "currency": state.currency,
        "status": state.status.value,
        "min_available": render_limit(state.min_available),
        "max_available": render_limit(state.max_available),
        "velocity_limits": velocity_content(state),
        "metadata": dict(account.metadata),
        "version": state.version,
    }


def velocity_content(state: AccountState) -> list[dict[str, Any]]:
    return [limit.content for limit in state.velocity]


def account_content(account: Account) -> dict[str, Any]:
    """All that an answer shows of it."""
    state = account.state
    return {
        **account_facts(account),
        "id": render_id(Prefix.ACCOUNT, state.id),
        "posted_debits": render_amount(state.posted_debits),
        "posted_credits": render_amount(state.posted_credits),
        "held": render_amount(state.held),
        "overdrawn": state.overdrawn,
        "created_at": account.created_at.isoformat(),
    }


def account_of_content(ledger_id: LedgerId, content: Mapping[str, Any]) -> Account:
    """For showing: it has no hash, and nothing is decided about it."""
    type_ = AccountType(content["type"])
    return Account(
        code=content["code"],
        name=content["name"],
        type=type_,
        metadata=content["metadata"],
        created_at=datetime.fromisoformat(content["created_at"]),
        state=AccountState(
            ledger_id=ledger_id,
            id=AccountId(parse_id(Prefix.ACCOUNT, content["id"])),
            currency=content["currency"],
            normal_side=type_.normal_side,
            status=AccountStatus(content["status"]),
            min_available=read_limit(content["min_available"]),
            max_available=read_limit(content["max_available"]),
            velocity=tuple(velocity_limit(limit) for limit in content.get("velocity_limits", ())),
            posted_debits=Decimal(content["posted_debits"]),
            posted_credits=Decimal(content["posted_credits"]),
            held=Decimal(content["held"]),
            version=content["version"],
            head=b"",
            overdrawn=content.get("overdrawn", False),
        ),
    )
