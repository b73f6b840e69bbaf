"""The world of the model of ingest: the messages of one partition, its position and dead letters, and consumers."""

from __future__ import annotations

from typing import NamedTuple

ATTEMPTS_MAX = 3
BATCH_MAX = 2


class Message(NamedTuple):
    key: str
    """Its ordering key."""
    kind: str = "good"
    """Or `poison`, which cannot be read; `deadly`, which ends whoever reads it; `failing`, which may fail for now."""


class Position(NamedTuple):
    next_offset: int = 0
    head: int | None = None
    begun: int = 0
    tries: int = 0
    suspects: int = 0


class Letter(NamedTuple):
    """A message that was put aside."""

    offset: int
    status: str
    """retrying, waiting, dead, replayed"""
    attempts: int = 0


class Consumer(NamedTuple):
    """`stage`: away (it has nothing of the partition), idle, begun, asking, answered, waiting, retrying, stopped."""

    stage: str = "away"
    is_zombie: bool = False
    """Somebody has taken the partition since: its epoch is not the last one."""
    next_offset: int = 0
    blocked: frozenset[str] = frozenset()
    batch: tuple[int, ...] = ()
    asked: tuple[int, ...] = ()
    """Handed to the committer and not answered: in order."""
    failed: frozenset[int] = frozenset()
    is_away: bool = False
    """The ledger was, for the first of those that are left."""


class Accidents(NamedTuple):
    """That may happen yet."""

    killed: int = 0
    taken: int = 0
    """From somebody who is at it, and does not know."""
    fails: int = 0
    away: int = 0
    deleted: int = 0
    """Messages that are deleted before they were read."""


class World(NamedTuple):
    log: tuple[Message, ...]
    accidents: Accidents
    first: int = 0
    """The oldest message that is still there."""
    effects: tuple[int, ...] = ()
    position: Position = Position()
    letters: tuple[Letter, ...] = ()
    consumers: tuple[Consumer, ...] = (Consumer(), Consumer())
    orphans: tuple[tuple[int, ...], ...] = ()
    """With the committer of a consumer that is gone."""
    together: frozenset[tuple[int, int]] = frozenset()
    """Handed over in one batch: the first may fail for now, and the second does not wait for that."""
    gaps: int = 0
    """Times that somebody has stopped because messages seemed to be missing."""
    deleted: int = 0

    def letter(self, offset: int) -> Letter | None:
        return next((one for one in self.letters if one.offset == offset), None)
