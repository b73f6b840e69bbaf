"""Keys whose COMMIT was sent and not answered: of those nobody may say that nothing was done.

All processes of one service remember them together, in memory that was shared before they were forked: whichever of
them is asked again answers the same. A key is forgotten by the first transaction that looks it up and commits, for
that knows. What cannot be remembered like this, processes of other machines among it, is told in docs/OPERATIONS.md.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from uuid import UUID

PLACES = 1 << 17
"""A batch that is lost leaves a thousand at most: room for as many as are lost with a hundred connections."""

PROBES = 16
"""So many places a key may be in. Where all are taken the first is given to it, and an older key is lost."""

WORD = 8


class UnknownKeys:
    """`share` of them by forking. Of a key a hash of 64 bits is kept: two of the same would be unknown together."""

    def __init__(self) -> None:
        size = (PLACES + 1) * WORD
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            self._words = memoryview(mmap.mmap(file.fileno(), size)).cast("Q")
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return int(self._words[PLACES])

    def add(self, keys: Iterable[tuple[UUID, str]]) -> None:
        with self._alone():
            for word in map(_word, keys):
                places = _places(word)
                if any(self._words[place] == word for place in places):
                    continue
                place = next((place for place in places if not self._words[place]), places[0])
                self._words[PLACES] += not self._words[place]
                self._words[place] = word

    def forget(self, keys: Iterable[tuple[UUID, str]]) -> None:
        if not self._words[PLACES]:  # as always, but after an outage
            return
        found = [place for word in map(_word, keys) for place in _places(word) if self._words[place] == word]
        if not found:
            return
        with self._alone():
            for place in found:
                self._words[PLACES] -= bool(self._words[place])
                self._words[place] = 0

    def has_any(self, keys: Iterable[tuple[UUID, str]]) -> bool:
        if not self._words[PLACES]:
            return False
        return any(self._words[place] == word for word in map(_word, keys) for place in _places(word))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Among the processes. The lock of one that dies is gone with it."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


def _word(key: tuple[UUID, str]) -> int:
    ledger_id, text = key
    return int.from_bytes(blake2b(ledger_id.bytes + text.encode(), digest_size=WORD).digest(), "little") or 1


def _places(word: int) -> Sequence[int]:
    return [(word + probe) % PLACES for probe in range(PROBES)]
