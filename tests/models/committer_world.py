"""The world of the committer's model: one account, its books, the sessions of PostgreSQL, processes, and callers."""

from __future__ import annotations

from typing import NamedTuple

LEFT_BY_BEHIND = 0
SHARED = -1


class Work(NamedTuple):
    """One payment of one unit from the account, handed over. Its entry is called the same."""

    caller: int
    """Its key is its caller's."""
    time: int
    """The first, or asked again."""


class Posting(NamedTuple):
    work: Work
    number: int
    """Of the transaction that has written it."""


class Books(NamedTuple):
    """What is committed. The version of the account is the number of its postings."""

    units: int
    postings: tuple[Posting, ...] = ()
    refused: frozenset[int] = frozenset()
    """Keys under which a refusal is kept."""
    writer: int = 1
    """Of the account's row: the transaction that last wrote it."""
    numbers: int = 1
    moment: int = 0
    """Of the last posting."""
    is_overdrawn: bool = False

    def version_of(self, key: int) -> int | None:
        return next((place for place, one in enumerate(self.postings, 1) if one.work.caller == key), None)

    @property
    def balance(self) -> int:
        return self.units - len(self.postings)

    def written(self, works: tuple[Work, ...], refused: frozenset[int], moment: int) -> Books:
        """By one transaction."""
        if not works:
            return self._replace(refused=self.refused | refused)
        number = self.numbers + 1
        postings = (*self.postings, *(Posting(work, number) for work in works))
        return self._replace(
            postings=postings,
            refused=self.refused | refused,
            writer=number,
            numbers=number,
            moment=moment,
            is_overdrawn=self.is_overdrawn or len(postings) > self.units,
        )


class Told(NamedTuple):
    """`word`: paid (with its version), refused, undone (503), unknown (504), gone (its process was killed)."""

    work: Work
    word: str
    version: int = 0


class Verdict(NamedTuple):
    posts: tuple[Work, ...]
    refuses: frozenset[int]
    answers: tuple[Told, ...]


class Session(NamedTuple):
    """A transaction of the usual way that holds the row: its outcome is decided, and it is committed or it ends."""

    process: int
    verdict: Verdict
    moment: int
    works: tuple[Work, ...]
    is_sent: bool = False
    """Its COMMIT."""
    is_lost: bool = False
    """Nobody hears of it any more."""


class Post(NamedTuple):
    """A whole transaction in one statement, on its way to PostgreSQL or waiting there for the row."""

    process: int
    works: tuple[Work, ...]
    units: int
    writer: int
    behind: Work | None
    moment: int
    is_lost: bool = False


class Flight(NamedTuple):
    works: tuple[Work, ...]
    answers: tuple[Told, ...]
    heard: str = ""
    """`held` or `fell`, once it is heard of."""
    number: int = 0


class Memory(NamedTuple):
    """The account as it is remembered; `by` is the first work of the flight that has not landed."""

    units: int
    version: int
    writer: int
    moment: int
    by: Work | None = None


class Attempt(NamedTuple):
    """At a batch the usual way. `stage`: begins, decided, sent, done."""

    works: tuple[Work, ...]
    stage: str = "begins"
    is_of_flight: bool = False
    verdict: Verdict | None = None
    left: Memory | None = None
    """The account as the transaction has left it, once that is heard of."""
    looked: Books | None = None
    """Where keys are looked up before the row is locked: as they were then."""


class Process(NamedTuple):
    is_up: bool = True
    queue: tuple[Work, ...] = ()
    held_up: tuple[Work, ...] = ()
    """Their keys were found held by another session."""
    attempt: Attempt | None = None
    air: tuple[Flight, ...] = ()
    memory: Memory | None = None
    earliest: int = 0

    @property
    def running(self) -> list[Work]:
        works = [work for flight in self.air for work in flight.works]
        return works if self.attempt is None or self.attempt.is_of_flight else [*works, *self.attempt.works]


class Accidents(NamedTuple):
    """That may happen yet."""

    lost: int = 0
    """Replies and connections."""
    killed: int = 0
    late: int = 0
    """Deadlines that pass."""
    held: int = 0
    """Keys that a session elsewhere has written and not committed: their callers have asked there before."""
    shed: int = 0
    """Works for which there is no room."""
    other_writers: int = 0
    """Of the row, outside of both processes: somebody lowers what may be taken from the account by one."""


class World(NamedTuple):
    books: Books
    processes: tuple[Process, ...]
    accidents: Accidents
    asked: tuple[int, ...]
    """How often each caller has asked."""
    told: tuple[Told, ...] = ()
    holder: Session | None = None
    posts: tuple[Post, ...] = ()
    unknown: frozenset[tuple[int, int]] = frozenset()
    """Keys, and which process knows that: SHARED where all do."""
    held_key: int | None = None
    found_held: frozenset[Work] = frozenset()
    behind: frozenset[tuple[Work, Work]] = frozenset()
    """Of one order and one process: the second was handed over while the first had no answer."""

    def answer_to(self, work: Work) -> Told | None:
        return next((one for one in self.told if one.work == work), None)
