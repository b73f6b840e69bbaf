"""Where a request comes from: the peer, or behind a trusted proxy of ours whom it vouches for."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence

from zerosum.services.requests.networks import Network, parse_address

__all__ = ["Network", "caller_address", "client_address", "counted_as"]

_REMEMBERED_MAX = 4096


def client_address(peer: str, forwarded_for: bytes | None, trusted: Sequence[Network]) -> str:
    """The address requests are counted by; of IPv6 the /64, which is one customer's."""
    return counted_as(caller_address(peer, forwarded_for, trusted))


def caller_address(peer: str, forwarded_for: bytes | None, trusted: Sequence[Network]) -> str:
    """Who asks, as one address: of IPv6 the whole."""
    if forwarded_for is not None and trusted:
        peer = _vouched_for(peer, forwarded_for, trusted)
    return _plain(peer) if ":" in peer else peer


def counted_as(address: str) -> str:
    """Those who are counted together: an IPv4 address, or the /64 of an IPv6 address."""
    return _network(address) if ":" in address else address


def _vouched_for(peer: str, forwarded_for: bytes, trusted: Sequence[Network]) -> str:
    """The last address in the chain that no trusted proxy of ours has added."""
    chain = [*(part.strip() for part in forwarded_for.decode("latin-1").split(",")), peer]
    for candidate in reversed(chain):
        try:
            address = parse_address(_without_port(candidate))
        except ValueError:
            return peer
        if not any(address in network for network in trusted):
            return str(address)
    return chain[0]


def _without_port(written: str) -> str:
    """Proxies differ: `203.0.113.8:4711`, `[2001:db8::5]:443`, and either in quotes, as RFC 7239 section 6 has it."""
    written = written.strip('"')
    if written.startswith("["):
        return written[1:].partition("]")[0]
    host, colon, port = written.rpartition(":")
    return host if colon and port.isdecimal() and ":" not in host else written


@functools.lru_cache(_REMEMBERED_MAX)
def _plain(address: str) -> str:
    try:
        return str(parse_address(address))
    except ValueError:
        return address


@functools.lru_cache(_REMEMBERED_MAX)
def _network(address: str) -> str:
    try:
        plain = parse_address(address)
    except ValueError:
        return address
    if isinstance(plain, ipaddress.IPv4Address):
        return str(plain)
    return str(ipaddress.IPv6Network((int(plain), 64), strict=False))
