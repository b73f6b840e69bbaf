"""`zerosum ingest` as whole processes, two at once, killed and stopped in the middle: each effect once, in order.

With a hundred kills, and brokers that are broken too: `tests/campaigns/test_ingest_storms.py`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.at_length import as_many_as
from tests.campaigns.installation import Installation, installed
from tests.cli.command import zerosum
from tests.ingest.brokers import Broker
from tests.ingest.ground import ONE_BROKER, as_lines, deposit
from tests.ingest.storm import Storm, weathered

pytestmark = pytest.mark.xdist_group("ingest")


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with installed("--no-demo", is_warm=True) as running:
        yield running


@ONE_BROKER
async def test_two_consumers_killed_and_stopped_in_the_middle_lose_nothing_and_do_nothing_twice(
    installation: Installation, broker: Broker
) -> None:
    acts = {"kill": as_many_as(2, at_length=3), "stop": 1, "join": 1}
    await weathered(installation, broker, 500, acts, sent_at_once=as_many_as(8, at_length=20))


async def test_stdin_through_the_command_twice(installation: Installation, tmp_path: Path) -> None:
    storm = Storm(installation, None, seed=1)  # type: ignore[arg-type]
    await storm.open()
    path = tmp_path / "lines.jsonl"
    path.write_bytes(as_lines([deposit(code) for code in storm.accounts] + [b"nonsense"]))
    words = [sys.executable, "-m", "zerosum", "ingest", "--from", "-", "--name", "lines", "--replies", "-", "--json"]
    words += ["--sender", "lines=key_of_ann"]
    for replayed in (0, len(storm.accounts)):
        with path.open("rb") as stream:
            done = subprocess.run(
                [*words, "--data-dir", str(installation.folder)],
                stdin=stream, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"{replayed} of them were there before" in done.stderr
        assert len(done.stdout.splitlines()) == len(storm.accounts) + 2
    assert await storm.counts() == dict.fromkeys(storm.accounts, 1)
    made_by = await storm._rows(
        "select distinct entry.actor from journal_entries entry join payments payment on payment.id = entry.id "
        "join accounts account on account.id = payment.payee_id where account.code = any($1)"
    )
    assert [row["actor"] for row in made_by] == ["zerosum ingest lines for key_of_ann"]
    await storm.close()
    said = zerosum("dead-letters", "list", "--status", "dead", "--data-dir", str(installation.folder))
    assert '"malformed_json"' in said.out
