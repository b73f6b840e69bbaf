"""What is in memory of one input: a window on its bytes that moves forward, read by blocks and checked to be UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Callable

BLOCK_BYTES = 1 << 20
_BOM = codecs.BOM_UTF8


class InputFault(Exception):
    """An input that cannot be read at all: missing, empty, without its columns, not UTF-8. One clear line."""


class Window:
    """`content[at:]` is what nobody has taken yet; `line` is the number of its first line."""

    __slots__ = ("_block_bytes", "_bytes_before", "_decoder", "_read", "at", "content", "is_last", "line", "name")

    def __init__(self, read: Callable[[int], bytes], name: str, *, block_bytes: int = BLOCK_BYTES) -> None:
        self.name = name
        self.content = b""
        self.at = 0
        self.line = 1
        self.is_last = False
        """Whether `content` goes to the end of the input."""
        self._read = read
        self._block_bytes = block_bytes
        self._bytes_before = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        while len(self.content) < len(_BOM) and self.fill():
            pass
        if self.content.startswith(_BOM):
            self.at = len(_BOM)

    def fill(self) -> bool:
        """Read one block more; what was taken is let go. False when the input has no more. Raises InputFault."""
        if self.is_last:
            return False
        block = self._read(self._block_bytes)
        self._check_utf8(block)
        self.is_last = not block
        if block:
            self.content = self.content[self.at :] + block
            self.at = 0
        return bool(block)

    def _check_utf8(self, block: bytes) -> None:
        if block and block.isascii() and not self._decoder.getstate()[0]:
            self._bytes_before += len(block)
            return
        waiting = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            place = self._bytes_before - waiting + error.start
            raise InputFault(f"{self.name} is not UTF-8 (byte {place + 1})") from None
        self._bytes_before += len(block)
