"""What leaves the service to be checked elsewhere: keys, a ledger, and the verifier, which stands alone."""

from __future__ import annotations

import ast
import base64
import json
import subprocess
import sys
from pathlib import Path

from tests.cli.command import zerosum
from tests.conftest import Servers
from tests.services.tampered_books import tampered_books
from tests.webhooks.conftest import until
from zerosum.adapters.clock import now
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.credentials.checkpoint_keys import CheckpointKeys
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.proof_log.keeping import CheckpointKeeper
from zerosum.services.proof_log.places import FolderPlace
from zerosum.services.proof_log.sealing import CheckpointSealing
from zerosum.verifier import standalone

SECRET = bytes(range(32))


def test_the_verifier_needs_nothing_but_python_and_cryptography() -> None:
    tree = ast.parse(Path(standalone.__file__).read_text("utf-8"))
    imported = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}


async def test_a_ledger_is_checked_where_the_service_is_not(servers: Servers, tmp_path: Path) -> None:
    async with tampered_books(servers) as books:
        keys = CheckpointKeys(books.database, Sealer(books.database, MasterKeys("test", {"test": SECRET}), now))
        sealing = CheckpointSealing(books.database, keys, now)
        keeper = CheckpointKeeper(books.database, FolderPlace(tmp_path), now)

        async def kept() -> int:
            await sealing.seal(books.ledger_id)
            await keeper.keep(books.ledger_id)
            export = zerosum("proof", "export", str(tmp_path / "export"), "--ledger", ledger, environment=environment)
            assert export.code == 0, export
            return (tmp_path / "export").read_text().count('"is":"entry"')

        ledger = render_id(Prefix.LEDGER, books.ledger_id)
        environment = {
            "ZEROSUM_DATABASE_URL": books.service_dsn,
            "ZEROSUM_MASTER_KEYS": f"test:{base64.b64encode(SECRET).decode()}",
            "ZEROSUM_API_KEY_PEPPER": base64.b64encode(SECRET).decode(),
            "ZEROSUM_CURSOR_SECRET": base64.b64encode(SECRET).decode(),
        }
        await until(kept, lambda entries: entries == 10)
        log = str(tmp_path / f"{ledger}.checkpoints")
        assert zerosum("verify", "--checkpoints", log, environment=environment).code == 0
        (key,) = zerosum("proof", "keys", "--ledger", ledger, environment=environment).out.split()
        rotated = zerosum("proof", "rotate-key", environment=environment)
        assert "signs checkpoints from now on" in rotated.err, rotated
        await books.tamper("delete from signed_checkpoints where $1::uuid is not null")
        wrong = zerosum("verify", "--checkpoints", log, environment=environment)
        assert (wrong.code, "the kept checkpoint of size" in wrong.out) == (1, True), wrong
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert zerosum("proof", "verifier", str(elsewhere / "verifier.py")).code == 0
    assert zerosum("proof", "page", str(elsewhere / "receipt.html")).code == 0
    assert "default-src 'none'" in (elsewhere / "receipt.html").read_text()

    def checked(export: Path) -> int:
        command = [sys.executable, "-I", "verifier.py", "export", str(export), "--key", key, "--checkpoints", log]
        return subprocess.run(command, cwd=elsewhere, check=False, capture_output=True, timeout=60).returncode

    assert checked(tmp_path / "export") == 0
    lines = [json.loads(line) for line in (tmp_path / "export").read_text().splitlines()]
    entry = next(line for line in lines if line["is"] == "entry")
    entry["postings"][0]["amount"] = entry["postings"][1]["amount"] = "1000000.00"
    (tmp_path / "forged").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert checked(tmp_path / "forged") == 1
