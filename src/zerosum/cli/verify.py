"""`zerosum verify`: walks every chain and adds up every balance."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from zerosum.adapters.clock import now
from zerosum.cli.installation import reachable_settings
from zerosum.cli.talk import USAGE, CommandFailed, put, say, told_plainly
from zerosum.cli.verify_jobs import JOBS_MAX, WITHOUT_TIMEOUT, proving, usual_jobs
from zerosum.cli.verify_ledgers import LAST, LedgersVerification
from zerosum.cli.verify_progress import ProgressFile
from zerosum.config import Settings
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import InvalidId, OutcomeUnknown, Unavailable
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, parse_id, render_id
from zerosum.services.accounts import bare_accounts
from zerosum.services.background.heads_keeper import write_heads
from zerosum.services.background.self_audit import freeze
from zerosum.services.ledgers import LedgerRecord, every_ledger
from zerosum.services.proofs.audit_seals import prove_service_log
from zerosum.services.proofs.exported_heads import SERVICE, HeadsUnreadable, compare_heads
from zerosum.services.proofs.kept_checkpoints import CheckpointsUnreadable, compare_checkpoints
from zerosum.services.proofs.whole_ledger import Report
from zerosum.services.requests.caller import Caller

ACTOR = "system:verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    ledger: str | None = None
    export_heads: Path | None = None
    against: Path | None = None
    checkpoints: Sequence[Path] = ()
    is_freezing: bool = False
    jobs: int | None = None
    """None: as many as there are processors."""
    since_checkpoint: str | None = None
    """A file of checkpoints that was kept, or LAST."""
    resume: Path | None = None


@told_plainly
def run_verify(data_dir: Path | None, options: VerifyOptions) -> int:
    settings = reachable_settings(data_dir, is_writing=options.is_freezing)
    if options.since_checkpoint is not None and options.resume is not None:
        raise CommandFailed("--resume goes on with a verification of everything: without --since-checkpoint", USAGE)
    try:
        wanted = None if options.ledger is None else parse_id(Prefix.LEDGER, options.ledger)
    except InvalidId as error:
        raise CommandFailed(error.detail, USAGE) from None
    try:
        reports = asyncio.run(_run(settings, wanted, options))
    except (Unavailable, OutcomeUnknown) as error:
        raise CommandFailed(error.detail) from None
    except HeadsUnreadable as error:
        raise CommandFailed(f"{options.against}: {error}", USAGE) from None
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}", USAGE) from None
    for report in reports:
        put(report_line(report))
    return 0 if all(report.is_right for report in reports) else 1


async def _run(settings: Settings, wanted: UUID | None, options: VerifyOptions) -> list[Report]:
    url = settings.required_database_url()
    database = Database(make_engine(url, 1, WITHOUT_TIMEOUT, WITHOUT_TIMEOUT))
    try:
        reports = await _verify(database, url, wanted, options)
        if options.against is not None:
            with options.against.open(encoding="ascii", errors="replace") as kept:
                _merge(reports, await compare_heads(database, kept), wanted)
        since = [] if options.since_checkpoint in (None, LAST) else [Path(options.since_checkpoint or "")]
        for path in (*options.checkpoints, *since):
            _merge_one(reports, await _against(database, path, _read(path)), wanted)
        if options.is_freezing:
            await _freeze(database, reports)
        if options.export_heads is not None:
            await _export(database, reports, options.export_heads)
        return reports
    finally:
        await database.close()


def _merge(reports: list[Report], compared: dict[UUID, Report], wanted: UUID | None) -> None:
    """What heads of before have shown goes with the rest; a ledger that is gone has nothing but them."""
    for found in compared.values():
        _merge_one(reports, found, wanted)


def _merge_one(reports: list[Report], found: Report, wanted: UUID | None) -> None:
    known = next((report for report in reports if report.ledger_id == found.ledger_id), None)
    if known is not None:
        for difference in found.breaks:
            known.note(difference.what, difference.account_id, difference.account_version)
    elif wanted is None:
        found.note("the ledger was there when heads were exported")
        reports.append(found)


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace")


async def _against(database: Database, path: Path, content: str) -> Report:
    try:
        return await compare_checkpoints(database, content)
    except CheckpointsUnreadable as error:
        raise CommandFailed(f"{path}: {error}", USAGE) from None


async def _freeze(database: Database, reports: list[Report]) -> None:
    accounts = bare_accounts(database, now)
    for report in reports:
        caller = Caller(LedgerId(report.ledger_id), ACTOR)
        reasons = {one: difference.what for difference in reversed(report.breaks) for one in difference.accounts}
        for account_id, reason in reasons.items():
            is_frozen = False
            # Somebody may hold its row. The others are not to wait for that.
            with suppress(Unavailable, OutcomeUnknown):
                is_frozen = await freeze(accounts, caller, account_id, reason)
            say(f"{render_id(Prefix.ACCOUNT, account_id)}: {'frozen' if is_frozen else 'not frozen'}")


async def _export(database: Database, reports: list[Report], path: Path) -> None:
    """Heads of books that are wrong would prove what is wrong."""
    if all(report.is_right for report in reports):
        await write_heads(database, path, [report.ledger_id for report in reports], now)
    else:
        say("zerosum: no heads are exported, as something is wrong")


async def _verify(database: Database, url: str, wanted: UUID | None, options: VerifyOptions) -> list[Report]:
    ledgers = await _ledgers(database, wanted)
    with nullcontext() if options.resume is None else closing(ProgressFile(options.resume)) as kept:
        reports = await _verify_ledgers(database, url, ledgers, options, kept)
        if wanted is None:
            reports.append(await prove_service_log(database))
        if kept is not None:
            kept.end()
        return reports


async def _verify_ledgers(
    database: Database,
    url: str,
    ledgers: Sequence[LedgerRecord],
    options: VerifyOptions,
    kept: ProgressFile | None,
) -> list[Report]:
    jobs = usual_jobs() if options.jobs is None else min(options.jobs, JOBS_MAX)
    with proving(url, jobs) as prove:
        verification = LedgersVerification(database, prove, jobs, options.since_checkpoint, kept)
        return await verification.verify(ledgers)


async def _ledgers(database: Database, wanted: UUID | None) -> list[LedgerRecord]:
    found = [record async for record in every_ledger(database)]
    if wanted is None:
        return found
    chosen = [record for record in found if record.id == wanted]
    if not chosen:
        raise CommandFailed("there is no such ledger", USAGE)
    return chosen


def report_line(report: Report) -> str:
    if report.ledger_id == SERVICE_LEDGER and report.is_right:
        return ""
    name = SERVICE if report.ledger_id == SERVICE_LEDGER else render_id(Prefix.LEDGER, report.ledger_id)
    if report.is_right:
        sealed = f", {report.personal} sealed about people, {report.erased} of them erased" if report.personal else ""
        return f"{name}: right ({report.accounts} accounts, {report.postings} postings{sealed})\n"
    places = "".join(
        f"  {'' if fault.account_id is None else render_id(Prefix.ACCOUNT, fault.account_id)}"
        f"{'' if fault.account_version is None else f' version {fault.account_version}'}: {fault.what}\n"
        for fault in report.breaks
    )
    return f"{name}: WRONG ({len(report.breaks)} or more breaks)\n{places}"
