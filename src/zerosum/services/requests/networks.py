"""Addresses and networks as settings and callers write them.

IPv4 written as IPv6 (`::ffff:192.0.2.1`, as a socket that takes both shows it) is IPv4.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: str) -> Address:
    """Raises ValueError."""
    # `fe80::1%eth0`: which of our cables it came by is no part of it.
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def parse_network(text: str) -> Network:
    """Raises ValueError."""
    network = ipaddress.ip_network(text)
    mapped = ipaddress.IPv6Network("::ffff:0:0/96")
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(mapped):
        first = int(network.network_address) - int(mapped.network_address)
        return ipaddress.IPv4Network((first, network.prefixlen - mapped.prefixlen))
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
