"""Several processes count into one folder: totals outlive them, levels do not, and labels have few values."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import string
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_plain

from zerosum.metrics.declared import committer, gateway, ledger, payments
from zerosum.metrics.folder import ENDED, FORGOTTEN_SECONDS, LIVES_SECONDS, MetricsFolder, join_metrics
from zerosum.metrics.labels import OPEN_LABELS, SERIES_MAX
from zerosum.metrics.metrics import Metrics
from zerosum.metrics.snapshot import Snapshot
from zerosum.services.tallies import KEYS_MAX, Counts, Hottest, Spread

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


def told(metrics: Metrics) -> dict[str, float]:
    """Every sample of a page made anew, by its name and labels as they are written."""
    metrics._exposed.clear()
    text = metrics.expose()[0].decode()
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in read_plain(text)
        for sample in family.samples
    }


A_NEIGHBOUR = """
import sys
from pathlib import Path
from zerosum.metrics.declared import committer, gateway, ledger
from zerosum.metrics.folder import MetricsFolder
from zerosum.metrics.metrics import Metrics
from zerosum.services.tallies import Spread

spread = Spread(committer.BATCH_COMMANDS.buckets)
for size in (1, 3, 2000):
    spread.observe(size)
Metrics("worker", MetricsFolder(Path(sys.argv[1]))).tell({
    committer.BATCHES: 5,
    committer.BATCH_COMMANDS: spread,
    committer.QUEUED: 7,
    gateway.LOOP_LAG: {("api",): 0.5},
    ledger.TRIAL_BALANCE: {("EUR",): 1.0, ("USD",): 0.0},
})
print("told", flush=True)
sys.stdin.read()
"""


def test_processes_are_summed_and_one_that_is_killed_leaves_its_totals(tmp_path: Path) -> None:
    folder = MetricsFolder(tmp_path)
    own = Metrics("api", folder)
    sizes = Spread(committer.BATCH_COMMANDS.buckets)
    sizes.observe(1)
    own.tell(
        {
            committer.BATCHES: 2,
            committer.BATCH_COMMANDS: sizes,
            committer.QUEUED: 1,
            gateway.LOOP_LAG: {("api",): 0.25},
            ledger.TRIAL_BALANCE: {("USD",): 2.0},
        }
    )
    command = [sys.executable, "-c", A_NEIGHBOUR, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as neighbour:
        assert neighbour.stdout is not None
        assert neighbour.stdout.readline() == b"told\n"
        found = told(own)
        assert found["zerosum_batches_total"] == 7
        assert found["zerosum_batch_commands_bucket[('le', '1.0')]"] == 2
        assert found["zerosum_batch_commands_bucket[('le', '5.0')]"] == 3
        assert found["zerosum_batch_commands_count"] == found["zerosum_batch_commands_bucket[('le', '+Inf')]"] == 4
        assert found["zerosum_batch_commands_sum"] == 2005
        assert found["zerosum_queued_commands"] == 8
        assert found["zerosum_event_loop_lag_seconds[('process', 'api')]"] == 0.5
        # The neighbour has told it last, and all of it: what had been told before is not so any more.
        assert found["zerosum_trial_balance_difference[('currency', 'USD')]"] == 0
        assert found["zerosum_trial_balance_difference[('currency', 'EUR')]"] == 1
        assert found["zerosum_processes[('process', 'worker')]"] == 1
        neighbour.kill()
    folder.forget(neighbour.pid)
    found = told(own)
    assert found["zerosum_batches_total"] == 7
    assert found["zerosum_batch_commands_sum"] == 2005
    assert found["zerosum_queued_commands"] == 1
    assert found["zerosum_event_loop_lag_seconds[('process', 'api')]"] == 0.25
    assert found["zerosum_trial_balance_difference[('currency', 'USD')]"] == 2
    assert "zerosum_processes[('process', 'worker')]" not in found
    assert [path.name for path in tmp_path.glob("process-*")] == [own._name]


def test_a_process_of_the_same_number_in_another_container_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = MetricsFolder(tmp_path)
    own = Metrics("worker", folder)
    own.tell({committer.QUEUED: 3})
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    folder.forget(os.getpid())
    assert (tmp_path / own._name).exists()
    monkeypatch.undo()
    folder.forget(os.getpid())
    assert not (tmp_path / own._name).exists()


def test_totals_of_the_dead_count_once_whoever_dies_in_between(tmp_path: Path) -> None:
    """The file of a dead process may still lie there when it is in that of all ended ones already."""
    folder = MetricsFolder(tmp_path)
    own = Metrics("api", folder)
    for _ in range(3):
        dead = Metrics("api", folder)
        dead.tell({committer.BATCHES: 10})
        left = (tmp_path / dead._name).read_bytes()
        (tmp_path / own._name).unlink(missing_ok=True)
        folder.forget(os.getpid())
        (tmp_path / dead._name).write_bytes(left)
        assert told(own)["zerosum_batches_total"] % 10 == 0
    assert told(own)["zerosum_batches_total"] == 30


class Together(MetricsFolder):
    """Whoever has read what is kept waits for the other one to have read it, too."""

    both = threading.Barrier(2)

    def _read(self, name: str) -> Snapshot | None:
        found = super()._read(name)
        if name == ENDED:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.both.wait(0.2)
        return found


def test_two_that_put_the_dead_together_at_once_lose_none(tmp_path: Path) -> None:
    """The supervisor does it, and every process that joins."""
    own = Metrics("api", MetricsFolder(tmp_path))
    for pid in (1, 2):
        dead = Metrics("worker", MetricsFolder(tmp_path))
        dead.tell({committer.BATCHES: 10 * pid})
        (tmp_path / dead._name).rename(tmp_path / re.sub(r"-\d+-", f"-{pid}-", dead._name))
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(Together(tmp_path).forget, (1, 2)))
    assert told(own)["zerosum_batches_total"] == 30
    assert list(tmp_path.glob("process-[12]-*")) == []


def test_who_tells_nothing_any_more_has_no_levels(tmp_path: Path) -> None:
    folder = MetricsFolder(tmp_path)
    own, silent = Metrics("api", folder), Metrics("worker", folder)
    silent.tell({committer.QUEUED: 3, committer.BATCHES: 4})
    silent._own.told_at = time.time() - LIVES_SECONDS - 1
    silent._leave()
    (tmp_path / "process-1-0123456789ab.json").write_bytes(b"{half")
    found = told(own)
    assert "zerosum_queued_commands" not in found
    assert found["zerosum_batches_total"] == 4


def test_who_comes_later_puts_together_who_ended_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = MetricsFolder(tmp_path)
    own, silent, living = (Metrics("worker", folder) for _ in range(3))
    silent.tell({committer.BATCHES: 4})
    living.tell({committer.BATCHES: 3})
    long_ago = time.time() - FORGOTTEN_SECONDS - 1
    os.utime(tmp_path / silent._name, (long_ago, long_ago))
    monkeypatch.setattr("zerosum.metrics.folder._shared", None)
    assert join_metrics(tmp_path)
    assert [path.name for path in tmp_path.glob("process-*")] == [living._name]
    assert told(own)["zerosum_batches_total"] == 7


def test_what_a_later_version_tells_is_left_out() -> None:
    given = Snapshot(told_at=1.0).as_json()
    given["totals"]["zerosum_of_tomorrow_total"] = [[[], 1.0]]
    given["levels"]["zerosum_of_tomorrow"] = [1.0, [[[], 1.0]]]
    assert Snapshot.from_json(given) == Snapshot(told_at=1.0)


def test_hostile_labels_stay_few_and_whole() -> None:
    metrics = Metrics("api")
    dice = random.Random(7)
    words = ["".join(dice.choices(string.printable + "ä\ud800\0", k=dice.randint(0, 300))) for _ in range(3_000)]
    amounts, answers = Counts(), Counts()
    for word in words:
        amounts.add((word,), 1.0)
        answers.add(("deposit", word, "posted"))
        metrics.observe_request(word, word, 200, 0.001, code=word)
    assert len(amounts.read()) <= KEYS_MAX + 1
    metrics.tell(
        {
            payments.PAYMENT_AMOUNT: amounts,
            payments.PAYMENTS: answers,
            committer.HOT_LOCK_WAIT: {(word,): 1.0 for word in words},
            ledger.TRIAL_BALANCE: {(word,): 1.0 for word in words},
        }
    )
    found = {family.name: family for family in read_plain(metrics.expose()[0].decode())}
    assert len(found["zerosum_payment_amount"].samples) <= OPEN_LABELS["currency"] + 1
    assert sum(sample.value for sample in found["zerosum_payment_amount"].samples) == len(words)
    assert sum(sample.value for sample in found["zerosum_trial_balance_difference"].samples) == len(set(words))
    assert len(found["zerosum_trial_balance_difference"].samples) <= OPEN_LABELS["currency"] + 1
    assert len(found["zerosum_hot_account_lock_wait_seconds"].samples) <= OPEN_LABELS["account"]
    for family in found.values():
        assert len(family.samples) <= SERIES_MAX * (len(gateway.SECONDS) + 3)
    assert {sample.labels["method"] for sample in found["zerosum_http_requests"].samples} <= {"other"}


def test_times_of_reads_and_writes_of_a_route_are_told_apart(tmp_path: Path) -> None:
    """A slow payment does not hide among quick lists of payments. Methods that nobody knows are one."""
    metrics = Metrics("api", MetricsFolder(tmp_path))
    for _ in range(9):
        metrics.observe_request("/v1/payments", "GET", 200, 0.002)
    metrics.observe_request("/v1/payments", "POST", 201, 0.4)
    metrics.observe_request("/v1/payments", "POST", 422, 0.001)
    for method in ("BREW", "PROPFIND"):
        metrics.observe_request("/v1/payments", method, 405, 0.001)
    metrics.tell({})
    found = {family.name: family for family in read_plain(metrics.expose()[0].decode())}
    samples = found["zerosum_http_request_seconds"].samples
    numbers = {one.labels["method"]: one.value for one in samples if one.name.endswith("_count")}
    quick = {
        one.labels["method"]: one.value
        for one in samples
        if one.name.endswith("_bucket") and float(one.labels["le"]) == 0.25
    }
    assert numbers == {"GET": 9, "POST": 2, "other": 2}
    assert quick == {"GET": 9, "POST": 1, "other": 2}


def test_an_exemplar_names_the_trace_only_where_open_metrics_is_asked_for(tmp_path: Path) -> None:
    folder = MetricsFolder(tmp_path)
    own, neighbour = Metrics("api", folder), Metrics("api", folder)
    neighbour.observe_request("/v1/payments", "POST", 201, 0.004, trace_id="0af7651916cd43dd8448eb211c80319c")
    neighbour.observe_request("/v1/payments", "GET", 200, 0.004)
    neighbour.tell({})
    text, media_type = own.expose(OPEN_METRICS)
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    found = {family.name: family for family in read_open(text.decode())}  # type: ignore[no-untyped-call]
    exemplars = [sample.exemplar for sample in found["zerosum_http_request_seconds"].samples if sample.exemplar]
    assert [(one.labels, one.value) for one in exemplars] == [({"trace_id": "0af7651916cd43dd8448eb211c80319c"}, 0.004)]
    plain, media_type = own.expose("text/plain")
    assert media_type.startswith("text/plain; version=0.0.4")
    assert b"trace_id" not in plain


def test_who_is_hot_is_found_among_many() -> None:
    hottest = Hottest(kept_max=50)
    hot = UUID(int=0)
    for number in range(1, 5_000):
        hottest.add(UUID(int=number), 0.01)
        hottest.add(hot, 0.01)
    assert next(hottest.top(1))[0] == hot
    for _ in range(20):
        hottest.cool(0.005)
    assert not list(hottest.top(1)) or next(hottest.top(1))[0] == hot
