"""The small drill: backed up while it runs, killed, restored to two times; and what was tampered with is found."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from tests.campaigns.installation import Installation, installed, start
from tests.cli.command import Said, assert_one_clear_line, zerosum
from tests.webhooks.conftest import until
from zerosum.adapters.clock import now
from zerosum.cli.installation import DATABASE, SERVICE_ROLE, installation_settings
from zerosum.db.engine import Database, make_engine
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.services.credentials.checkpoint_keys import CheckpointKeys
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.proof_log.keeping import CheckpointKeeper
from zerosum.services.proof_log.places import FolderPlace
from zerosum.services.proof_log.sealing import CheckpointSealing

pytestmark = pytest.mark.xdist_group("backup")
"""One of the test processes makes the drill's installation, not all."""

WRONG, OLDER = 1, 3


@dataclass(frozen=True)
class Drill:
    """Three payments before the copy, three behind it, and three more after `between`, which were then changed."""

    folder: Path
    between: datetime
    key: str

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def restore(self, to: str, *arguments: str) -> Said:
        given = ("--from", str(self.backups), "--secrets", str(self.folder / "secrets"))
        return zerosum("backup", "restore", "--to", str(self.folder / to), *given, *arguments)


@pytest.fixture(scope="module")
async def drill() -> AsyncIterator[Drill]:
    with tempfile.TemporaryDirectory(prefix="zerosum-drill-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # as root the servers run as another account, which must pass through
        for made in ("backups", "kept"):
            (folder / made).mkdir(mode=0o700)
        environment = {"ZEROSUM_BACKUP_DIR": str(folder / "backups")}
        with installed("--workers", "1", environment=environment, is_warm=True, is_new=True) as running:
            yield await _happened(folder, running)


async def _happened(folder: Path, running: Installation) -> Drill:
    data = ("--data-dir", str(running.folder))
    _pay(running, "before")
    made = zerosum("backup", "create", *data, "--to", str(folder / "backups"))
    assert (made.code, "whole and checked" in made.err, "nobody archives" in made.err) == (0, True, False), made
    assert "ok    log archive" in zerosum("status", *data).out
    assert zerosum("backup", "secrets", *data, "--to", str(folder / "secrets")).code == 0
    _pay(running, "behind")
    await _keep_checkpoint(running, folder / "kept", entries=6)
    between = now()
    _pay(running, "lost")
    await _keep_checkpoint(running, folder / "kept", entries=9)
    connection = await running.superuser()
    await connection.execute("set session_replication_role = replica")
    newest = "select id from payments order by id desc limit 3"
    changed = await connection.execute(f"update payments set description = 'a gift' where id in ({newest})")
    assert changed == "UPDATE 3"

    async def is_archived() -> bool:
        return bool(
            await connection.fetchval("select write_lsn >= pg_current_wal_flush_lsn() from pg_stat_replication")
        )

    await until(is_archived, bool)
    await connection.close()
    postgres = running.postgres_pid()
    running.process.kill()
    with suppress(ProcessLookupError):
        os.kill(postgres, signal.SIGKILL)
    running.process.wait()
    return Drill(folder, between, running.credentials["api_key"])


def _pay(running: Installation, what: str) -> None:
    for number in range(3):
        body = {"type": "deposit", "amount": "10", "currency": "USD", "to": "customers:alice"}
        headers = {**running.headers, "Idempotency-Key": f"{what}-{number}"}
        answer = httpx.post(f"{running.base_url}/v1/payments", json=body, headers=headers, trust_env=False)
        assert answer.status_code == 201, answer.text


async def _keep_checkpoint(running: Installation, kept: Path, *, entries: int) -> None:
    """As the worker does it, without waiting for its turn."""
    password = (running.folder / "secrets" / "postgres-app").read_text().strip()
    port = (running.folder / "ports" / "postgres").read_text().strip()
    url = f"postgresql://{SERVICE_ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"
    settings = installation_settings(running.folder, database_url=url)
    database = Database(make_engine(url, pool_size=1))
    keys = CheckpointKeys(database, Sealer(database, MasterKeys(*settings.master_key_pairs()), now))
    sealing, keeper = CheckpointSealing(database, keys, now), CheckpointKeeper(database, FolderPlace(kept), now)
    ledger_id = LedgerId(parse_id(Prefix.LEDGER, running.credentials["ledger"]))

    async def sealed() -> int:
        await sealing.seal(ledger_id)
        await keeper.keep(ledger_id)
        text = (kept / f"{running.credentials['ledger']}.checkpoints").read_text()
        return int(text.rstrip().rpartition("\n\n")[0].rpartition("\n\n")[2].split("\n")[1]) if text else 0

    try:
        # Beside the entries there are the revisions of two accounts, at least.
        await until(sealed, lambda size: size >= entries + 2)
    finally:
        await database.close()


def test_books_are_restored_to_a_time_and_said_to_be_older(drill: Drill) -> None:
    kept = ("--checkpoints", str(drill.folder / "kept"))
    said = drill.restore("restored", "--at", drill.between.isoformat(), *kept)
    assert said.code == OLDER, said
    assert "right (2 accounts, 12 postings)" in said.out
    assert "OLDER than the newest checkpoint that was kept" in said.out
    assert "3 leaves behind size" in said.out
    assert "stand-alone verifier: led_" in said.out
    assert ": right, 6 entries, 2 accounts" in said.out
    again = drill.restore("restored")
    assert_one_clear_line(again, "is there already")
    _serves_on(drill)


def _serves_on(drill: Drill) -> None:
    """With the key of before; what was lost is paid anew under its key, and told behind what anybody was told."""
    restored = start(drill.folder / "restored", "--workers", "1", is_warm=True)
    try:
        assert restored.credentials["api_key"] == drill.key
        _pay(restored, "behind")  # answered from what was restored
        _pay(restored, "lost")
        url = f"{restored.base_url}/v1/accounts/customers:alice"
        answer = httpx.get(url, headers=restored.headers, trust_env=False).json()
        assert answer["balance"]["posted"] == "90.00", answer
    finally:
        restored.stop()


def test_books_that_were_changed_are_not_put_in_place(drill: Drill) -> None:
    said = drill.restore("newest", "--checkpoints", str(drill.folder / "kept"))
    assert said.code == WRONG, said
    assert "WRONG (3 or more breaks)" in said.out
    assert ".checkpoints: has every checkpoint that was kept" in said.out
    assert not (drill.folder / "newest").exists()
    (left,) = drill.folder.glob("newest.restoring-*")
    assert (left / "servers" / "postgres").is_dir()


def test_a_time_that_is_not_in_the_backup_leaves_nothing_behind(drill: Drill) -> None:
    late = drill.restore("late", "--at", "2100-01-01T00:00:00Z")
    assert (late.code, "ends before 2100-01-01" in late.err) == (1, True), late
    early = drill.restore("early", "--at", "2020-01-01T00:00:00Z")
    assert_one_clear_line(early, "is as old as that")
    assert_one_clear_line(drill.restore("vague", "--at", "2026-11-30T14:00:00"), "a time with its zone")
    assert not [path.name for path in drill.folder.iterdir() if path.name.startswith(("late", "early", "vague"))]


def test_a_copy_with_another_byte_in_it_is_not_restored(drill: Drill) -> None:
    listed = zerosum("backup", "list", "--check", "--from", str(drill.backups))
    assert (listed.code, "as it was copied" in listed.out, ": to any time" in listed.out) == (0, True, True), listed
    (file,) = drill.backups.glob("backups/*/database/PG_VERSION")
    content = file.read_bytes()
    file.write_bytes(b"!" + content[1:])
    try:
        assert (
            "PG_VERSION is not as it was copied"
            in zerosum("backup", "list", "--check", "--from", str(drill.backups)).out
        )
        said = drill.restore("spoilt")
        assert (said.code, "PG_VERSION is not as it was copied" in said.err) == (1, True), said
    finally:
        file.write_bytes(content)
    assert not list(drill.folder.glob("spoilt*"))
