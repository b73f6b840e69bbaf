"""Keys that were told unknown, and that nobody asks for again, are looked up in the background."""

from __future__ import annotations

from tests.committer.ground import Ground, connecting, running_committer
from tests.conftest import TestDatabase
from zerosum.domain.errors import OutcomeUnknown, Unavailable
from zerosum.domain.ledger.outcome import Replayed
from zerosum.services.committing.unknown_lookup import REST_SECONDS_MAX, UnknownKeyLookup

BEHIND = 1.0
LOOKS, A_DAY = 5, 86_400.0


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_what_is_found_used_is_unknown_to_refusals_alone(ground: Ground, test_database: TestDatabase) -> None:
    source, target = await ground.open(2, floor=None)
    command, other = ground.transfer(source, target, "1.00"), ground.transfer(source, target, "1.00")
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        unknown = committer.unknown_keys
        lookup = UnknownKeyLookup(ground.database, unknown, Clock())
        await committer.carry_out(command)
        unknown.add([(ground.ledger_id, command.idempotency_key)])  # as if its COMMIT had been lost
        assert unknown.may_be_unused
        await lookup.look_up()
        assert (unknown.may_be_unused, len(lookup)) == (False, 0), "no payment is looked at any more"
        await committer.carry_out(other)
        refusal = Unavailable("The queue is full; nothing was done.")
        for key, told in ((command.idempotency_key, OutcomeUnknown), (other.idempotency_key, Unavailable)):
            assert type(committer.refusal_of(refusal, [(ground.ledger_id, key)])) is told
        assert isinstance(await committer.carry_out(command), Replayed)
        assert len(unknown) == 0, "he was told"


async def test_what_is_not_there_may_come_yet_and_is_looked_for_again(
    ground: Ground, test_database: TestDatabase
) -> None:
    """A COMMIT that waits for its standby is seen by nobody, and may wait for a day."""
    source, target = await ground.open(2, floor=None)
    command, clock = ground.transfer(source, target, "1.00"), Clock()
    key = (ground.ledger_id, command.idempotency_key)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        unknown = committer.unknown_keys
        lookup = UnknownKeyLookup(ground.database, unknown, clock)
        unknown.add([key])
        for _ in range(LOOKS):
            await lookup.look_up()
            assert (unknown.has_any([key]), len(lookup)) == (True, 1)
            clock.seconds += A_DAY
        await committer.carry_out(command)
        unknown.add([key])
        clock.seconds += REST_SECONDS_MAX
        await lookup.look_up()
        assert (unknown.may_be_unused, unknown.has_any([key]), len(lookup)) == (False, True, 0)


async def test_who_is_told_is_looked_for_no_more(ground: Ground, test_database: TestDatabase) -> None:
    source, target = await ground.open(2, floor=None)
    command = ground.transfer(source, target, "1.00")
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        clock = Clock()
        lookup = UnknownKeyLookup(ground.database, committer.unknown_keys, clock)
        committer.unknown_keys.add([(ground.ledger_id, command.idempotency_key)])
        await lookup.look_up()
        assert len(lookup) == 1
        await committer.carry_out(command)
        clock.seconds += BEHIND
        await lookup.look_up()
        assert (len(lookup), len(committer.unknown_keys)) == (0, 0)
