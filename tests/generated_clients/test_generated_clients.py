"""Clients generated from the document compile, open an account and pay; and linters have nothing to say.

The generators are installed for the run, into a folder of its own. Nothing that they write is kept.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.campaigns.installation import Installation
from tests.generated_clients.conftest import credentials, node_folder, python_folder, run

pytestmark = pytest.mark.campaign  # They come over the network, and take a minute.

HERE = Path(__file__).parent
TSC = (
    "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext",
    "--moduleResolution", "nodenext", "--lib", "es2022,dom", "--types", "node",
)  # fmt: skip
TYPESCRIPT = ("typescript@5", "@types/node@20")

PAID = {
    "name": "Renamed",
    "floor": "0.00",  # Not named in the change, and so not changed.
    "status": "succeeded",
    "refused": "insufficient_funds",
    "listed": ["12.30"],
    "available": "12.30",
}


def test_a_typescript_client_compiles_and_pays(running: Installation, openapi: Path, tmp_path: Path) -> None:
    folder = node_folder(tmp_path, "openapi-typescript@7", "openapi-fetch@0", *TYPESCRIPT)
    run(_tool(folder, "openapi-typescript"), openapi, "-o", "schema.d.ts", folder=folder)
    shutil.copy(HERE / "pay.ts", folder / "pay.ts")
    run(_tool(folder, "tsc"), *TSC, "pay.ts", folder=folder)
    assert json.loads(run("node", "pay.js", folder=folder, environment=credentials(running))) == PAID


def test_a_typescript_client_with_zod_compiles(openapi: Path, tmp_path: Path) -> None:
    """orval turns every word of a schema into a call: what it does not know, or what stands in a wrong place, shows."""
    folder = node_folder(tmp_path, "orval@7", "zod@3", *TYPESCRIPT)
    outputs = {
        kind: {"input": str(openapi), "output": {"client": kind, "target": f"./{kind}.ts"}} for kind in ("zod", "fetch")
    }
    (folder / "orval.config.cjs").write_text(f"module.exports = {json.dumps(outputs)};\n")
    run(_tool(folder, "orval"), "--config", "orval.config.cjs", folder=folder)
    run(_tool(folder, "tsc"), *TSC, "--noEmit", "zod.ts", "fetch.ts", folder=folder)
    written = (folder / "zod.ts").read_text()
    assert "createPaymentBody" in written
    assert ".regex(" in written


def test_a_python_client_pays(running: Installation, openapi: Path, tmp_path: Path) -> None:
    programs = python_folder(tmp_path, "openapi-python-client", "httpx", "attrs", "python-dateutil", "ruff")
    said = run(
        programs / "openapi-python-client", "generate", "--path", openapi, "--meta", "none",
        "--output-path", "zerosum_client", "--fail-on-warning",
        folder=tmp_path, environment={"PATH": f"{programs}:/usr/bin:/bin"},
    )  # fmt: skip
    assert "Warning" not in said
    shutil.copy(HERE / "pay.py", tmp_path / "pay.py")
    assert json.loads(run(programs / "python", "pay.py", folder=tmp_path, environment=credentials(running))) == PAID


def test_the_linter_of_redocly_finds_nothing(openapi: Path, tmp_path: Path) -> None:
    folder = node_folder(tmp_path, "@redocly/cli@2")
    environment = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    said = run(_tool(folder, "redocly"), "lint", openapi, "--format", "json", folder=folder, environment=environment)
    found = json.loads(said[said.index("{") :])
    assert found["totals"]["errors"] == found["totals"]["warnings"] == 0, said[-6000:]


def test_the_document_is_openapi_3_1_by_its_own_schema(openapi: Path, tmp_path: Path) -> None:
    programs = python_folder(tmp_path, "openapi-spec-validator")
    assert "OK" in run(programs / "openapi-spec-validator", openapi, folder=tmp_path)


def _tool(folder: Path, name: str) -> Path:
    return folder / "node_modules" / ".bin" / name
