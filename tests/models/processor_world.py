"""The world of the model of processors: one payment, the two processors of its route, and workers that ask them.

Times are relative, in units of a processor's time-out, so that worlds that differ only in their date are the same.
"""

from __future__ import annotations

from typing import NamedTuple

TIMEOUT = 1
CLAIM = 3
"""So long a claim lasts: a look-up, a call, and a margin."""
ATTEMPTS_MAX = 3

SETTLED = ("approved", "declined")


class Call(NamedTuple):
    """`number` 0 is asked of the first processor, 1 of the second; `due_in` less than 0: so long ago."""

    state: str = "proposed"
    number: int = 0
    attempts: int = 0
    due_in: int | None = 0
    sent_ago: int | None = None
    had: bool = False
    """The processor has told that it has it."""


class Worker(NamedTuple):
    """One that has claimed the call, and how far it has come. `stage`: idle, looks, decides, sends, waits, told."""

    stage: str = "idle"
    number: int = 0
    attempts: int = 0
    lapses_in: int = 0
    sent_ago: int = CLAIM
    has_objection: bool = False
    """It was written down when it was claimed."""
    told: str = ""
    """What has come of asking: approved, cannot, refused, pending, absent; missing, unsent, late, parks, over."""
    was_sent: bool = False
    nothing_was_on_its_way: bool = False
    """When it was looked up."""


class Request(NamedTuple):
    """On its way. `left`: so long it may be so yet."""

    number: int
    left: int


class Accidents(NamedTuple):
    """That may happen yet."""

    stands_still: int = 0
    """Units of time that pass while a worker is at it."""
    died: int = 0
    """Workers."""
    missing: int = 0
    """Replies that do not come, or not in time."""
    unsent: int = 0
    """Connections that do not come about."""
    troubled: int = 0
    """Times that the next processor is not well when it would be its turn."""
    called_back: int = 0
    forgets: int = 0
    """A processor that has told that it has the payment, and knows nothing of it when it is asked again."""
    by_hand: int = 0
    """Settlements by a person, who may be wrong."""
    very_late: int = 0
    """Requests that arrive later than anybody reckons with."""


class World(NamedTuple):
    call: Call = Call()
    processors: tuple[str, str] = ("", "")
    """What each has under the key of its call: nothing, pending, approved, cannot (a technical decline), refused."""
    workers: tuple[Worker, ...] = (Worker(), Worker())
    requests: tuple[Request, ...] = ()
    accidents: Accidents = Accidents()
    word: bool = False
    """It is written down that the first has carried it out after it was left."""
    went_back: bool = False
    heard_late: bool = False
    """Somebody of ours was told so."""
    sent_all_the_same: bool = False
    paid_again: bool = False
    """By one processor that carries out twice what it is asked twice."""
    was_very_late: bool = False
    """What the code stands on was not so."""
    was_by_hand: bool = False

    @property
    def times_paid(self) -> int:
        return self.processors.count("approved")
