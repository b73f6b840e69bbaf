"""Addresses that mails may go to: plain ones, in ASCII, that cannot be mistaken for a header or another address."""

from __future__ import annotations

import re
from collections.abc import Collection

ADDRESS_CHARACTERS_MAX = 254
ANY_DOMAIN = "*"

_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_WORD}(?:\.{_WORD})*@(?P<domain>{_LABEL}(?:\.{_LABEL})+)", re.ASCII)
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+", re.ASCII)


def is_address(text: str) -> bool:
    """No encoded word either, which would be read as what it encodes."""
    return len(text) <= ADDRESS_CHARACTERS_MAX and "=?" not in text and _ADDRESS.fullmatch(text) is not None


def is_domain(text: str) -> bool:
    return _DOMAIN.fullmatch(text) is not None


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def is_allowed(address: str, domains: Collection[str]) -> bool:
    """Whether it lies in one of the domains, which do not bring those below them."""
    return ANY_DOMAIN in domains or domain_of(address) in domains
