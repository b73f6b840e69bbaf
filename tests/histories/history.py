"""What callers did and saw, and whether it is strictly serializable.

An account has one order of writing: its versions. A history is right where there is one order of all operations that
keeps the versions of each account, in which each reading stands between the version it saw and the next, and in which
nothing stands before what had ended when it began. Such an order exists exactly if the graph of these three kinds of
"before" has no circle (Adya's serialization graph, with time as one more kind of edge: Papadimitriou 1979, Herlihy and
Wing 1990).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Operation:
    """It began and ended at these times of one clock, outside the service."""

    name: str
    began: float
    ended: float
    wrote: Mapping[str, int] = field(default_factory=dict)
    """Of each account the version that it made."""
    saw: Mapping[str, int] = field(default_factory=dict)
    """Of each account the version at which it was read."""


class NotSerializable(AssertionError):
    """With the operations that would each have to stand before the next, and the last before the first."""

    def __init__(self, circle: Sequence[Operation]) -> None:
        self.circle = circle
        super().__init__(" before ".join(_told(one) for one in circle))


class VersionTwice(AssertionError):
    """Two operations made the same version of an account, or one made several."""


def check(history: Sequence[Operation]) -> None:
    """Raises NotSerializable or VersionTwice."""
    graph = _Graph(history)
    order = sorted(range(len(history)), key=lambda number: history[number].ended)
    graph.put_in_time(order)
    for places in _accounts(history).values():
        graph.put_in_versions(places)
    circle = graph.circle()
    if circle:
        raise NotSerializable(circle)


@dataclass(slots=True)
class _Account:
    writers: dict[int, int] = field(default_factory=dict)
    readers: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


def _accounts(history: Sequence[Operation]) -> dict[str, _Account]:
    """By account who made each version, and who saw it, as places in the history."""
    accounts: dict[str, _Account] = defaultdict(_Account)
    for number, operation in enumerate(history):
        for account, version in operation.wrote.items():
            if accounts[account].writers.setdefault(version, number) != number:
                raise VersionTwice(f"version {version} of {account} was made twice")
        for account, version in operation.saw.items():
            accounts[account].readers[version].append(number)
    return accounts


class _Graph:
    """Nodes are the operations, and behind these the moments at which one ended: so that time needs few edges."""

    def __init__(self, history: Sequence[Operation]) -> None:
        self._history = history
        self._behind: list[list[int]] = [[] for _ in range(2 * len(history))]

    def put_in_time(self, by_end: Sequence[int]) -> None:
        """What has ended stands before what begins afterwards; the moments stand in their order."""
        number = len(self._history)
        ends = [self._history[place].ended for place in by_end]
        for moment, place in enumerate(by_end):
            self._behind[place].append(number + moment)
            if moment:
                self._behind[number + moment - 1].append(number + moment)
        moment = 0
        for place in sorted(range(number), key=lambda one: self._history[one].began):
            while moment < number and ends[moment] < self._history[place].began:
                moment += 1
            if moment:
                self._behind[number + moment - 1].append(place)

    def put_in_versions(self, account: _Account) -> None:
        """A version's maker stands before those who saw it, and they before the maker of the next that is known."""
        before: list[int] = []
        for version in sorted(account.writers.keys() | account.readers.keys()):
            writer, readers = account.writers.get(version), account.readers.get(version, [])
            if writer is not None:
                self._all_before(before, writer)
                before = [writer]
            for reader in readers:
                if reader != writer:
                    self._all_before(before if writer is None else [writer], reader)
            # Readers of a version whose maker is unknown stand behind all before it, as it does itself.
            before = [*before, *readers] if writer is None else [writer, *readers]

    def _all_before(self, places: Iterable[int], behind: int) -> None:
        for place in places:
            if place != behind:
                self._behind[place].append(behind)

    def circle(self) -> list[Operation]:
        """One, where there is any: what is left when all that has nothing before it was taken away, again and again."""
        before = [0] * len(self._behind)
        for found in self._behind:
            for place in found:
                before[place] += 1
        free = deque(place for place, number in enumerate(before) if not number)
        while free:
            for place in self._behind[free.popleft()]:
                before[place] -= 1
                if not before[place]:
                    free.append(place)
        left = {place for place, number in enumerate(before) if number}
        return [self._history[place] for place in self._walk(left) if place < len(self._history)]

    def _walk(self, left: set[int]) -> Iterator[int]:
        """Backwards along what is left, until it meets itself: everything left has something left before it."""
        if not left:
            return
        known: dict[int, int] = {}
        for place in left:
            for behind in self._behind[place]:
                if behind in left:
                    known.setdefault(behind, place)
        place, way = next(iter(known)), []
        while place not in way:
            way.append(place)
            place = known[place]
        yield from reversed(way[way.index(place) :])


def _told(operation: Operation) -> str:
    times = f"{operation.began:.6f} to {operation.ended:.6f}"
    return f"{operation.name} ({times}; made {operation.wrote}; saw {operation.saw})"
