"""Every order in which the parts of a small world can act: the search that all models share.

From each world every possible step is taken, and worlds that were seen before are not looked at again; so the search
ends, and has then seen every order. It goes by nearness, so that what is told of a fault are the fewest steps to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

World = TypeVar("World")

STATES_MAX = 400_000


class Broken(Exception):
    """What must never be. Says which steps have led there."""

    def __init__(self, fault: object, steps: Sequence[str]) -> None:
        super().__init__(f"{fault}, after\n  " + "\n  ".join(steps))


class Search(Generic[World]):
    """Iterating gives the worlds from which steps are yet to be taken; whoever takes one tells what it `reaches`."""

    def __init__(
        self,
        begin: World,
        likeness: Callable[[World], Hashable] | None = None,
        states_max: int = STATES_MAX,
    ) -> None:
        """Worlds are the same where their `likeness` is."""
        self.steps = 0
        self._likeness = likeness or _itself
        self._states_max = states_max
        self._places: dict[Hashable, int] = {self._likeness(begin): 0}
        self._came: list[tuple[int, str]] = [(-1, "")]
        """From which place, and by which step, each was reached first."""
        self._back: list[list[int]] = [[]]
        """From which places each can be reached."""
        self._todo: deque[tuple[int, World]] = deque([(0, begin)])
        self._here = 0
        self._ends: set[int] = set()

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[World]:
        while self._todo:
            self._here, world = self._todo.popleft()
            yield world

    def reaches(self, step: str, after: World) -> bool:
        """Whether nobody was there before."""
        self.steps += 1
        likeness = self._likeness(after)
        place = self._places.get(likeness)
        if place is not None:
            self._back[place].append(self._here)
            return False
        place = self._places[likeness] = len(self._places)
        assert place < self._states_max, "too large to search"
        self._came.append((self._here, step))
        self._back.append([self._here])
        self._todo.append((place, after))
        return True

    def steps_by(self, step: str) -> list[str]:
        """All that has led here, and this one."""
        return [*self._steps_to(self._here), step]

    def may_end_here(self) -> None:
        """Nothing is left to be done in this world."""
        self._ends.add(self._here)

    def must_all_be_able_to_end(self) -> None:
        """Raises Broken with the way to a world from which no steps lead to an end any more."""
        able = set(self._ends)
        todo = list(able)
        while todo:
            for place in self._back[todo.pop()]:
                if place not in able:
                    able.add(place)
                    todo.append(place)
        stuck = next((place for place in range(len(self._came)) if place not in able), None)
        if stuck is not None:
            raise Broken("nothing leads to an end any more", self._steps_to(stuck))

    def _steps_to(self, place: int) -> list[str]:
        steps: list[str] = []
        while place:
            place, step = self._came[place]
            steps.append(step)
        return steps[::-1]


@dataclass(frozen=True)
class Model(Generic[World]):
    """`fault` says what must not be in a world, or nothing; `is_over` whether all is done there."""

    begin: World
    steps: Callable[[World], Iterable[tuple[str, World]]]
    fault: Callable[[World], str | None]
    is_over: Callable[[World], bool] | None = None


def explore(model: Model[World], states_max: int = STATES_MAX) -> Search[World]:
    """Raises Broken."""
    search = Search(model.begin, states_max=states_max)
    for world in search:
        for step, after in model.steps(world):
            if search.reaches(step, after) and (fault := model.fault(after)) is not None:
                raise Broken(fault, search.steps_by(step))
        if model.is_over is not None and model.is_over(world):
            search.may_end_here()
    if model.is_over is not None:
        search.must_all_be_able_to_end()
    return search


def _itself(world: World) -> Hashable:
    return world
