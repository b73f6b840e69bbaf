"""Whether restored books are right, and how old they are: against themselves, and against what was kept elsewhere."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from zerosum.adapters.clock import now
from zerosum.adapters.whole_files import whole_file
from zerosum.cli.talk import FAILED, CommandFailed
from zerosum.cli.verify import report_line
from zerosum.cli.verify_jobs import WITHOUT_TIMEOUT
from zerosum.config import Settings
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import OutcomeUnknown, Unavailable
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.services.ledgers import every_ledger
from zerosum.services.proof_log.export import ledger_export
from zerosum.services.proofs.audit_seals import prove_service_log
from zerosum.services.proofs.kept_age import KeptAge, age_of
from zerosum.services.proofs.kept_checkpoints import CheckpointsUnreadable
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.verifier import standalone

KEPT_ENDING = ".checkpoints"


@dataclass(slots=True)
class Proof:
    """What was found, a line each."""

    reached_at: datetime
    lines: list[str] = field(default_factory=list)
    is_right: bool = True
    is_older: bool = False

    def wrong(self, line: str) -> None:
        self.is_right = False
        self.lines.append(line)


def prove_books(
    settings: Settings, kept: Path | None, reached_at: datetime, scratch: Path, done: Callable[[str], None]
) -> Proof:
    """`scratch` is a private folder for exports. `done` is told each step. Raises CommandFailed."""
    proof = Proof(reached_at)
    files = [] if kept is None else sorted(kept.glob(f"*{KEPT_ENDING}"))
    try:
        contents = {path: path.read_text("utf-8", "replace") for path in files}
        asyncio.run(_prove(settings, contents, scratch, done, proof))
    except (Unavailable, OutcomeUnknown) as error:
        raise CommandFailed(error.detail, FAILED) from None
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}", FAILED) from None
    return proof


async def _prove(
    settings: Settings, kept: dict[Path, str], scratch: Path, done: Callable[[str], None], proof: Proof
) -> None:
    database = Database(make_engine(settings.required_database_url(), pool_size=1, statement_timeout=WITHOUT_TIMEOUT))
    try:
        reports = [await verify_ledger(database, ledger.id, _unseen) async for ledger in every_ledger(database)]
        for report in [*reports, await prove_service_log(database)]:
            if report.is_right:
                proof.lines += report_line(report).splitlines()
            else:
                proof.wrong(report_line(report).rstrip())
        done("verify")
        for path, content in kept.items():
            await _against_kept(database, path, content, scratch, proof)
        if kept:
            done("stand-alone verifier")
        else:
            proof.lines.append("no checkpoint that was kept elsewhere was given: a cut-off end would not show")
    finally:
        await database.close()


async def _against_kept(database: Database, path: Path, content: str, scratch: Path, proof: Proof) -> None:
    try:
        age = await age_of(database, content, proof.reached_at)
    except CheckpointsUnreadable as error:
        proof.wrong(f"{path.name}: WRONG: {error}")
        return
    for difference in age.report.breaks:
        proof.wrong(f"{path.name}: WRONG: {difference.what}")
    if age.later:
        proof.is_older = True
        newest, sealed_at = age.later[-1]
        proof.lines.append(
            f"{path.name}: OLDER than the newest checkpoint that was kept, of size {newest}, "
            f"sealed {sealed_at.isoformat()}: "
            f"{len(age.later)} checkpoints and {age.missing_leaves} leaves behind size {age.size} are missing"
        )
    elif age.report.is_right:
        proof.lines.append(f"{path.name}: has every checkpoint that was kept, up to size {age.size}")
    if age.held and age.report.ledger_id != SERVICE_LEDGER:
        await _by_the_verifier(database, path, age, scratch, proof)


async def _by_the_verifier(database: Database, path: Path, age: KeptAge, scratch: Path, proof: Proof) -> None:
    """As somebody else would run it: on an export, with the keys and the checkpoints that were kept."""
    keys = path.with_suffix(".keys")
    if not keys.exists():
        proof.wrong(f"{path.name}: WRONG: there are no keys beside it ({keys.name}) to check it with")
        return
    export, held = scratch / "export.jsonl", scratch / "held.checkpoints"
    try:
        with whole_file(export) as file:
            async for line in ledger_export(database, LedgerId(age.report.ledger_id), now()):
                file.write(line)
        with whole_file(held) as file:
            file.write(age.held)
        options = ["export", str(export), "--key", str(keys.absolute()), "--checkpoints", str(held)]
        told = await asyncio.to_thread(_run_verifier, options)
        if told.returncode == 0:
            proof.lines.append(f"stand-alone verifier: {told.stdout.strip()}")
        else:
            proof.wrong(f"stand-alone verifier: {(told.stdout + told.stderr).strip()}")
    finally:
        export.unlink(missing_ok=True)
        held.unlink(missing_ok=True)


def _run_verifier(options: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(standalone.__file__), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own file


def _unseen(_done: int, _total: int) -> None:
    """Nobody watches the walk."""
