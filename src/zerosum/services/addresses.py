"""Addresses of the network: IPv4 that is mapped into IPv6 is IPv4, wherever addresses are compared."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


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
