"""`zerosum events tail`: the feed, for a terminal or another program."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from zerosum.cli.daily.asking import asked
from zerosum.cli.daily.columns import EVENTS
from zerosum.cli.daily.showing import Screen
from zerosum.cli.daily.words import Connection
from zerosum.cli.talk import say, told_plainly
from zerosum.client import Client, Position, PositionFile
from zerosum.client.errors import Unreachable
from zerosum.client.refusals import Busy

PAUSE_SECONDS = 1.0
"""After all that the client has tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TailOptions:
    after: str | None
    is_following: bool
    types: str | None
    account: str | None
    state: Path | None


class _Remembered:
    """The place of one run."""

    def __init__(self, after: str | None) -> None:
        self._after = after

    def read(self) -> str | None:
        return self._after

    def write(self, after: str) -> None:
        self._after = after


@told_plainly
def run_tail(connection: Connection, options: TailOptions, *, is_json: bool) -> int:
    screen = Screen(EVENTS, is_json=is_json)
    position = PositionFile(options.state) if options.state is not None else _Remembered(options.after)
    return asked(connection, screen, lambda client: _tail(client, screen, options, position))


def _tail(client: Client, screen: Screen, options: TailOptions, position: Position) -> int:
    """What was written last is passed only when the next is asked for: where nobody reads any more, it comes again."""
    read = client.events.follow if options.is_following else client.events.read
    while True:
        try:
            for event in read(after=options.after, position=position, type=options.types, account=options.account):
                if not screen.put_line(event):
                    return 0
        except (Unreachable, Busy) as error:
            if not options.is_following:
                raise
            say(f"zerosum: {error}; trying again")
            time.sleep(PAUSE_SECONDS)
            continue
        return 0
