"""Where a request comes from: the peer, or behind a trusted proxy of ours whom it vouches for."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def client_address(peer: str, forwarded_for: bytes | None, trusted: Sequence[Network]) -> str:
    """The address requests are counted by; of IPv6 the /64, which is one customer's."""
    return counted_address(caller_address(peer, forwarded_for, trusted))


def caller_address(peer: str, forwarded_for: bytes | None, trusted: Sequence[Network]) -> str:
    """The address itself."""
    found = _vouched_for(peer, forwarded_for, trusted) if forwarded_for is not None and trusted else peer
    return _plain(found) if ":" in found else found


def counted_address(address: str) -> str:
    return _counted(address) if ":" in address else address


def parse_address(text: str) -> Address:
    """IPv4 that is mapped into IPv6 (RFC 4291, 2.5.5.2) is IPv4. Raises ValueError."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def parse_network(text: str) -> Network:
    """The same for networks. Raises ValueError."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        first = parse_address(str(network.network_address))
        return ipaddress.ip_network(f"{first}/{network.prefixlen - _MAPPED.prefixlen}")
    return network


def is_within(text: str, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks; what is no address lies in none."""
    if not networks:
        return False
    try:
        address = parse_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)


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
