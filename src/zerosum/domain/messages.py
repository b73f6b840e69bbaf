"""Messages: what comes out of queues and streams, and what has become of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from zerosum.domain.errors import DomainError

_READABLE = re.compile(r"[\x21-\x7e]{1,240}")
"""Of a key that has 255 characters at most."""


_WRITTEN_OUT = re.compile("[\\\\\x00-\x1f\x7f\ud800-\udfff]")


def storable(text: str) -> str:
    """With control characters written out, and backslashes doubled: no two texts become one.

    Names are any bytes to a broker, and PostgreSQL takes no zero in a text: one such name would stop an input for ever.
    """
    return _WRITTEN_OUT.sub(lambda found: "\\\\" if found[0] == "\\" else f"\\x{ord(found[0]):02x}", text)


_MAKER = re.compile(r"zerosum ingest \S+ for (.+)", re.DOTALL)


def maker_of_messages(source: str, sender: str | None = None) -> str:
    """Who makes what the messages of an input ask for. `sender` is the credential of whoever writes to it."""
    return f"zerosum ingest {source}" if sender is None else f"zerosum ingest {source} for {sender}"


def sender_behind(actor: str) -> str:
    """The credential of whoever has sent what this actor makes by messages; of any other actor, himself."""
    found = _MAKER.fullmatch(actor)
    return actor if found is None else found[1]


@dataclass(frozen=True, slots=True)
class Partition:
    """One ordered line of messages: a Kafka partition, a stream, a queue. The input's name comes from configuration."""

    input: str
    topic: str
    name: str = "0"

    def __str__(self) -> str:
        return f"{self.input}/{self.topic}/{self.name}"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition is settled: where its input counts the next offset, and the place of the last message."""

    next_offset: int | None = None
    last_place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One command for the ledger, as it came. `body` is bounded by whoever read it; `body_bytes` is the whole."""

    partition: Partition
    place: str
    """What it is called within its partition."""
    is_named_for_ever: bool
    """Whether no other message will ever have this place, so that an idempotency key can be made of it."""
    body: bytes
    body_bytes: int
    offset: int | None = None
    """Where the input counts: the fence and the check for gaps go by it."""
    ordering_key: str | None = None
    """Messages of one key are carried out in their order, also while one of them is tried again."""
    headers: Mapping[str, str] = field(default_factory=dict)
    receipt: object = None
    """The input's own, for acknowledging."""

    @property
    def derived_key(self) -> str | None:
        """The idempotency key of a message that brings none: the same at every delivery, and nobody else's.

        It holds a blank, which no caller and no message can send.
        """
        if not self.is_named_for_ever:
            return None
        words = (self.partition.input, self.partition.topic, self.partition.name, self.place)
        readable = ":".join(words)
        if _READABLE.fullmatch(readable) and not any(":" in word for word in words):
            return f"ingest {readable}"
        digest = sha256("".join(f"{len(word)}:{word}," for word in words).encode("utf-8", "surrogatepass"))
        return f"ingest sha256 {digest.hexdigest()}"


class OutcomeKind(StrEnum):
    """What became of a message."""

    DONE = "done"
    REFUSED = "refused"
    """By the rules of the books: an answer like any other, told and not tried again."""
    POISON = "poison"
    """It can never be carried out as it is."""
    FAILED = "failed"
    """Something went wrong that may be right the next time; it is tried again a few times."""
    BEHIND = "behind"
    """It was not tried: it waits behind one of its key that has failed."""
    AWAY = "away"
    """What it needs is away: everything waits, and nothing is counted."""


@dataclass(frozen=True, slots=True)
class MessageOutcome:
    """`answer` is what is told of it: the answer of the API call, or its problem."""

    kind: OutcomeKind
    answer: Mapping[str, object]
    refusal: DomainError | None = None
    is_replay: bool = False


class DeadLetterStatus(StrEnum):
    """What has become of a message that was put aside."""

    DEAD = "dead"
    """Nobody tries it any more: a person looks at it."""
    RETRYING = "retrying"
    WAITING = "waiting"
    """Behind one of its key that is tried again."""
    REPLAYED = "replayed"
    """It was carried out after all, or refused by the rules of the books."""
    DROPPED = "dropped"


class InputAway(Exception):
    """An input or a place for answers cannot be reached, or was taken over. The message is one clear line."""


class Gap(Exception):
    """Messages are missing where an input goes on, or are there again. Only a person can say whether they may be."""
