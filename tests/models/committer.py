"""A model of the committer: what two processes, PostgreSQL and callers may do next, in every order and with accidents.

One account of so many units, of which each payment takes one. Process 0 remembers the account between its batches, and
has two of them on their way; process 1 always goes the usual way. docs/MODELS.md says which code each step is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.models.committer_world import (
    LEFT_BY_BEHIND,
    SHARED,
    Accidents,
    Attempt,
    Books,
    Flight,
    Memory,
    Post,
    Process,
    Session,
    Told,
    Verdict,
    Work,
    World,
)

Step = tuple[str, World]
IN_AIR_MAX = 2
ELSEWHERE = -1
"""The time at which a caller has asked another machine."""


@dataclass(frozen=True)
class Committer:
    """The members are what holds the promises; a plant switches one of them off."""

    first_at: tuple[int, ...] = (0, 0, 1)
    """Of each caller, which process he asks first."""
    asks_max: int = 2
    ordered: frozenset[int] = frozenset()
    """Callers whose payments keep their order, where they ask the same process."""

    answers_after_commit: bool = True
    looks_up_keys_under_locks: bool = True
    compares_rows: bool = True
    asks_who_has_left_the_row: bool = True
    looks_up_keys_of_a_post: bool = True
    moments_grow: bool = True
    waits_for_who_is_behind: bool = True
    remembers_lost_commits: bool = True
    shares_unknown_keys: bool = True
    remembers_what_was_told_unknown: bool = True
    forgets_only_what_is_told: bool = True
    says_unknown_to_who_is_behind: bool = True
    says_unknown_where_a_key_is_held: bool = True
    says_unknown_of_what_was_found: bool = True
    keeps_what_was_not_found: bool = True

    def begin(self, units: int, accidents: Accidents) -> World:
        books = Books(units)
        warm = Memory(units, 0, books.writer, 0)
        return World(books, (Process(memory=warm), Process()), accidents, (0,) * len(self.first_at))

    def steps(self, world: World) -> Iterator[Step]:
        yield from self._asked(world)
        for place, process in enumerate(world.processes):
            if process.is_up:
                yield from self._launched(world, place)
                yield from self._carried_out(world, place)
                yield from self._landed(world, place)
                yield from self._accidents(world, place)
                if process.held_up:
                    again = process._replace(queue=(*process.held_up, *process.queue), held_up=())
                    yield f"process {place} tries what is held up", _put(world, place, again)
        yield from self._in_postgresql(world)
        yield from self._held_elsewhere(world)
        yield from self._looked_up(world)
        if world.accidents.other_writers:
            books, left = world.books, world.accidents
            if world.holder is None and books.balance > 0:
                number = books.numbers + 1
                books = books._replace(units=books.units - 1, writer=number, numbers=number)
                left = left._replace(other_writers=left.other_writers - 1)
                yield "somebody else changes the account", world._replace(books=books, accidents=left)

    def _held_elsewhere(self, world: World) -> Iterator[Step]:
        """A session of another machine has a caller's key, and commits it or not."""
        if world.holder is not None:
            return
        if world.held_key is not None:
            free, books = world._replace(held_key=None), world.books
            yield "the key elsewhere is given up", free
            if books.balance > 0:
                elsewhere = books.written((Work(world.held_key, ELSEWHERE),), frozenset(), books.moment)
                yield "the key elsewhere is committed", free._replace(books=elsewhere)
        elif world.accidents.held:
            left = world.accidents._replace(held=world.accidents.held - 1)
            for caller in range(len(world.asked)):
                if not world.books.version_of(caller) and caller not in world.books.refused:
                    held = world._replace(held_key=caller, accidents=left)
                    yield f"the key of caller {caller} is held elsewhere", held

    def _looked_up(self, world: World) -> Iterator[Step]:
        """In the background. What is unknown stays so for whoever is refused, whether it is found or may come yet."""
        for caller, by in world.unknown:
            is_found = world.books.version_of(caller) is not None or caller in world.books.refused
            if not (self.says_unknown_of_what_was_found if is_found else self.keeps_what_was_not_found):
                left = world._replace(unknown=world.unknown - {(caller, by)})
                yield f"the key of caller {caller} is looked up and forgotten", left

    def _asked(self, world: World) -> Iterator[Step]:
        for caller, times in enumerate(world.asked):
            last = world.answer_to(Work(caller, times - 1))
            if times and (last is None or times == self.asks_max):
                continue
            for place, process in enumerate(world.processes):
                elsewhere = (
                    not times and place != self.first_at[caller] and world.processes[self.first_at[caller]].is_up
                )
                if process.is_up and not elsewhere:
                    yield f"caller {caller} asks process {place}", self._handed_over(world, place, Work(caller, times))
                    if world.accidents.shed:
                        left = world.accidents._replace(shed=world.accidents.shed - 1)
                        shed = _counted(world, caller)._replace(accidents=left)
                        yield (
                            f"caller {caller} is shed by process {place}",
                            self._undone(shed, place, [Work(caller, times)]),
                        )

    def _handed_over(self, world: World, place: int, work: Work) -> World:
        process = world.processes[place]
        if work.caller in self.ordered:
            before = [one for one in (*process.running, *process.queue) if one.caller in self.ordered]
            pairs = {(one, work) for one in before if one.caller != work.caller and world.answer_to(one) is None}
            world = world._replace(behind=world.behind | pairs)
        return _put(_counted(world, work.caller), place, process._replace(queue=(*process.queue, work)))

    def _launched(self, world: World, place: int) -> Iterator[Step]:
        """Decided by what is remembered, and sent."""
        process = world.processes[place]
        memory = process.memory
        if not process.queue or process.attempt or memory is None or len(process.air) >= IN_AIR_MAX:
            return
        are_in_order = {work.caller for work in process.running} & self.ordered
        if are_in_order and self.ordered & {work.caller for work in process.queue}:
            return
        works = process.queue
        verdict = judged(Books(memory.units), memory.version, works)
        if verdict.refuses:
            return
        moment = max(process.earliest, memory.moment)
        behind = process.air[-1].works[-1] if process.air and memory.writer == LEFT_BY_BEHIND else None
        post = Post(place, works, memory.units, memory.writer, behind, moment)
        left = Memory(memory.units, memory.version + len(works), LEFT_BY_BEHIND, moment, works[0])
        air = (*process.air, Flight(works, verdict.answers))
        process = process._replace(queue=(), air=air, memory=left)
        yield (
            f"process {place} sends a batch from memory",
            _put(world, place, process)._replace(posts=(*world.posts, post)),
        )

    def _carried_out(self, world: World, place: int) -> Iterator[Step]:
        """The usual way: lock, look up, judge, write, commit, answer."""
        process = world.processes[place]
        attempt = process.attempt
        if attempt is None:
            if process.queue and not process.air:
                begun = self._begun(world, Attempt(process.queue))
                yield f"process {place} begins a batch", _put(world, place, process._replace(queue=(), attempt=begun))
        elif attempt.stage == "begins" and world.holder is None:
            yield f"process {place} locks and judges", self._judged(world, place, attempt)
        elif attempt.stage == "decided" and world.holder is not None:
            sent = _put(world, place, process._replace(attempt=attempt._replace(stage="sent")))
            if not self.answers_after_commit and attempt.verdict is not None:
                sent = _told(sent, attempt.verdict.answers)
            yield f"process {place} sends COMMIT", sent._replace(holder=world.holder._replace(is_sent=True))
        elif attempt.stage == "done":
            yield f"process {place} hears of its commit", self._concluded(world, place, attempt)

    def _begun(self, world: World, attempt: Attempt) -> Attempt:
        return attempt if self.looks_up_keys_under_locks else attempt._replace(looked=world.books)

    def _judged(self, world: World, place: int, attempt: Attempt) -> World:
        process, books = world.processes[place], world.books
        works = tuple(work for work in attempt.works if world.answer_to(work) is None)
        held_up = tuple(work for work in works if work.caller == world.held_key)
        if held_up:
            works = tuple(work for work in works if work.caller != world.held_key)
            process = process._replace(held_up=(*process.held_up, *held_up))
            world = world._replace(found_held=world.found_held | set(held_up))
        if not works:
            return _put(world, place, _without_attempt(process))
        verdict = judged(attempt.looked or books, len(books.postings), works, books.units)
        moment = max(process.earliest, books.moment)
        held = Session(place, verdict, moment, works)
        attempt = attempt._replace(works=works, stage="decided", verdict=verdict)
        return _put(world, place, process._replace(attempt=attempt))._replace(holder=held)

    def _concluded(self, world: World, place: int, attempt: Attempt) -> World:
        assert attempt.verdict is not None
        process = _without_attempt(world.processes[place])
        if place == 0:
            process = process._replace(memory=attempt.left)
        return _put(_told(self._known(world, attempt.works), attempt.verdict.answers), place, process)

    def _landed(self, world: World, place: int) -> Iterator[Step]:
        """In the order in which they were sent."""
        process = world.processes[place]
        if not process.air:
            return
        flight, *behind = process.air
        if flight.heard == "held":
            memory = process.memory
            if memory is not None and memory.by == flight.works[0]:
                memory = memory._replace(writer=flight.number, by=None)
            answered = _told(self._known(world, flight.works), flight.answers)
            landed = process._replace(air=tuple(behind), memory=memory)
            yield f"a batch of process {place} lands", _put(answered, place, landed)
            return
        may_go = all(one.heard for one in behind) or not self.waits_for_who_is_behind
        if flight.heard == "fell" and process.attempt is None and may_go:
            attempt = self._begun(world, Attempt(flight.works, is_of_flight=True))
            yield f"process {place} tries a fallen batch", _put(world, place, process._replace(attempt=attempt))

    def _in_postgresql(self, world: World) -> Iterator[Step]:
        holder = world.holder
        if holder is not None:
            if holder.is_sent:
                yield "PostgreSQL commits", self._committed(world, holder)
            if holder.is_lost:
                yield "a lost session ends", world._replace(holder=None)
            return
        for index, post in enumerate(world.posts):
            rest = world._replace(posts=(*world.posts[:index], *world.posts[index + 1 :]))
            if post.is_lost:
                yield "a lost statement ends", rest
            yield "PostgreSQL carries a statement out", self._posted(rest, post)

    def _committed(self, world: World, holder: Session) -> World:
        verdict = holder.verdict
        books = world.books.written(verdict.posts, verdict.refuses, holder.moment)
        world = world._replace(books=books, holder=None)
        if holder.is_lost:
            return world
        process = world.processes[holder.process]
        assert process.attempt is not None
        left = Memory(books.units, len(books.postings), books.writer, books.moment)
        done = process.attempt._replace(stage="done", left=left)
        return _put(world, holder.process, process._replace(attempt=done))

    def _posted(self, world: World, post: Post) -> World:
        """The row is held, compared, the keys are looked up, and it is all written; or nothing is."""
        books, number = world.books, 0
        is_held = any(work.caller == world.held_key for work in post.works)
        if self._fits(books, post, is_held=is_held):
            books = books.written(post.works, frozenset(), post.moment)
            number = books.numbers
        world = world._replace(books=books)
        return world if post.is_lost else self._heard(world, post, "held" if number else "fell", number)

    def _fits(self, books: Books, post: Post, *, is_held: bool) -> bool:
        if post.writer == LEFT_BY_BEHIND:
            wrote = [one.number for one in books.postings if one.work == post.behind]
            if self.asks_who_has_left_the_row and wrote != [books.writer]:
                return False
        elif self.compares_rows and post.writer != books.writer:
            return False
        is_used = is_held or any(books.version_of(work.caller) or work.caller in books.refused for work in post.works)
        return post.moment >= books.moment and not (is_used and self.looks_up_keys_of_a_post)

    def _heard(self, world: World, post: Post, heard: str, number: int = 0) -> World:
        process = world.processes[post.process]
        air = tuple(
            flight._replace(heard=heard, number=number) if flight.works == post.works else flight
            for flight in process.air
        )
        memory = process.memory
        if heard == "fell" and memory is not None and memory.by == post.works[0]:
            memory = None
        return _put(world, post.process, process._replace(air=air, memory=memory))

    def _accidents(self, world: World, place: int) -> Iterator[Step]:
        left = world.accidents
        if left.lost:
            fewer = world._replace(accidents=left._replace(lost=left.lost - 1))
            yield from self._lost_sessions(fewer, place)
            yield from self._lost_posts(fewer, place)
        if left.killed:
            fewer = world._replace(accidents=left._replace(killed=left.killed - 1))
            yield f"process {place} is killed", _killed(fewer, place)
        if left.late:
            fewer = world._replace(accidents=left._replace(late=left.late - 1))
            process = world.processes[place]
            for work in (*process.running, *process.held_up, *process.queue):
                if world.answer_to(work) is None:
                    yield f"the deadline of {tuple(work)} passes", self._late(fewer, place, work)

    def _lost_sessions(self, world: World, place: int) -> Iterator[Step]:
        process, holder = world.processes[place], world.holder
        attempt = process.attempt
        if attempt is None or attempt.stage == "begins":
            return
        again = self._begun(world, attempt._replace(stage="begins", verdict=None, left=None))
        gone = _put(world, place, process._replace(attempt=again))
        if holder is not None and holder.process == place and not holder.is_lost:
            gone = gone._replace(holder=holder._replace(is_lost=True))
        if attempt.stage == "decided":
            yield f"process {place} loses its connection", gone
            for work in attempt.works:
                gone = self._refused_behind(self._undone(gone, place, [work]), place, work)
            yield f"process {place} loses its connection for long", gone
        else:
            yield f"process {place} loses the reply to COMMIT", self._lost(gone, place, attempt.works)

    def _lost_posts(self, world: World, place: int) -> Iterator[Step]:
        for index, post in enumerate(world.posts):
            if post.process != place or post.is_lost:
                continue
            posts = (*world.posts[:index], post._replace(is_lost=True), *world.posts[index + 1 :])
            gone = self._not_heard_of(world._replace(posts=posts), post)
            yield f"process {place} loses a statement", gone
            if world.holder is None:
                done = self._posted(
                    gone._replace(posts=(*posts[:index], *posts[index + 1 :])), post._replace(is_lost=True)
                )
                yield f"process {place} loses the reply to a statement", done

    def _not_heard_of(self, world: World, post: Post) -> World:
        world = self._heard(self._lost(world, post.process, post.works), post, "fell")
        process = world.processes[post.process]
        earliest = max(process.earliest, post.moment + 1) if self.moments_grow else process.earliest
        return _put(world, post.process, process._replace(earliest=earliest))

    def _lost(self, world: World, place: int, works: Sequence[Work]) -> World:
        return self._noted(world, place, works) if self.remembers_lost_commits else world

    def _noted(self, world: World, place: int, works: Sequence[Work]) -> World:
        by = SHARED if self.shares_unknown_keys else place
        return world._replace(unknown=world.unknown | {(work.caller, by) for work in works})

    def _undone(self, world: World, place: int, works: Sequence[Work]) -> World:
        """That nothing was done is said where that is true of the key."""
        for work in works:
            is_unknown = not world.unknown.isdisjoint({(work.caller, SHARED), (work.caller, place)})
            is_held = work in world.found_held and self.says_unknown_where_a_key_is_held
            if is_unknown or is_held:
                world = self._unknown(world, place, [work])
            else:
                world = _told(world, [Told(work, "undone")])
        return world

    def _unknown(self, world: World, place: int, works: Sequence[Work]) -> World:
        works = [work for work in works if world.answer_to(work) is None]
        world = _told(world, [Told(work, "unknown") for work in works])
        return self._noted(world, place, works) if self.remembers_what_was_told_unknown else world

    def _known(self, world: World, works: Sequence[Work]) -> World:
        """Of a key that somebody was told to be unknown, until he asks again and is told."""
        known = [work for work in works if not self.forgets_only_what_is_told or world.answer_to(work) is None]
        keys = {work.caller for work in known}
        return world._replace(unknown=frozenset(one for one in world.unknown if one[0] not in keys))

    def _late(self, world: World, place: int, work: Work) -> World:
        process = world.processes[place]
        if work in process.held_up:
            held_up = tuple(one for one in process.held_up if one != work)
            return self._undone(_put(world, place, process._replace(held_up=held_up)), place, [work])
        is_unknown = work in process.running
        world = self._unknown(world, place, [work]) if is_unknown else self._undone(world, place, [work])
        return self._refused_behind(world, place, work)

    def _refused_behind(self, world: World, place: int, work: Work) -> World:
        """What comes behind it in its order does not overtake its retry."""
        process = world.processes[place]
        line = [*process.running, *process.queue]
        for one in line[line.index(work) + 1 :]:
            if {one.caller, work.caller} <= self.ordered and world.answer_to(one) is None:
                is_unknown = one in process.running and self.says_unknown_to_who_is_behind
                world = (self._unknown if is_unknown else self._undone)(world, place, [one])
        queue = tuple(one for one in process.queue if world.answer_to(one) is None)
        return _put(world, place, process._replace(queue=queue))


