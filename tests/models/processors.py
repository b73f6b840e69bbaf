"""A model of payments through outside processors with fail-over: what workers, processors and callbacks may do next.

docs/MODELS.md says which code each step is. What it stands on: a processor that has declined never carries it out, one
that knows nothing of a key has not carried it out yet, and what was sent arrives within the time of a claim or never.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.models.processor_world import ATTEMPTS_MAX, CLAIM, SETTLED, TIMEOUT, Call, Request, Worker, World

Step = tuple[str, World]


@dataclass(frozen=True)
class Processors:
    """The members are what holds the promises; a plant switches one of them off."""

    ahead: int = 0
    """So much the clock of the second worker is before that of the first."""
    repeats_safely: bool = True

    looks_up_first: bool = True
    waits_until_nothing_is_on_its_way: bool = True
    reckons_from_the_look: bool = True
    reckons_with_who_has_died: bool = True
    sends_nothing_late: bool = True
    moves_by_its_attempt: bool = True
    moves_unsent_at_the_first_attempt_only: bool = True
    keeps_to_who_has_had_it: bool = True
    settles_where_it_asked: bool = True
    asks_for_the_word_behind_the_look: bool = True
    hears_who_was_left: bool = True
    settles_once: bool = True

    def steps(self, world: World) -> Iterator[Step]:
        for step, after in self._all(world):
            went_back = _went_back(world.call, after.call)
            # Which of two workers with one clock is at what is the same.
            workers = after.workers if self.ahead else tuple(sorted(after.workers))
            yield step, after._replace(workers=workers, went_back=went_back)

    def _all(self, world: World) -> Iterator[Step]:
        if all(request.left for request in world.requests):
            if all(worker.stage == "idle" for worker in world.workers):
                yield "time passes", _later(world)
            elif world.accidents.stands_still:
                yield "time passes over all that stand still", _less(_later(world), "stands_still")
        for place, worker in enumerate(world.workers):
            for step, after in self._worked(world, place, worker):
                yield f"worker {place} {step}", after
            if worker.stage != "idle" and world.accidents.died:
                yield f"worker {place} dies", _less(_worker(world, place, Worker()), "died")
        yield from self._moved_unsent(world)
        yield from self._at_processors(world)
        yield from self._called_back(world)
        if world.accidents.by_hand and world.call.state not in SETTLED:
            for told in ("approved", "refused"):
                done = self._settled(_less(world, "by_hand"), world.call.number, told)
                yield f"a person settles it: {told}", done._replace(was_by_hand=True)

    def _ahead(self, place: int) -> int:
        return self.ahead if place else 0

    def _worked(self, world: World, place: int, worker: Worker) -> Iterator[Step]:
        if worker.stage == "idle":
            yield from self._claimed(world, place)
        elif worker.stage == "looks":
            yield from self._looked_up(world, place, worker)
        elif worker.stage == "decides":
            yield from self._decided(world, place, worker)
        elif worker.stage == "sends":
            yield from self._sent(world, place, worker)
        elif worker.stage == "waits":
            yield from self._waited(world, place, worker)
        else:
            yield from self._told(world, place, worker)

    def _claimed(self, world: World, place: int) -> Iterator[Step]:
        call, ahead = world.call, self._ahead(place)
        if call.state in SETTLED or call.due_in is None or call.due_in > ahead:
            return
        sent_ago = -ahead if call.sent_ago is None else call.sent_ago
        if call.state == "sent" and self.reckons_with_who_has_died:
            sent_ago = min(sent_ago, -call.due_in)
        lasts = CLAIM + ahead
        call = call._replace(state="sent", attempts=call.attempts + 1, due_in=lasts, sent_ago=sent_ago)
        looks = call.attempts > 1 and self.looks_up_first
        stage = "looks" if looks else "decides"
        worker = Worker(stage, call.number, call.attempts, lasts, sent_ago, world.word)
        yield "claims", _worker(world._replace(call=call), place, worker)

    def _looked_up(self, world: World, place: int, worker: Worker) -> Iterator[Step]:
        """The first time nothing is looked up: nothing can be there."""
        found = world.processors[worker.number] or "absent"
        stage = "decides" if found == "absent" else "told"
        over = self._nothing_is_on_its_way(worker, place)
        looked = worker._replace(stage=stage, told=found, nothing_was_on_its_way=over)
        yield f"looks it up: {found}", _worker(world, place, looked)
        if world.accidents.missing:
            missing = worker._replace(stage="told", told="missing")
            yield "looks it up: no reply", _less(_worker(world, place, missing), "missing")
        if world.accidents.forgets and found == "pending" and world.call.had:
            forgotten = looked._replace(stage="decides", told="absent")
            yield "looks it up: forgotten", _less(_worker(world, place, forgotten), "forgets")

    def _decided(self, world: World, place: int, worker: Worker) -> Iterator[Step]:
        """Nothing of it is there: whether it is sent, to whom, or not at all."""
        word = world.word if self.asks_for_the_word_behind_the_look else worker.has_objection
        objects = word and worker.number > 0
        if worker.attempts > 1 and self.looks_up_first:
            if not self.repeats_safely:
                yield "must not ask twice", _heard(world, place, worker, "missing")
                return
            if worker.number == 0 and world.call.had and self.keeps_to_who_has_had_it:
                yield "has heard of it before", _heard(world, place, worker, "missing")
                return
            if worker.number == 0:
                yield "would have the next one asked", _heard(world, place, worker, "over")
                if not world.accidents.troubled:
                    return
                world = _less(world, "troubled")
        if objects:
            yield "has an objection", _heard(world, place, worker, "parks")
        else:
            about = world._replace(sent_all_the_same=world.heard_late and worker.number > 0)
            yield "is about to send", _worker(about, place, worker._replace(stage="sends"))

    def _sent(self, world: World, place: int, worker: Worker) -> Iterator[Step]:
        if worker.lapses_in - self._ahead(place) <= TIMEOUT and self.sends_nothing_late:
            yield "is too late to send", _heard(world, place, worker, "late")
            return
        requests = tuple(sorted((*world.requests, Request(worker.number, CLAIM - self.ahead - 1))))
        waits = worker._replace(stage="waits", was_sent=True)
        yield "sends it", _worker(world._replace(requests=requests), place, waits)
        if world.accidents.unsent:
            yield "gets no connection", _less(_heard(world, place, worker, "unsent"), "unsent")

    def _waited(self, world: World, place: int, worker: Worker) -> Iterator[Step]:
        found = world.processors[worker.number]
        if found:
            yield f"is answered: {found}", _heard(world, place, worker, found)
        if world.accidents.missing:
            yield "is not answered", _less(_heard(world, place, worker, "missing"), "missing")
        elif not found and not any(one.number == worker.number for one in world.requests):
            yield "is not answered, for it was lost", _heard(world, place, worker, "missing")

    def _told(self, world: World, place: int, worker: Worker) -> Iterator[Step]:
        """What came of it is written down: settled, moved, or left to be asked again."""
        call, told = world.call, worker.told
        freed = _worker(world, place, Worker())
        may_move = told in ("cannot", "over") or (told == "unsent" and self._is_first(worker))
        is_over = worker.nothing_was_on_its_way
        if not self.reckons_from_the_look:
            is_over = self._nothing_is_on_its_way(worker, place)
        if told == "over" and not is_over and self.waits_until_nothing_is_on_its_way:
            may_move = False
        if worker.number == 0 and may_move:
            stands = (call.state, call.number, call.attempts) == ("sent", 0, worker.attempts)
            if stands or (not self.moves_by_its_attempt and call.state not in SETTLED and not call.number):
                yield f"moves it: {told}", freed._replace(call=Call(number=1))
                if not world.accidents.troubled or told == "cannot":
                    return
                freed = _less(freed, "troubled")
        if told in ("approved", "cannot", "refused"):
            yield f"settles it: {told}", self._settled(freed, worker.number, told)
            return
        yield f"leaves it: {told}", freed._replace(call=self._left(call, place, worker))

    def _nothing_is_on_its_way(self, worker: Worker, place: int) -> bool:
        return worker.sent_ago + self._ahead(place) >= CLAIM

    def _is_first(self, worker: Worker) -> bool:
        return worker.attempts == 1 or not self.moves_unsent_at_the_first_attempt_only

    def _settled(self, world: World, number: int, told: str) -> World:
        """By whoever is told first. What is said of one that was left settles nothing, and is kept."""
        call = world.call
        if number < call.number and self.settles_where_it_asked:
            return self._heard_late(world) if told == "approved" else world
        if call.state in SETTLED and self.settles_once:
            return world
        state = "approved" if told == "approved" else "declined"
        return world._replace(call=Call(state, call.number, due_in=None))

    def _heard_late(self, world: World) -> World:
        call, world = world.call, world._replace(heard_late=True)
        if not self.hears_who_was_left:
            return world
        if call.state in ("proposed", "unknown"):
            call = Call("parked", call.number, due_in=None)
        return world._replace(call=call, word=True)

    def _left(self, call: Call, place: int, worker: Worker) -> Call:
        if (call.state, call.number, call.attempts) != ("sent", worker.number, worker.attempts):
            return call
        had = call.had or worker.told == "pending"
        if worker.was_sent:
            call = call._replace(sent_ago=-self._ahead(place))
        if worker.told == "parks" or call.attempts >= ATTEMPTS_MAX:
            return Call("parked", call.number, due_in=None)
        due_in = 1 + self._ahead(place)
        if worker.told == "over":
            due_in = max(due_in, CLAIM - worker.sent_ago)
        return call._replace(state="unknown", due_in=due_in, had=had)

    def _moved_unsent(self, world: World) -> Iterator[Step]:
        """Nobody has asked the first one yet, and it is left alone by its breaker."""
        call = world.call
        if (call.state, call.number, call.attempts) == ("proposed", 0, 0) and world.accidents.unsent:
            yield "it is moved unsent", _less(world._replace(call=Call(number=1)), "unsent")

    def _at_processors(self, world: World) -> Iterator[Step]:
        for place, request in enumerate(world.requests):
            rest = world._replace(requests=(*world.requests[:place], *world.requests[place + 1 :]))
            number = request.number
            yield f"a request to {number} is lost", rest
            if world.processors[number]:
                again = world.processors[number] == "approved" and not self.repeats_safely
                yield f"{number} has it already", rest._replace(paid_again=rest.paid_again or again)
                continue
            for found in ("approved", "pending", "refused") if number else ("approved", "pending", "cannot"):
                yield f"{number} takes it: {found}", _found(rest, number, found)
        for place, request in enumerate(world.requests):
            if not request.left and world.accidents.very_late:
                late = request._replace(left=CLAIM)
                requests = (*world.requests[:place], late, *world.requests[place + 1 :])
                later = _less(world._replace(requests=requests, was_very_late=True), "very_late")
                yield f"a request to {request.number} stays on its way", later
        for number, found in enumerate(world.processors):
            if found == "pending":
                for end in ("approved", "refused"):
                    yield f"{number} decides: {end}", _found(world, number, end)

    def _called_back(self, world: World) -> Iterator[Step]:
        if not world.accidents.called_back:
            return
        call, fewer = world.call, _less(world, "called_back")
        for number, found in enumerate(world.processors):
            if not found or number > call.number:
                continue
            step = f"{number} calls back: {found}"
            if found == "pending":
                had = call.had or number == call.number
                yield step, fewer._replace(call=call._replace(had=had))
            elif found == "cannot" and call.number == 0 and call.state not in SETTLED:
                is_free = call.state in ("proposed", "unknown")
                yield step, fewer._replace(call=call._replace(due_in=0) if is_free else call)
            else:
                yield step, self._settled(fewer, number, found)


def fault(world: World) -> str | None:
    """What must never be in any world."""
    if world.went_back:
        return "the call went back"
    if world.paid_again or (world.times_paid > 1 and not world.was_very_late):
        return "it was paid twice"
    if world.sent_all_the_same:
        return "it was sent although it was known to be paid"
    state = world.call.state
    if world.was_by_hand:
        return None
    if state == "approved" and world.processors[world.call.number] != "approved":
        return "it is approved, and its processor has not done it"
    if state == "declined" and world.times_paid and not world.was_very_late:
        return "it is declined, and was paid"
    return None


def is_over(world: World) -> bool:
    """Settled, or a person looks at it; and where it was paid twice after all, that is told."""
    is_quiet = all(worker.stage == "idle" for worker in world.workers) and not world.requests
    return is_quiet and world.call.state in (*SETTLED, "parked")


def _went_back(before: Call, after: Call) -> bool:
    if after.number < before.number:
        return True
    return before.state in SETTLED and (after.state, after.number) != (before.state, before.number)


def _later(world: World) -> World:
    call = world.call
    due_in = None if call.due_in is None else max(-CLAIM, call.due_in - 1)
    call = call._replace(due_in=due_in, sent_ago=_longer_ago(call.sent_ago))
    workers = tuple(
        worker._replace(lapses_in=max(0, worker.lapses_in - 1), sent_ago=min(CLAIM, worker.sent_ago + 1))
        for worker in world.workers
    )
    requests = tuple(request._replace(left=request.left - 1) for request in world.requests)
    return world._replace(call=call, workers=workers, requests=requests)


def _longer_ago(ago: int | None) -> int | None:
    return None if ago is None else min(CLAIM, ago + 1)


def _heard(world: World, place: int, worker: Worker, told: str) -> World:
    """What is not looked at any more is forgotten, so that there are fewer worlds."""
    sent_ago = worker.sent_ago if told == "over" else CLAIM
    heard = worker._replace(stage="told", told=told, lapses_in=0, sent_ago=sent_ago, has_objection=False)
    return _worker(world, place, heard)


def _found(world: World, number: int, found: str) -> World:
    processors = (found, world.processors[1]) if number == 0 else (world.processors[0], found)
    return world._replace(processors=processors)


def _worker(world: World, place: int, worker: Worker) -> World:
    return world._replace(workers=(*world.workers[:place], worker, *world.workers[place + 1 :]))


def _less(world: World, accident: str) -> World:
    left = world.accidents
    return world._replace(accidents=left._replace(**{accident: getattr(left, accident) - 1}))
