"""`zerosum proof`: keys of checkpoints, exports of whole ledgers, mirrors, and the verifier that checks them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from zerosum.adapters.clock import now
from zerosum.adapters.whole_files import whole_file
from zerosum.cli.administration import administered, the_machine
from zerosum.cli.talk import USAGE, CommandFailed, put, say, told_plainly
from zerosum.config import Settings
from zerosum.db.engine import Database
from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.services.credentials.checkpoint_keys import CheckpointKeys
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.ledgers import every_ledger
from zerosum.services.proof_log.documents import key_of
from zerosum.services.proof_log.export import ledger_export
from zerosum.verifier import standalone


@told_plainly
def print_keys(data_dir: Path | None, ledger: str | None) -> int:
    async def listed(settings: Settings, database: Database) -> str:
        ledger_id = await _chosen(database, ledger)
        return "".join(f"{key_of(ledger_id, key)}\n" for key in await _keys(settings, database).every())

    put(administered(data_dir, listed))
    return 0


@told_plainly
def rotate_checkpoint_key(data_dir: Path | None) -> int:
    async def rotate(settings: Settings, database: Database) -> str:
        key_id = await _keys(settings, database).rotate(now(), the_machine())
        return f"the key {key_id} signs checkpoints from now on"

    say(f"zerosum: {administered(data_dir, rotate)}")
    return 0


@told_plainly
def export_ledger(data_dir: Path | None, ledger: str | None, path: Path) -> int:
    async def export(_: Settings, database: Database) -> str:
        ledger_id = await _chosen(database, ledger)
        lines = 0
        with whole_file(path) as file:  # for us alone: it has everything in it
            async for line in ledger_export(database, ledger_id, now()):
                file.write(line)
                lines += 1
        return f"{lines} lines are in {path}"

    try:
        say(f"zerosum: {administered(data_dir, export)}")
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}", USAGE) from None
    return 0


@told_plainly
def write_page(path: Path) -> int:
    _copy(Path(standalone.__file__).with_name("receipt.html"), path)
    say(f"zerosum: the page is in {path}: open it in a browser, also where there is no network")
    return 0


@told_plainly
def write_verifier(path: Path) -> int:
    _copy(Path(standalone.__file__), path)
    say(f"zerosum: the verifier is in {path}; it needs Python and the package cryptography, and nothing of Zerosum")
    return 0


@told_plainly
def mirror_log(source: str, folder: Path, keys: Sequence[str]) -> int:
    """As the stand-alone verifier does it, with its exit codes."""
    given = [part for key in keys for part in ("--key", key)]
    return standalone.main(["mirror", source, str(folder), *given])


def _copy(source: Path, path: Path) -> None:
    try:
        shutil.copyfile(source, path)
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}", USAGE) from None


async def _chosen(database: Database, ledger: str | None) -> LedgerId:
    try:
        wanted = None if ledger is None else parse_id(Prefix.LEDGER, ledger)
    except InvalidId as error:
        raise CommandFailed(error.detail, USAGE) from None
    found = [record.id async for record in every_ledger(database) if wanted in (None, record.id)]
    if len(found) != 1:
        raise CommandFailed("there is no such ledger" if not found else "say which: --ledger led_…", USAGE)
    return LedgerId(found[0])


def _keys(settings: Settings, database: Database) -> CheckpointKeys:
    return CheckpointKeys(database, Sealer(database, MasterKeys(*settings.master_key_pairs()), now))