def judged(looked: Books, version: int, works: Sequence[Work], units: int | None = None) -> Verdict:
    """Replays first, then what the account allows, one after the other."""
    posts: list[Work] = []
    refuses: set[int] = set()
    answers: list[Told] = []
    for work in works:
        key, before = work.caller, looked.version_of(work.caller)
        mine = next((one for one in answers if one.work.caller == key), None)
        if mine is not None:
            answers.append(mine._replace(work=work))
        elif before is not None:
            answers.append(Told(work, "paid", before))
        elif key in looked.refused or version + len(posts) >= (looked.units if units is None else units):
            refuses |= {key} - looked.refused
            answers.append(Told(work, "refused"))
        else:
            posts.append(work)
            answers.append(Told(work, "paid", version + len(posts)))
    return Verdict(tuple(posts), frozenset(refuses), tuple(answers))


def _killed(world: World, place: int) -> World:
    """Its callers hear nothing any more. What it has sent may be carried out yet."""
    process = world.processes[place]
    works = [work for work in (*process.running, *process.held_up, *process.queue) if world.answer_to(work) is None]
    holder = world.holder
    if holder is not None and holder.process == place:
        holder = holder._replace(is_lost=True)
    posts = tuple(post._replace(is_lost=True) if post.process == place else post for post in world.posts)
    world = _told(world, [Told(work, "gone") for work in works])
    return _put(world, place, Process(is_up=False))._replace(holder=holder, posts=posts)


