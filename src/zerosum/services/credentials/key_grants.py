"""What a key may be that somebody makes for somebody: nobody hands on what he does not have. No I/O.

| | who has `admin` | an operator |
| --- | --- | --- |
| ledger | his own | any |
| scopes | those of his own credential | all of a ledger |
| expiry | not after that of his own key | as the settings allow |
| networks, certificate | within his own | any |

The scope `operator` is given by nobody over HTTP.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from zerosum.domain.errors import Forbidden, LedgerNotFound, ValidationFailed
from zerosum.domain.identifiers import LedgerId
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.networks import Network

OPERATOR_SCOPE = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What a key is to be. Where it has no `networks` it is good from anywhere."""

    ledger_id: LedgerId
    name: str
    scopes: Sequence[str]
    expires_at: datetime | None = None
    networks: tuple[Network, ...] | None = None
    certificate_subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Granter:
    """Who makes a key, and all that he has to hand on."""

    caller: Caller
    scopes: frozenset[str]
    expires_at: datetime | None = None
    networks: tuple[Network, ...] | None = None
    certificate_subject: str | None = None

    @property
    def is_operator(self) -> bool:
        return OPERATOR_SCOPE in self.scopes

    @property
    def own_ledger(self) -> LedgerId | None:
        """The one that he administers; None stands for all."""
        return None if self.is_operator else self.caller.ledger_id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLifetimes:
    """How long a key lives that is made without an expiry, and how long any may live; None: for ever."""

    default_days: int | None = None
    days_max: int | None = None

    def expiry(self, wanted: datetime | None, now: datetime) -> datetime | None:
        """Raises ValidationFailed for one that is past, or beyond what may be."""
        if wanted is not None and wanted <= now:
            raise ValidationFailed("The expiry is not in the future.", pointer="/expires_at")
        latest = None if self.days_max is None else now + timedelta(days=self.days_max)
        if wanted is None and self.default_days is not None:
            return now + timedelta(days=self.default_days)
        if wanted is not None and latest is not None and wanted > latest:
            raise ValidationFailed(f"A key lives for at most {self.days_max} days.", pointer="/expires_at")
        return wanted or latest


def granted(wanted: NewKey, granter: Granter, lifetimes: KeyLifetimes, now: datetime) -> NewKey:
    """The key as it is made. Raises Forbidden, LedgerNotFound, ValidationFailed."""
    for index, scope in enumerate(wanted.scopes):
        _check_scope(scope, granter, f"/scopes/{index}")
    expires_at = lifetimes.expiry(wanted.expires_at, now)
    if granter.is_operator:
        return replace(wanted, expires_at=expires_at)
    if wanted.ledger_id != granter.caller.ledger_id:
        raise LedgerNotFound("There is no such ledger.")  # as if it were not there: it is not for him
    return replace(
        wanted,
        expires_at=_within_own_life(wanted.expires_at, expires_at, granter.expires_at),
        networks=_within_own_networks(wanted.networks, granter.networks),
        # Another's certificate will do: the authority that signed it vouches for its holder.
        certificate_subject=wanted.certificate_subject or granter.certificate_subject,
    )


def _check_scope(scope: str, granter: Granter, pointer: str) -> None:
    if scope == OPERATOR_SCOPE:
        raise Forbidden(
            "Operators are made on the machine, by `zerosum operators create`.", scope=scope, pointer=pointer
        )
    if scope not in granter.scopes and not granter.is_operator:
        raise Forbidden(f"The token lacks the scope {scope}, and cannot give it.", scope=scope, pointer=pointer)


def _within_own_life(wanted: datetime | None, settled: datetime | None, own: datetime | None) -> datetime | None:
    if own is None:
        return settled
    if wanted is not None and wanted > own:
        raise ValidationFailed("The key would outlive the one that makes it.", pointer="/expires_at")
    return own if settled is None else min(settled, own)


def _within_own_networks(
    wanted: tuple[Network, ...] | None, own: tuple[Network, ...] | None
) -> tuple[Network, ...] | None:
    if own is None or wanted is None:
        return wanted or own
    for index, network in enumerate(wanted):
        if not any(_lies_in(network, outer) for outer in own):
            raise ValidationFailed(
                "The network lies beyond those of the key that makes it.", pointer=f"/networks/{index}"
            )
    return wanted


def _lies_in(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)
