"""python -m tests.architecture.audit (or `make audit`): what is known of the libraries in requirements.lock.

`pip-audit` asks a public database for each of them; it is installed into a folder of its own, which is removed again.
Waivers stand in docs/audit-waivers.txt, each with its last day. `--materials FILE` writes a list of all libraries with
their versions and hashes instead (CycloneDX), without a network.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.architecture.sources import TOP
from zerosum import __version__
from zerosum.adapters.clock import now

TOOL = "pip-audit==2.10.1"
WAIVERS = TOP / "docs" / "audit-waivers.txt"
LOCK = TOP / "requirements.lock"
_WAIVER = re.compile(r"((?:GHSA|PYSEC|CVE)-[\w-]+) (\d{4}-\d{2}-\d{2}) (\S.{20,})", re.ASCII)
_PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)(.*?)(?=^[a-z0-9]|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Waiver:
    id: str
    until: date
    why: str


def read_waivers(text: str) -> list[Waiver]:
    """Raises ValueError for a line that is none."""
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = _WAIVER.fullmatch(line)
            if match is None:
                raise ValueError(f"this is no waiver (id, last day, reason): {line}")
            found.append(Waiver(match[1], date.fromisoformat(match[2]), match[3]))
    return found


def materials(lock: str) -> dict[str, object]:
    """Every library of a lock, as CycloneDX has it."""
    components = [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "hashes": [{"alg": "SHA-256", "content": found} for found in re.findall(r"sha256:([0-9a-f]{64})", rest)],
        }
        for name, version, rest in _PIN.findall(lock)
    ]
    about = {"type": "application", "name": "zerosum", "version": __version__}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": about}, "components": components}


def audit(lock: Path) -> int:
    waivers = read_waivers(WAIVERS.read_text(encoding="utf-8"))
    today = now().date()
    over = [waiver for waiver in waivers if waiver.until < today]
    for waiver in over:
        sys.stdout.write(f"{waiver.id} was passed over until {waiver.until}: look at it again. {waiver.why}\n")
    ignored = [part for waiver in waivers if waiver not in over for part in ("--ignore-vuln", waiver.id)]
    with tempfile.TemporaryDirectory(prefix="zerosum-audit-") as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        if subprocess.run([python, "-m", "pip", "install", "--quiet", TOOL], check=False).returncode != 0:
            sys.stderr.write(f"{TOOL} cannot be had: the audit needs a network\n")
            return 2
        command = [
            python,
            "-m",
            "pip_audit",
            "--strict",
            "--require-hashes",
            "--disable-pip",
            "--requirement",
            str(lock),
            *ignored,
        ]
        return max(subprocess.run(command, check=False).returncode, int(bool(over)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", type=Path, default=LOCK, help="which lock (requirements.lock)")
    parser.add_argument("--materials", type=Path, help="write the list of materials here, and ask nobody")
    given = parser.parse_args()
    if given.materials is not None:
        given.materials.write_text(json.dumps(materials(given.lock.read_text(encoding="utf-8")), indent=1) + "\n")
        return 0
    return audit(given.lock)


if __name__ == "__main__":
    sys.exit(main())
