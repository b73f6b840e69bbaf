"""Keys of which somebody was told that nobody knows, and those whose COMMIT was sent and not answered: of these nobody
may say that nothing was done.

All processes of one service remember them together, in memory that was shared before they were forked: whichever of
them is asked again answers the same. A key is forgotten by the first transaction that looks it up, commits, and has
somebody to tell. Of one that was found to be used before that (`unknown_lookup.py`) refusals still say that it is not
known, and nobody else looks for it. What cannot be remembered like this, processes of other machines among it, is told
in docs/OPERATIONS.md.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
import weakref
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from uuid import UUID

PLACES = 1 << 17
"""A batch that is lost leaves a thousand at most: room for as many as are lost with a hundred connections."""

PROBES = 16
"""So many places a key may be in. Where all are taken the first is given to it, and an older key is lost."""

ADDED_MAX = 10_000
"""So many are kept to be looked up. Those beyond are unknown until they are asked for."""

WORD = 8

Key = tuple[UUID, str]


class UnknownKeys:
    """`share` of them by forking. Of a key a hash of 64 bits is kept: two of the same would be unknown together.

    Their texts are kept besides, for callers of whom it is not known yet which ledger is theirs. A text that is unknown
    in two ledgers counts as known with the first of them.
    """

    def __init__(self) -> None:
        self._keys, self._used, self._texts = _Words(), _Words(), _Words()
        self._added: dict[Key, None] = {}

    def __len__(self) -> int:
        return len(self._keys) + len(self._used)

    @property
    def may_be_unused(self) -> bool:
        """Whether there are others than those that were found used: any payment may be the one that was asked for."""
        return bool(self._keys)

    def add(self, keys: Collection[Key]) -> None:
        new = [key for key in keys if not self._used.has_any([_word(key)])] if self._used else keys
        self._keys.add(map(_word, new))
        self._texts.add(_text_word(text) for _, text in keys)
        for key in new:
            if len(self._added) < ADDED_MAX:
                self._added[key] = None

    def added_here(self) -> Collection[Key]:
        """By this process, since it was asked the last time."""
        added, self._added = self._added, {}
        return added

    def are_used(self, keys: Iterable[Key]) -> None:
        """They were found. Who asks again is answered again, and a refusal may still not say that nothing was done."""
        words = [word for word in map(_word, keys) if self._keys.has_any([word])]
        self._used.add(words)
        self._keys.forget(words)

    def forget(self, keys: Collection[Key]) -> None:
        if not self and not self._texts:  # as always, but after an outage
            return
        words = [*map(_word, keys)]
        for some in (self._keys, self._used):
            if some:
                some.forget(words)
        self._texts.forget(_text_word(text) for _, text in keys)

    def has_any(self, keys: Iterable[Key]) -> bool:
        if not self:
            return False
        words = [*map(_word, keys)]
        return self._keys.has_any(words) or self._used.has_any(words)

    def has_text(self, text: str) -> bool:
        """In whichever ledger."""
        return bool(self._texts) and self._texts.has_any([_text_word(text)])


class _Words:
    """A set of numbers in memory that forks share."""

    def __init__(self) -> None:
        size = (PLACES + 1) * WORD
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            self._words = memoryview(mmap.mmap(file.fileno(), size)).cast("Q")
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return int(self._words[PLACES])

    def add(self, words: Iterable[int]) -> None:
        with self._alone():
            for word in words:
                places = _places(word)
                if any(self._words[place] == word for place in places):
                    continue
                place = next((place for place in places if not self._words[place]), places[0])
                self._words[PLACES] += not self._words[place]
                self._words[place] = word

    def forget(self, words: Iterable[int]) -> None:
        known = [word for word in words if self._has(word)]
        if not known:
            return
        with self._alone():
            for place in [place for word in known for place in _places(word) if self._words[place] == word]:
                self._words[PLACES] -= bool(self._words[place])
                self._words[place] = 0

    def has_any(self, words: Iterable[int]) -> bool:
        return any(map(self._has, words))

    def _has(self, word: int) -> bool:
        """Asked of every payment for as long as any key is unknown: its places are looked at in one piece."""
        first = word % PLACES
        if first > PLACES - PROBES:
            return any(self._words[place] == word for place in _places(word))
        return word in self._words[first : first + PROBES].tolist()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Among the processes. The lock of one that dies is gone with it."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


def _word(key: Key) -> int:
    ledger_id, text = key
    return _hash(ledger_id.bytes + text.encode())


def _text_word(text: str) -> int:
    return _hash(text.encode())


def _hash(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=WORD).digest(), "little") or 1


def _places(word: int) -> Sequence[int]:
    return [(word + probe) % PLACES for probe in range(PROBES)]
