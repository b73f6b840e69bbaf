"""Which keys verify the tokens of an issuer: a fixed set, or one that is read again from time to time.

A set that is read again is never read because a request would like it to: at most once per cool-down for key ids it
does not know, however many there are, so that a client who makes them up puts no load on anybody.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from zerosum.domain.errors import Unavailable

KeyName = tuple[str | None, str]
"""A key id and an algorithm. Only a dedicated secret may go without an id."""

FRESH_SECONDS = 60.0

FRESH_SECONDS_OF_OURS = 2.0
"""Our own keys are near. So long a process may go on believing one that was withdrawn."""

COOL_DOWN_SECONDS_OF_OURS = 1.0

FRESH_SECONDS_OF_OTHERS = 300.0

COOL_DOWN_SECONDS = 10.0
"""At most one reading in this time because of key ids that are not known, and at most one after a failure."""

KEPT_SECONDS_MAX = 86_400.0
"""How long an old set is used while it cannot be read again. Longer would let whoever blocks the reading keep a key
alive that its issuer has withdrawn."""

_log = logging.getLogger(__name__)


class VerifyingKey(Protocol):
    def verify(self, msg: bytes, sig: bytes) -> bool: ...


VerifyingKeys = Mapping[KeyName, VerifyingKey]


class KeySet(Protocol):
    async def find(self, name: KeyName, now: float) -> VerifyingKey | None:
        """The key, or None. Raises Unavailable when that cannot be told. `now` is on a monotonic clock."""
        ...

    async def close(self) -> None: ...


class FixedKeySet:
    """Keys that come from the settings."""

    def __init__(self, keys: VerifyingKeys) -> None:
        self._keys = dict(keys)

    async def find(self, name: KeyName, now: float) -> VerifyingKey | None:  # noqa: ARG002 - they do not age
        return self._keys.get(name)

    async def close(self) -> None:
        """There is nothing to end."""


class RefreshedKeySet:
    """Keys that are read through `read`, which must come back in bounded time. A failure keeps the old set.

    With `is_near` an aged set is never used while a newer one is being read.
    """

    def __init__(
        self,
        label: str,
        read: Callable[[], Awaitable[VerifyingKeys]],
        fresh_seconds: float = FRESH_SECONDS,
        cool_down_seconds: float = COOL_DOWN_SECONDS,
        *,
        is_near: bool = False,
    ) -> None:
        self._label = label
        self._read = read
        self._fresh_seconds = fresh_seconds
        self._cool_down_seconds = cool_down_seconds
        self._is_near = is_near
        self._keys: VerifyingKeys = {}
        self._read_at = -math.inf
        self._tried_at = -math.inf
        self._asked_at = -math.inf
        self._has_failed = False
        self._reading: asyncio.Task[None] | None = None

    async def find(self, name: KeyName, now: float) -> VerifyingKey | None:
        if name[0] is None:
            return None
        if name in self._keys and now - self._read_at < self._fresh_seconds:
            return self._keys[name]
        if name in self._keys:
            await self._refresh_aged(now)
        else:
            await self._refresh_for_unknown(now)
        if now - self._read_at >= KEPT_SECONDS_MAX:
            raise Unavailable("The keys of the token's issuer cannot be read.", retry_after=1)
        key = self._keys.get(name)
        if key is None and self._has_failed:
            raise Unavailable("The keys of the token's issuer cannot be read.", retry_after=1)
        return key

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _refresh_aged(self, now: float) -> None:
        """Read again, and wait for it only after a long silence: an issuer that is slow or away delays nobody."""
        was_tried = now - self._tried_at < 2 * self._fresh_seconds
        if now - self._tried_at >= self._cool_down_seconds:
            self._start(now)
        if (self._is_near or not was_tried) and self._reading is not None:
            await asyncio.shield(self._reading)

    async def _refresh_for_unknown(self, now: float) -> None:
        was_read = self._read_at > -math.inf  # The first reading of all is not charged to the key that caused it.
        if now - (self._asked_at if was_read else self._tried_at) >= self._cool_down_seconds:
            if was_read:
                self._asked_at = now
            self._start(now)
        if self._reading is not None:
            await asyncio.shield(self._reading)

    def _start(self, now: float) -> None:
        if self._reading is None:
            self._tried_at = now
            self._reading = asyncio.create_task(self._refresh(now), name=f"keys of {self._label}")

    async def _refresh(self, now: float) -> None:
        """Never raises: whoever waits looks at what is there afterwards."""
        try:
            self._keys = dict(await self._read())
        except Exception as error:
            # Whatever went wrong there, here it means the same: the old set stays.
            self._has_failed = True
            _log.warning("the keys of %s cannot be read (%s)", self._label, type(error).__name__)
        else:
            self._has_failed = False
            self._read_at = now
        finally:
            self._reading = None