def _told(world: World, answers: Sequence[Told]) -> World:
    new = [one for one in answers if world.answer_to(one.work) is None]
    return world._replace(told=tuple(sorted((*world.told, *new)))) if new else world


def _counted(world: World, caller: int) -> World:
    asked = world.asked
    return world._replace(asked=(*asked[:caller], asked[caller] + 1, *asked[caller + 1 :]))


def _put(world: World, place: int, process: Process) -> World:
    processes = world.processes
    return world._replace(processes=(*processes[:place], process, *processes[place + 1 :]))


def _without_attempt(process: Process) -> Process:
    attempt = process.attempt
    air = process.air[1:] if attempt is not None and attempt.is_of_flight else process.air
    return process._replace(attempt=None, air=air)


def fault(world: World) -> str | None:
    """What must never be in any world."""
    books = world.books
    keys = [one.work.caller for one in books.postings]
    if len(set(keys)) < len(keys):
        return "a key was posted twice"
    if books.is_overdrawn:
        return "more was taken than was there"
    for work, word, version in world.told:
        key = work.caller
        posted = books.version_of(key)
        if word == "paid" and posted != version:
            return f"{tuple(work)} was told that it is version {version}, and it is {posted}"
        if word == "refused" and posted is not None:
            return f"{tuple(work)} was refused, and is posted"
        if word == "undone" and posted is not None:
            by = books.postings[posted - 1].work
            before = world.answer_to(by)
            is_elsewhere = by.time == ELSEWHERE and work in world.found_held
            if by == work or is_elsewhere or (by.time < work.time and before is not None and before.word == "unknown"):
                return f"nothing was done, {tuple(work)} was told, and {tuple(by)} is posted"
    for first, second in world.behind:
        one, other = books.version_of(first.caller), books.version_of(second.caller)
        is_posted = other is not None and books.postings[other - 1].work == second
        if is_posted and other is not None and first.caller not in books.refused and (one is None or one > other):
            return f"{tuple(second)} has overtaken {tuple(first)}"
    return None


def is_over(world: World) -> bool:
    is_idle = all(
        not (process.queue or process.held_up or process.attempt or process.air) for process in world.processes
    )
    are_answered = all(
        times and world.answer_to(Work(caller, times - 1)) is not None for caller, times in enumerate(world.asked)
    )
    return is_idle and are_answered and world.holder is None and not world.posts
