"""A template as it is recorded: one version of it, which never changes, chained to the version before.

genesis = SHA-256("zerosum.template-genesis.v1" ledger id, netstring of the name)
hash    = SHA-256("zerosum.template.v1" hash of the version before, netstrings of version, created at, actor, content)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from zerosum.domain.ledger.chain import microseconds, netstrings

TEMPLATE_NAME_PATTERN_TEXT = "[a-z0-9][a-z0-9_.-]{0,63}"

VERSION_MAX = 10_000
"""Of one template. Every one is kept for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One version. `content` is JSON, exactly as it was hashed; `read_content` reads what it says."""

    ledger_id: UUID
    name: str
    version: int
    content: str
    created_at: datetime
    actor: str
    hash: bytes


class TemplateUse(NamedTuple):
    """Which template an entry was posted by, and with which parameters. It stands beside the entry of the same id."""

    entry_id: UUID
    name: str
    version: int
    parameters: Mapping[str, str]

    @property
    def label(self) -> str:
        return label_of(self.name, self.version)


def label_of(name: str, version: int) -> str:
    """As entries call the version of a template that they were posted by. A name holds no `@`."""
    return f"{name}@{version}"


def template_genesis(ledger_id: UUID, name: str) -> bytes:
    """Before the first version of a name."""
    return sha256(b"zerosum.template-genesis.v1" + ledger_id.bytes + netstrings((name,))).digest()


def template_hash(previous: bytes, version: int, created_at: datetime, actor: str, content: str) -> bytes:
    """The link after `previous`."""
    said = (str(version), str(microseconds(created_at)), actor, content)
    return sha256(b"zerosum.template.v1" + previous + netstrings(said)).digest()


def event_id_of(created_micros: int, hash_: bytes) -> UUID:
    """Of the event that tells of a version, which has no id of its own: a proof finds it by that again.

    It begins with the time, as those of all events do, by which the feed looks them up.
    """
    return UUID(int=created_micros // 1000 << 80 | int.from_bytes(hash_[:10]))
