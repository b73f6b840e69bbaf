"""`zerosum subjects`: what there is of people, and their erasure, by whoever runs the database."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.cli.ledger_work import on_ledger
from zerosum.cli.talk import USAGE, CommandFailed, put, say, told_plainly
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import DomainError, SubjectNotFound
from zerosum.domain.identifiers import Prefix, render_id

if TYPE_CHECKING:
    # The service takes a second to load.
    from zerosum.api.services import Services
    from zerosum.services.requests.caller import Caller

ACTOR = "zerosum subjects"


@told_plainly
def show_subject(subject: str, data_dir: Path | None, ledger: str | None) -> int:
    async def act(services: Services, caller: Caller) -> dict[str, Any]:
        from zerosum.api.schemas.subjects import subject_body  # noqa: PLC0415

        return subject_body(await services.subjects.get(caller, subject))

    put(json.dumps(_done(data_dir, ledger, act)) + "\n")
    return 0


@told_plainly
def erase_subject(subject: str, reason: str, data_dir: Path | None, ledger: str | None) -> int:
    async def act(services: Services, caller: Caller) -> dict[str, Any]:
        return await _erased(services, caller, subject, reason, f"zerosum subjects {secrets.token_hex(12)}")

    put(json.dumps(_done(data_dir, ledger, act)) + "\n")
    return 0


@told_plainly
def replay_erasures(path: Path, data_dir: Path | None, ledger: str | None) -> int:
    """Those of other ledgers in the file are left to whoever names them."""
    records = list(_erasures_in(path))

    async def act(services: Services, caller: Caller) -> tuple[int, int]:
        own = [one for one in records if one["ledger"] == render_id(Prefix.LEDGER, caller.ledger_id)]
        absent = 0
        for one in own:
            try:
                await _erased(services, caller, one["resource"], one["reason"], f"erasure {one['id']}")
            except SubjectNotFound:
                absent += 1
        return len(own), absent

    number, absent = _done(data_dir, ledger, act)
    say(f"{number - absent} erased, {absent} of whom nothing is there")
    return 0


async def _erased(services: Services, caller: Caller, subject: str, reason: str, key: str) -> dict[str, Any]:
    from zerosum.api.schemas.subjects import erased_body  # noqa: PLC0415
    from zerosum.services.subjects import ErasureOrder  # noqa: PLC0415

    done = await services.subjects.erase(caller, ErasureOrder(idempotency_key=key, subject=subject, reason=reason))
    return erased_body(done.view)


def _erasures_in(path: Path) -> Iterator[dict[str, str]]:
    """Raises CommandFailed for a file that `zerosum audit export` has not written."""
    try:
        with path.open(encoding="utf-8") as opened:
            for line in opened:
                record = json.loads(line)
                if record["type"] == AuditType.SUBJECT_ERASED:
                    yield {name: str(record[name]) for name in ("id", "ledger", "resource", "reason")}
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}", USAGE) from None
    except (ValueError, LookupError, TypeError):
        raise CommandFailed(f"{path} is not what `zerosum audit export` writes", USAGE) from None


def _done(data_dir: Path | None, ledger: str | None, act: Callable[[Services, Caller], Awaitable[Any]]) -> Any:
    try:
        return on_ledger(data_dir, ledger, ACTOR, act)
    except DomainError as refusal:
        raise CommandFailed(refusal.detail) from None
