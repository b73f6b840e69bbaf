"""Where a webhook may go: never into our own networks, whoever asks for it and however it is written.

An address is judged by an explicit list of what is not the open internet, after any IPv4 address in it was unwrapped.
Python's `is_global` is not enough: it calls NAT64, 6to4 and some reserved ranges global. A name is judged by the
addresses that it has, all of them; so `webhook_client.py` asks once, and connects to exactly what was judged.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_CHARACTERS_MAX = 2_000
PORTS = frozenset({443, 8443})

_CLOSED_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # a cloud's own services
            "169.254.0.0/16",  # and most clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_OPEN_V6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)
"""Within 2000::/3; all else is closed. Teredo lies in the first, 6to4 is the third."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_PRIVATE: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"),
    )
)
"""What `allow_private` opens: not the metadata of a cloud, nor what is reserved."""

_URL = re.compile(r"[\x21-\x7e]+")
_NOWHERE = re.compile(r"[\\\"<>^`{|}]")
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}", re.ASCII | re.IGNORECASE)
_INTERNAL = (
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
    "onion",
    "test",
    "invalid",
)
"""Names below these are never those of the open internet."""


class UrlNotAllowed(Exception):
    """Nothing is sent there. The message says why, and repeats nothing of the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressGuard:
    """`allow_private` is for trials: plain http, any port, and addresses of this machine and of private networks.

    `allowed_networks` are open whatever they are; what is in them is reached by https and the usual ports only.
    `own_hosts` are how callers reach ourselves: a webhook to us would be a loop.
    """

    allow_private: bool = False
    allowed_networks: Sequence[Network] = ()
    own_hosts: frozenset[str] = frozenset()

    def check_url(self, url: str) -> SplitResult:
        """Its parts, as far as they can be judged without asking for the name. Raises UrlNotAllowed."""
        if len(url) > URL_CHARACTERS_MAX:
            raise UrlNotAllowed(f"It is longer than {URL_CHARACTERS_MAX} characters.")
        if not _URL.fullmatch(url) or _NOWHERE.search(url):
            raise UrlNotAllowed("It holds characters that have no place in a URL.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UrlNotAllowed("It cannot be read as a URL.") from None
        if parts.scheme != "https" and not (self.allow_private and parts.scheme == "http"):
            raise UrlNotAllowed("It is no https URL.")
        if "@" in parts.netloc or "#" in url:
            raise UrlNotAllowed("A user, a password and a fragment have no place in it.")
        if port is None and parts.netloc.endswith(":"):
            raise UrlNotAllowed("Its port is missing.")
        if port == 0 or (port is not None and port not in PORTS and not self.allow_private):
            raise UrlNotAllowed(f"Its port is none of {', '.join(map(str, sorted(PORTS)))}.")
        self._check_host(parts.hostname or "")
        return parts

    def check_address(self, address: Address) -> Address:
        """The address to connect to, judged by the IPv4 address in it where there is one. Raises UrlNotAllowed."""
        plain = _unwrapped(address)
        self._check(plain)
        # Behind NAT64 the address inside is reached by the one outside only.
        return address if address in _NAT64 else plain

    def _check(self, plain: Address) -> None:
        if any(plain in network for network in self.allowed_networks if network.version == plain.version):
            return
        if self.allow_private and any(plain in network for network in _PRIVATE if network.version == plain.version):
            return
        if not _is_open(plain):
            raise UrlNotAllowed("Its address is not one of the open internet.")

    def check_addresses(self, addresses: Sequence[Address]) -> list[Address]:
        """All must be good, or none is. Raises UrlNotAllowed."""
        return [self.check_address(address) for address in addresses]

    def _check_host(self, host: str) -> None:
        literal = literal_address(host)
        if literal is not None:
            self.check_address(literal)
            return
        if len(host) > 253 or not _NAME.fullmatch(host) or not host.rsplit(".", 1)[-1][:1].isalpha():
            raise UrlNotAllowed("Its host is neither a plain name nor an address in its usual form.")
        if any(label.startswith("xn--") for label in host.split(".")):
            raise UrlNotAllowed("Names in other than Latin letters are easily mistaken for others.")
        if host in self.own_hosts:
            raise UrlNotAllowed("It is this service itself.")
        is_internal = "." not in host or any(host == name or host.endswith(f".{name}") for name in _INTERNAL)
        if is_internal and not (self.allow_private or self.allowed_networks):
            raise UrlNotAllowed("Its host is a name of a private network.")


def literal_address(host: str) -> Address | None:
    """The address that a host is, in its one usual form; no zone, which would be a cable of ours."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_open(address: Address) -> bool:
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)
