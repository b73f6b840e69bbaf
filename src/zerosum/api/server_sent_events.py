"""Server-sent events (the HTML standard, 9.2), as the feed and the console's pages are followed by."""

from __future__ import annotations

import re

MEDIA_TYPE = "text/event-stream"

UNGATHERED = "x-accel-buffering", "no"
"""A header: a proxy that gathers an answer before it passes it on would pass on nothing."""

FOLLOWED_SECONDS_MAX = 1_800.0
"""Then whoever follows comes again."""

HEARTBEAT = b":\n\n"

_LINE_ENDS = re.compile(r"\r\n|\n|\r")


def come_again(milliseconds: int) -> bytes:
    """How soon, once it has ended."""
    return b"retry: %d\n\n" % milliseconds


def message(event: str, text: str, id_: str | None = None) -> bytes:
    """One event; an empty line within `text` would end it sooner, so each line is told as one.

    Of what Unicode takes for the end of a line the standard knows three only: the others stay within theirs.
    """
    place = "" if id_ is None else f"id: {id_}\n"
    lines = "".join(f"data: {line}\n" for line in _LINE_ENDS.split(text.removesuffix("\n")))
    return f"{place}event: {event}\n{lines}\n".encode()
