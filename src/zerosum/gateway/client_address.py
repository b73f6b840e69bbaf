"""Where a request comes from: the peer, or behind a trusted proxy of ours whom it vouches for."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from zerosum.services.addresses import Network, parse_address


def client_address(peer: str, forwarded_for: bytes | None, trusted: Sequence[Network]) -> str:
    """The address requests are counted by; of IPv6 the /64, which is one customer's."""
    return counted_address(caller_address(peer, forwarded_for, trusted))


def caller_address(peer: str, forwarded_for: bytes | None, trusted: Sequence[Network]) -> str:
    """The address itself."""
    found = _vouched_for(peer, forwarded_for, trusted) if forwarded_for is not None and trusted else peer
    return _plain(found) if ":" in found else found


def counted_address(address: str) -> str:
    return _counted(address) if ":" in address else address


def _vouched_for(peer: str, forwarded_for: bytes, trusted: Sequence[Network]) -> str:
    """The last address in the chain that no trusted proxy of ours has added."""
    chain = [*(part.strip() for part in forwarded_for.decode("latin-1").split(",")), peer]
    for candidate in reversed(chain):
        try:
            address = parse_address(candidate)
        except ValueError:
            return peer
        if not any(address in network for network in trusted):
            return candidate
    return chain[0]


def _plain(text: str) -> str:
    try:
        return str(parse_address(text))
    except ValueError:
        return text


def _counted(text: str) -> str:
    try:
        address = parse_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))
