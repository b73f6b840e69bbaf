"""Arrays on their way to PostgreSQL, in its binary form: a batch sends dozens of them.

The driver's own encoder asks of each element whether it holds others and what it is; here the type is known, and the
elements are joined. The form: number of dimensions, whether there are nulls, type of the elements, then of each
dimension length and lower bound, then each element behind its length (-1: null). A test asks PostgreSQL what it got.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from struct import error as struct_error
from typing import Any, Protocol

_INT = Struct(">i").pack
_BIGINT = Struct(">q").pack
_XID = Struct(">I").pack
_HEAD = Struct(">iiiii").pack

_NULL = _INT(-1)
_LENGTHS = tuple(map(_INT, range(512)))
"""Made once: most texts are as short."""

_MICROSECOND = timedelta(microseconds=1)
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class _Settings(Protocol):
    def add_python_codec(self, oid: int, *arguments: Any) -> None: ...


def use_own_arrays(settings: _Settings) -> None:
    """Of one connection. asyncpg offers it for types of one value only; this is what it does for those."""
    for name, (array_oid, oid, encode) in _TYPES.items():
        settings.add_python_codec(
            array_oid, f"_{name}", "pg_catalog", [], "scalar", _array_encoder(oid, encode), _refuse_to_read, "binary"
        )


def _array_encoder(oid: int, encode: Callable[[Sequence[Any]], list[bytes]]) -> Callable[[Sequence[Any]], bytes]:
    empty = Struct(">iii").pack(0, 0, oid)

    def array(values: Sequence[Any]) -> bytes:
        count = len(values)
        if not count:
            return empty
        if values[0] is not None:
            with contextlib.suppress(AttributeError, TypeError, struct_error):  # A null, or what is told below.
                return _HEAD(1, 0, oid, count, 1) + b"".join(encode(values))
        present = iter(encode([value for value in values if value is not None]))
        return _HEAD(1, 1, oid, count, 1) + b"".join([_NULL if value is None else next(present) for value in values])

    return array


def _uuids(values: Sequence[Any]) -> list[bytes]:
    length = _LENGTHS[16]
    return [length + value.bytes for value in values]


def _texts(values: Sequence[str]) -> list[bytes]:
    return _bytes([value.encode() for value in values])


def _bytes(values: Sequence[bytes]) -> list[bytes]:
    known = len(_LENGTHS)
    return [(_LENGTHS[size] if (size := len(value)) < known else _INT(size)) + value for value in values]


def _bigints(values: Sequence[int]) -> list[bytes]:
    length = _LENGTHS[8]
    return [length + _BIGINT(value) for value in values]


def _xids(values: Sequence[int]) -> list[bytes]:
    length = _LENGTHS[4]
    return [length + _XID(value) for value in values]


def _moments(values: Sequence[datetime]) -> list[bytes]:
    return _bigints([(value - _POSTGRES_EPOCH) // _MICROSECOND for value in values])


def _documents(values: Sequence[str]) -> list[bytes]:
    """The one version of jsonb on the wire, then its text."""
    return _bytes([b"\x01" + value.encode() for value in values])


def _refuse_to_read(_: bytes) -> Any:
    raise TypeError("no lane reads arrays")


_TYPES: dict[str, tuple[int, int, Callable[[Sequence[Any]], list[bytes]]]] = {
    "uuid": (2951, 2950, _uuids),
    "text": (1009, 25, _texts),
    "bytea": (1001, 17, _bytes),
    "int8": (1016, 20, _bigints),
    "xid": (1011, 28, _xids),
    "timestamptz": (1185, 1184, _moments),
    "jsonb": (3807, 3802, _documents),
}
"""The array's object id, that of its elements (`pg_type.dat`: fixed for ever), and how these are written."""
