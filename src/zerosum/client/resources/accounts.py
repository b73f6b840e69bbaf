"""Accounts and what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Unpack

from zerosum.client.amounts import Amount, optional_amount, time_text
from zerosum.client.calls import Asked, Calls, Way, call, listing, metadata_filters
from zerosum.client.models.accounts import Account, AccountPosting, Balance
from zerosum.client.orders import VelocityLimit, wires
from zerosum.client.writing import UNSET, Once, Unset, set_members, written

_ACCOUNT = "/v1/accounts/{account}"

AccountType = Literal["asset", "liability", "equity", "revenue", "expense"]


class Accounts(Calls[Way]):
    """An account is named by its id or its code."""

    @call("openAccount", "POST", "/v1/accounts", Account, is_keyed=True)
    def open(
        self,
        code: str,
        *,
        currency: str,
        type: AccountType,  # noqa: A002 - the word of the wire
        name: str | None = None,
        min_available: Amount | Unset | None = UNSET,
        max_available: Amount | None = None,
        velocity_limits: Sequence[VelocityLimit] | None = None,
        metadata: Mapping[str, str] | None = None,
        **options: Unpack[Once],
    ) -> Asked:
        """`min_available` is zero unless given; None means no floor. Raises AccountExists."""
        body = {
            "code": code,
            "currency": currency,
            "type": type,
            "name": name,
            "max_available": optional_amount(max_available),
            "velocity_limits": wires(velocity_limits),
            "metadata": metadata,
        }
        asked = written("openAccount", body, **options)
        if min_available is UNSET:
            return asked
        floor = {"min_available": optional_amount(min_available)}
        return Asked(body={**(asked.body or {}), **floor}, query=asked.query, key=asked.key)

    @call("getAccount", "GET", _ACCOUNT, Account)
    def get(self, account: str) -> Asked:
        """Raises AccountNotFound."""
        return Asked(path={"account": account})

    @listing("listAccounts", "/v1/accounts", Account)
    def list(
        self,
        *,
        code_prefix: str | None = None,
        type: AccountType | None = None,  # noqa: A002
        currency: str | None = None,
        status: Literal["open", "frozen", "closed"] | None = None,
        in_debt: bool | None = None,
        metadata: Mapping[str, str] | None = None,
        order: Literal["asc", "desc"] | None = None,
        page_size: int | None = None,
    ) -> Asked:
        """All that fit."""
        query = {
            "code_prefix": code_prefix,
            "type": type,
            "currency": currency,
            "status": status,
            "in_debt": in_debt,
            "order": order,
            "limit": page_size,
        }
        return Asked(query=query | metadata_filters(metadata))

    @call("changeAccount", "PATCH", _ACCOUNT, Account, is_keyed=True)
    def change(
        self,
        account: str,
        *,
        name: str | Unset | None = UNSET,
        min_available: Amount | Unset | None = UNSET,
        max_available: Amount | Unset | None = UNSET,
        velocity_limits: Sequence[VelocityLimit] | Unset = UNSET,
        metadata: Mapping[str, str] | Unset = UNSET,
        **options: Unpack[Once],
    ) -> Asked:
        """Only what is given is changed; None takes a name or a limit away."""
        body = {
            "name": name,
            "min_available": min_available if isinstance(min_available, Unset) else optional_amount(min_available),
            "max_available": max_available if isinstance(max_available, Unset) else optional_amount(max_available),
            "velocity_limits": velocity_limits if isinstance(velocity_limits, Unset) else wires(velocity_limits),
            "metadata": metadata,
        }
        asked = written("changeAccount", path={"account": account}, **options)
        return Asked(path=asked.path, body=set_members(body), key=asked.key)

    @call("freezeAccount", "POST", f"{_ACCOUNT}/freeze", Account, is_keyed=True)
    def freeze(self, account: str, *, reason: str | None = None, **options: Unpack[Once]) -> Asked:
        """It takes no postings until it is unfrozen."""
        return _reasoned("freezeAccount", account, reason, **options)

    @call("unfreezeAccount", "POST", f"{_ACCOUNT}/unfreeze", Account, is_keyed=True)
    def unfreeze(
        self, account: str, *, reason: str | None = None, reopen: bool = False, **options: Unpack[Once]
    ) -> Asked:
        """`reopen` also one that a chargeback has locked."""
        asked = _reasoned("unfreezeAccount", account, reason, **options)
        body: Mapping[str, Any] = {**(asked.body or {}), **({"reopen": True} if reopen else {})}
        return Asked(path=asked.path, body=body, key=asked.key)

    @call("closeAccount", "POST", f"{_ACCOUNT}/close", Account, is_keyed=True)
    def close(self, account: str, *, reason: str | None = None, **options: Unpack[Once]) -> Asked:
        """For good; only one with nothing in it."""
        return _reasoned("closeAccount", account, reason, **options)

    @call("getBalance", "GET", f"{_ACCOUNT}/balance", Balance)
    def balance(
        self,
        account: str,
        *,
        min_version: int | None = None,
        as_of: datetime | None = None,
        recorded_as_of: datetime | None = None,
    ) -> Asked:
        """`min_version`, out of the answer of a write, reads that write for certain."""
        return Asked(
            path={"account": account},
            query={
                "min_version": min_version,
                "as_of": time_text(as_of),
                "recorded_as_of": time_text(recorded_as_of),
            },
        )

    @listing("listPostings", f"{_ACCOUNT}/postings", AccountPosting)
    def postings(
        self,
        account: str,
        *,
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
        order: Literal["asc", "desc"] | None = None,
        page_size: int | None = None,
    ) -> Asked:
        """Its history."""
        return Asked(
            path={"account": account},
            query={
                "effective_from": time_text(effective_from),
                "effective_to": time_text(effective_to),
                "order": order,
                "limit": page_size,
            },
        )


def _reasoned(operation: str, account: str, reason: str | None, **options: Unpack[Once]) -> Asked:
    return written(operation, {"reason": reason}, {"account": account}, **options)
