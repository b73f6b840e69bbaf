"""`zerosum status`: one screen, and an exit code for whoever watches by machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zerosum.adapters.service_client import ServiceAway
from zerosum.adapters.service_reader import Refused, ServiceReader
from zerosum.cli.running_service import running_service
from zerosum.cli.talk import USAGE, CommandFailed, put, told_plainly

EXIT_CODES = {"good": 0, "degraded": 1, "bad": 2}
BAD = 2
SIGNS = {"good": "ok", "degraded": "LOOK", "bad": "BAD"}


@told_plainly
def run_status(data_dir: Path | None, url: str | None, token: str | None, *, is_json: bool) -> int:
    service = running_service(data_dir, url, token)
    try:
        with ServiceReader(service.url, service.token, service.tls) as reader:
            status = reader.status()
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None
    except Refused as error:
        raise CommandFailed(str(error), BAD) from None
    except ServiceAway as error:
        if is_json:
            put(json.dumps({"state": "bad", "ready": False, "detail": str(error), "checks": []}) + "\n")
            return BAD
        raise CommandFailed(str(error), BAD) from None
    put(json.dumps(status, indent=2) + "\n" if is_json else told(status, service.url))
    return EXIT_CODES.get(str(status.get("state")), BAD)


def told(status: Mapping[str, Any], url: str) -> str:
    """The screen. What a service tells steers no terminal."""
    lines = [f"Zerosum {status['version']} at {url}: {status['state']}", ""]
    for check in status["checks"]:
        name = check["name"].replace("_", " ")
        lines.append(f"  {SIGNS.get(check['state'], '?'):<5} {name:<18} {check['detail']}")
    ledgers = status["ledgers"]
    lines += ["", f"{ledgers} ledger{'' if ledgers == 1 else 's'}, as of {status['as_of']}"]
    return "".join(f"{plain(line)}\n" for line in lines)


def plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
