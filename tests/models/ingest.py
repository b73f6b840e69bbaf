"""A model of ingest from one partition: what two consumers, the committer and the broker may do next, in every order.

Both consumers believe at times that the partition is theirs; whoever does not act for a while is a zombie. Messages
come again from the position on. docs/MODELS.md says which code each step is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.models.ingest_world import ATTEMPTS_MAX, BATCH_MAX, Consumer, Letter, World

Step = tuple[str, World]
OPEN = ("retrying", "waiting")


@dataclass(frozen=True)
class Ingest:
    """The members are what holds the promises; a plant switches one of them off."""

    answers_by_key: bool = True
    tells_zombies: bool = True
    settles_behind_the_answers: bool = True
    settles_as_far_as_it_came: bool = True
    counts_before_it_tries: bool = True
    tries_suspects_alone: bool = True
    does_not_count_what_waits: bool = True
    keeps_those_behind_waiting: bool = True
    knows_who_waits: bool = True
    retries_the_oldest_of_a_key: bool = True
    stops_at_gaps: bool = True

    def steps(self, world: World) -> Iterator[Step]:
        for place, one in enumerate(world.consumers):
            for step, after in self._acts(world, place, one):
                yield f"consumer {place} {step}", after
            if one.stage not in ("away", "stopped") and world.accidents.killed and not _is_deadly(world, one.batch):
                yield f"consumer {place} is killed", _less(self._ended(world, place), "killed")
        for index, orphans in enumerate(world.orphans):
            rest = (*world.orphans[:index], *world.orphans[index + 1 :])
            yield "what a dead one has asked for is not carried out", world._replace(orphans=rest)
            left = orphans[1:]
            after = self._effect(world, orphans[0])
            kept = rest if not left else (*rest, left)
            yield "what a dead one has asked for is carried out", after._replace(orphans=kept)
        if world.accidents.deleted and world.first < len(world.log):
            gone = _less(world, "deleted")
            is_lost = world.first >= world.position.next_offset
            yield "the broker deletes", gone._replace(first=world.first + 1, deleted=world.deleted + is_lost)

    def _acts(self, world: World, place: int, one: Consumer) -> Iterator[Step]:
        if one.stage == "away":
            yield from self._takes(world, place)
        elif one.stage == "idle":
            yield from self._begins(world, place, one)
            yield from self._begins_retry(world, place, one)
        elif one.stage == "begun":
            yield from self._asks(world, place, one)
        elif one.stage == "asking":
            yield from self._is_answered(world, place, one)
        elif one.stage == "answered":
            yield "settles", self._settles(world, place, one)
        elif one.stage == "waiting":
            yield "tries what waits", _put(world, place, one._replace(stage="begun"))
            yield "gives the partition up", self._gives_up(world, place, one)
        elif one.stage == "retrying":
            yield from self._retries(world, place, one)

    def _takes(self, world: World, place: int) -> Iterator[Step]:
        if any(not one.is_zombie and one.stage not in ("away", "stopped") for one in world.consumers):
            if not world.accidents.taken:
                return
            world = _less(world, "taken")
        begins_at = max(world.position.next_offset, world.first)
        if begins_at > world.position.next_offset and self.stops_at_gaps:
            yield "finds messages missing", _stopped(world, place)
            return
        zombies = tuple(
            one if one.stage in ("away", "stopped") else one._replace(is_zombie=True) for one in world.consumers
        )
        blocked = frozenset(world.log[one.offset].key for one in world.letters if one.status in OPEN)
        blocked = blocked if self.knows_who_waits else frozenset()
        taken = Consumer("idle", next_offset=begins_at, blocked=blocked)
        yield "takes the partition", _put(world._replace(consumers=zombies), place, taken)

    def _is_fenced(self, one: Consumer) -> bool:
        return self.tells_zombies and one.is_zombie

    def _begins(self, world: World, place: int, one: Consumer) -> Iterator[Step]:
        """The next batch: counted before anything of it is tried."""
        if one.next_offset >= len(world.log):
            return
        if self._is_fenced(one):
            yield "is told that it is a zombie", _put(world, place, Consumer())
            return
        position, head = world.position, one.next_offset
        if self.stops_at_gaps and position.next_offset != head:
            yield "finds messages missing", _stopped(world, place)
            return
        size = min(BATCH_MAX, len(world.log) - head)
        if not self.counts_before_it_tries:
            batch = tuple(range(head, head + size))
            yield "begins", _put(world, place, one._replace(stage="begun", batch=batch))
            return
        if position.head is not None:
            tries = position.tries + 1 if position.head == head else 1
            position = position._replace(suspects=max(position.suspects, position.begun), tries=tries)
        else:
            position = position._replace(tries=1)
        is_suspect = position.suspects > 0 and self.tries_suspects_alone
        position = position._replace(head=head, begun=1 if is_suspect else size)
        batch = tuple(range(head, head + (1 if is_suspect else size)))
        world = world._replace(position=position)
        if position.tries > ATTEMPTS_MAX:
            crashed = one._replace(batch=batch[:1])
            yield "puts what ends it aside", self._settled(world, place, crashed, 1, [Letter(head, "dead")])
            return
        yield "begins", _put(world, place, one._replace(stage="begun", batch=batch))

    def _asks(self, world: World, place: int, one: Consumer) -> Iterator[Step]:
        """Those that can be read and wait for nobody, together."""
        if _is_deadly(world, one.batch):
            yield "is ended by a message", self._ended(world, place)
            return
        asked = tuple(
            offset
            for offset in one.batch
            if world.log[offset].kind != "poison"
            and not (world.log[offset].key in one.blocked and self.keeps_those_behind_waiting)
        )
        pairs = {(first, second) for first in asked for second in asked if first < second}
        stage = "asking" if asked else "answered"
        world = world._replace(together=world.together | pairs)
        asking = one._replace(stage=stage, asked=asked, failed=frozenset(), is_away=False)
        yield "asks", _put(world, place, asking)
        if not self.settles_behind_the_answers:
            early = self._settles(_put(world, place, asking), place, asking._replace(asked=()))
            yield "settles before it has asked", early._replace(orphans=(*early.orphans, asked)) if asked else early

    def _is_answered(self, world: World, place: int, one: Consumer) -> Iterator[Step]:
        """Of the first of those that it has asked for."""
        offset, left = one.asked[0], one.asked[1:]
        answered = one._replace(asked=left, stage="asking" if left else "answered")
        yield f"is answered: {offset} is done", _put(self._effect(world, offset), place, answered)
        if world.log[offset].kind == "failing" and world.accidents.fails:
            failed = answered._replace(failed=one.failed | {offset})
            yield f"is answered: {offset} failed", _less(_put(world, place, failed), "fails")
        if world.accidents.away:
            away = one._replace(stage="answered", is_away=True)
            yield f"is answered: the ledger is away for {offset}", _less(_put(world, place, away), "away")

    def _effect(self, world: World, offset: int) -> World:
        if offset in world.effects and self.answers_by_key:
            return world
        return world._replace(effects=(*world.effects, offset))

    def _settles(self, world: World, place: int, one: Consumer) -> World:
        """As far as it came: the first that found the ledger away ends the batch."""
        done = len(one.batch)
        if one.is_away and self.settles_as_far_as_it_came:
            done = one.batch.index(one.asked[0])
        letters = []
        for offset in one.batch[:done]:
            message = world.log[offset]
            if message.kind == "poison":
                letters.append(Letter(offset, "dead", 1))
            elif message.key in one.blocked and self.keeps_those_behind_waiting:
                letters.append(Letter(offset, "waiting"))
            elif offset in one.failed:
                letters.append(Letter(offset, "retrying", 1))
        return self._settled(world, place, one, done, letters)

    def _settled(self, world: World, place: int, one: Consumer, done: int, letters: Sequence[Letter]) -> World:
        if self._is_fenced(one):
            return _put(world, place, Consumer())
        left = one.batch[done:]
        if done:
            position = world.position
            position = position._replace(
                next_offset=max(position.next_offset, one.batch[done - 1] + 1),
                suspects=max(0, position.suspects - done),
                begun=max(0, position.begun - done) if left else 0,
            )
            if not left:
                position = position._replace(head=None, tries=0)
            new = [letter for letter in letters if world.letter(letter.offset) is None]
            world = world._replace(position=position, letters=tuple(sorted((*world.letters, *new))))
        blocked = one.blocked | {world.log[one.offset].key for one in letters if one.status == "retrying"}
        after = one._replace(
            stage="waiting" if left else "idle",
            next_offset=one.next_offset + done,
            blocked=blocked,
            batch=left,
            asked=(),
            failed=frozenset(),
            is_away=False,
        )
        return _put(world, place, after)

    def _gives_up(self, world: World, place: int, one: Consumer) -> World:
        """A batch that only waits for the ledger has not been tried."""
        position = world.position
        if not one.is_zombie and self.does_not_count_what_waits:
            tries = max(0, position.tries - 1)
            position = position._replace(begun=0, tries=tries, head=position.head if tries else None)
        return _put(world._replace(position=position), place, Consumer())

    def _begins_retry(self, world: World, place: int, one: Consumer) -> Iterator[Step]:
        """The oldest of each key that was put aside; the attempt is counted before it is made."""
        seen: set[str] = set()
        for letter in world.letters:
            key = world.log[letter.offset].key
            if letter.status not in OPEN or (key in seen and self.retries_the_oldest_of_a_key):
                continue
            seen.add(key)
            if self._is_fenced(one):
                yield "is told that it is a zombie", _put(world, place, Consumer())
            elif letter.attempts >= ATTEMPTS_MAX:
                yield f"gives {letter.offset} up", self._retried(world, place, one, letter._replace(status="dead"))
            else:
                counted = _lettered(world, letter._replace(attempts=letter.attempts + 1))
                retrying = one._replace(stage="retrying", asked=(letter.offset,))
                yield f"tries {letter.offset} again", _put(counted, place, retrying)

    def _retries(self, world: World, place: int, one: Consumer) -> Iterator[Step]:
        [offset] = one.asked
        letter = world.letter(offset)
        assert letter is not None
        done = self._effect(world, offset)
        yield f"has done {offset}", self._retried(done, place, one, letter._replace(status="replayed"))
        if world.log[offset].kind == "failing" and world.accidents.fails:
            status = "dead" if letter.attempts >= ATTEMPTS_MAX else "retrying"
            failed = self._retried(world, place, one, letter._replace(status=status))
            yield f"has failed at {offset}", _less(failed, "fails")
        if world.accidents.away:
            uncounted = letter._replace(attempts=letter.attempts - 1)
            is_ours = not self._is_fenced(one)
            idle = one._replace(stage="idle", asked=()) if is_ours else Consumer()
            after = _put(_lettered(world, uncounted) if is_ours else world, place, idle)
            yield f"finds the ledger away for {offset}", _less(after, "away")

    def _retried(self, world: World, place: int, one: Consumer, letter: Letter) -> World:
        if self._is_fenced(one):
            return _put(world, place, Consumer())
        world = _lettered(world, letter)
        blocked = frozenset(world.log[other.offset].key for other in world.letters if other.status in OPEN)
        return _put(world, place, one._replace(stage="idle", asked=(), blocked=blocked))

    def _ended(self, world: World, place: int) -> World:
        """What it has asked for may be carried out yet."""
        asked = world.consumers[place].asked
        orphans = tuple(sorted((*world.orphans, asked))) if asked else world.orphans
        return _put(world._replace(orphans=orphans), place, Consumer())


def fault(world: World) -> str | None:
    """What must never be in any world."""
    effects, log = world.effects, world.log
    if len(set(effects)) < len(effects):
        return "a message had its effect twice"
    skipped = [
        offset
        for offset in range(world.position.next_offset)
        if offset not in effects and world.letter(offset) is None and not any(offset in one for one in world.orphans)
    ]
    if skipped:
        return f"{skipped} were skipped"
    for place, later in enumerate(effects):
        for earlier in range(later):
            if earlier not in effects[:place] and _is_waited_for(world, earlier, later):
                return f"{later} has overtaken {earlier}"
    if any(letter.status == "dead" and log[letter.offset].kind == "good" for letter in world.letters):
        return "a good message was put aside for good"
    if world.gaps and not world.deleted:
        return "a consumer has stopped, and nothing is missing"
    return None


def _is_waited_for(world: World, earlier: int, later: int) -> bool:
    """Of one key, and not given up; what is handed over together does not wait for each other."""
    one, other = world.log[earlier], world.log[later]
    letter = world.letter(earlier)
    is_to_come = one.kind in ("good", "failing") and (letter is None or letter.status != "dead")
    return one.key == other.key and is_to_come and (earlier, later) not in world.together


def is_over(world: World) -> bool:
    """All are settled, or somebody has stopped because messages are missing."""
    is_quiet = all(one.stage in ("idle", "away", "stopped") for one in world.consumers) and not world.orphans
    is_settled = world.position.next_offset == len(world.log)
    return is_quiet and (bool(world.gaps) or (is_settled and not any(one.status in OPEN for one in world.letters)))


def _is_deadly(world: World, batch: Sequence[int]) -> bool:
    return any(world.log[offset].kind == "deadly" for offset in batch)


def _stopped(world: World, place: int) -> World:
    return _put(world._replace(gaps=world.gaps + 1), place, Consumer("stopped"))


def _lettered(world: World, letter: Letter) -> World:
    others = [one for one in world.letters if one.offset != letter.offset]
    return world._replace(letters=tuple(sorted((*others, letter))))


def _put(world: World, place: int, one: Consumer) -> World:
    return world._replace(consumers=(*world.consumers[:place], one, *world.consumers[place + 1 :]))


def _less(world: World, accident: str) -> World:
    left = world.accidents
    return world._replace(accidents=left._replace(**{accident: getattr(left, accident) - 1}))
