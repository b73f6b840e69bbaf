"""All verbs at random, against a plain model: accepted with the same balances, or refused for the same reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.at_length import as_many_as
from tests.conftest import Servers, clone_database
from tests.model.campaign import agreed
from tests.model.running import AT_ONCE, STEPS, Ground, Run, Sequence_, Step, drawn, ground, read
from tests.model.shrinking import shrunk
from tests.model.verbs import OFTEN_REPEATED, VERBS

SEEDS = Path(__file__).with_name("seeds.txt")
"""Sequences that have shown a difference once, a line each. They are run first, for ever."""

SEQUENCES = 500
PARTS = 4
"""The suite's processes share them."""

SEQUENCES_OF_CAMPAIGN = 10_000
"""Behind those of the suite."""


@pytest.fixture(scope="module")
async def model_ground(servers: Servers) -> AsyncIterator[Ground]:
    """On a database of its own: its time is another, and its worker looks at all ledgers."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    database = await clone_database(servers, f"zerosum_model_{worker}")
    async with ground(database, servers) as made:
        yield made


def kept() -> list[Sequence_]:
    lines = SEEDS.read_text(encoding="utf-8").splitlines()
    return [read(line) for line in lines if line and not line.startswith("#")]


async def must_agree(ground: Ground, sequences: Iterable[Sequence_]) -> Counter[tuple[str, str]]:
    """What came of the steps, for all sequences. Fails with the first difference, shrunk."""
    seen: Counter[tuple[str, str]] = Counter()
    waiting = list(sequences)
    while waiting:
        runs = await ground.run(waiting[:AT_ONCE])
        del waiting[:AT_ONCE]
        different = [run for run in runs if run.difference is not None]
        if different:
            await fail(ground, different)
        for run in runs:
            seen.update(run.outcomes)
        print(f"{len(runs)} sequences agree, {len(waiting)} are left", flush=True)
    return seen


async def fail(ground: Ground, different: Sequence[Run]) -> None:
    shortest = await shrunk(ground, different[0])
    line = " ".join(map(str, shortest.sequence))
    if shortest.sequence not in kept():
        with SEEDS.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    pytest.fail(
        f"{len(different)} sequences differ. The first, shrunk, is now in seeds.txt:\n{line}\n{shortest.difference}"
    )


async def test_what_has_differed_once_does_not_again(model_ground: Ground) -> None:
    await must_agree(model_ground, kept())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
async def test_the_service_does_what_the_model_says(model_ground: Ground, part: int) -> None:
    seen = await must_agree(model_ground, map(drawn, range(part, SEQUENCES, PARTS)))
    left_out = {verb for verb in VERBS if not seen[verb, "accepted"]}
    assert not left_out, "each verb is carried out at least once"


WEIGHED = [name for name, (weight, _) in VERBS.items() for _ in range(weight)] + ["again"] * OFTEN_REPEATED
STEP = st.builds(Step, st.sampled_from(["wait", *WEIGHED]), st.integers(0, 999_999))
"""Waiting is the simplest, so that what is shrunk happens at the same time as before."""

MADE_UP_AT_ONCE = 12


@pytest.mark.timeout(600)
@settings(
    max_examples=as_many_as(10, at_length=100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(sequences=st.lists(st.lists(STEP, min_size=STEPS // 2, max_size=STEPS), min_size=1, max_size=MADE_UP_AT_ONCE))
async def test_whatever_hypothesis_makes_up_agrees(model_ground: Ground, sequences: list[list[Step]]) -> None:
    """It looks for what is short by itself; what it finds belongs into `seeds.txt`, a line for each sequence."""
    runs = await model_ground.run([tuple(sequence) for sequence in sequences])
    for run in runs:
        assert run.difference is None, f"{' '.join(map(str, run.sequence))}\n{run.difference}"


@pytest.mark.campaign
@pytest.mark.timeout(7_200)
async def test_the_service_does_what_the_model_says_ten_thousand_times(servers: Servers) -> None:
    """As many as `ZEROSUM_MODEL_SEQUENCES` says, where it says anything. Run again, it goes on where it ended."""
    number = int(os.environ.get("ZEROSUM_MODEL_SEQUENCES", str(SEQUENCES_OF_CAMPAIGN)))
    agree, anew = await agreed(servers, range(SEQUENCES, SEQUENCES + number), fail)
    print(f"{agree} of {number} agree; {anew} spans were run anew on a starved machine")
    if agree < number:
        pytest.skip(f"{agree} of {number} agree so far: run it again, and it goes on")
