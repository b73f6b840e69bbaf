"""Heads that were judged before: on a connection, one mostly differs from the last in key and length alone."""

from __future__ import annotations

from zerosum.gateway.guards.request_guard import HEADER_BYTES_MAX
from zerosum.gateway.routing import Call, Policy

Headers = list[tuple[bytes, bytes]]

KEY, LENGTH = b"idempotency-key", b"content-length"

SIZE_KEPT_FREE = 1024
"""Of what a head may have, for a longer key: no head is remembered that the next one could be too large for."""

_OTHERS_OWN = frozenset({b"x-request-id"})


class KnownHead:
    """What a head came to that was judged as a whole; `again` tells whether another one would come to the same.

    The principal is not part of it: that a credential is good has to be found anew for each request.
    """

    __slots__ = ("_fixed", "_high", "_key_at", "_length_at", "_low", "address", "authorization", "policy", "subject")

    def __init__(self, headers: Headers, policy: Policy, call: Call, authorization: bytes) -> None:
        names = [name for name, _ in headers]
        self._key_at, self._length_at = names.index(KEY), names.index(LENGTH)
        self._low, self._high = sorted((self._key_at, self._length_at))
        self._fixed = self._rest_of(headers)
        self.policy = policy
        self.authorization = authorization
        self.address, self.subject = call.address, call.certificate_subject

    @classmethod
    def of(cls, headers: Headers, policy: Policy, call: Call, authorization: bytes) -> KnownHead | None:
        names = [name for name, _ in headers]
        size = sum(len(name) + len(value) for name, value in headers)
        if names.count(KEY) != 1 or names.count(LENGTH) != 1 or not _OTHERS_OWN.isdisjoint(names):
            return None
        return cls(headers, policy, call, authorization) if size <= HEADER_BYTES_MAX - SIZE_KEPT_FREE else None

    def again(self, headers: Headers) -> tuple[bytes, bytes] | None:
        """The key and the length it is given with, if it is the same head otherwise."""
        if len(headers) != len(self._fixed) + 2:
            return None
        (key_name, key), (length_name, length) = headers[self._key_at], headers[self._length_at]
        if key_name != KEY or length_name != LENGTH or self._rest_of(headers) != self._fixed:
            return None
        return key, length

    def _rest_of(self, headers: Headers) -> Headers:
        rest = headers.copy()
        del rest[self._high], rest[self._low]
        return rest
