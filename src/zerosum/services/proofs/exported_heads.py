"""Heads of chains as text, to be kept where nobody who can write to the database can write.

A chain shows every change within; that its end was cut off only an earlier head shows. The form is stable:

    zerosum heads v1
    ledger led_… 2026-11-28T12:00:00Z
    account acc_… VERSION HEAD REVISION HASH      of the last posting and the newest revision of its history, in hex
    refusals NUMBER HASH                          of the newest seal of refusals, where there is one
    audit NUMBER HASH                             of the newest seal of the security log, in the same way
    end led_… NUMBER-OF-LINES                     those between `ledger` and this one
    ledger service 2026-11-28T12:00:00Z           the service's own log, which no ledger has, in the same way
    end heads NUMBER-OF-LEDGERS
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.audit_seals import find_audit_seal, find_last_audit_seal
from zerosum.db.queries.exported_heads import find_links, find_seal_hash, heads_after
from zerosum.db.queries.proofs import FIRST_ID
from zerosum.db.queries.refusal_seals import find_last_seal
from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, parse_id, render_id
from zerosum.services.proofs.report import Report

FIRST_LINE = "zerosum heads v1"
LAST_LINE = "end heads {}"
HEADS_AT_ONCE = 1_000
SERVICE = "service"


class HeadsUnreadable(ValueError):
    """A file of heads is cut off, or is none. The message names the line."""


async def ledger_heads(connection: Connection, ledger_id: UUID, moment: datetime) -> AsyncIterator[str]:
    """The lines of one ledger, each with its end."""
    name = _name(ledger_id)
    yield f"ledger {name} {moment:%Y-%m-%dT%H:%M:%SZ}\n"
    count, after = 0, FIRST_ID
    while page := await heads_after(connection, ledger_id, after=after, limit=HEADS_AT_ONCE):
        for row in page:
            account = render_id(Prefix.ACCOUNT, row.id)
            yield f"account {account} {row.version} {row.head.hex()} {row.revision} {row.hash.hex() or '-'}\n"
        count, after = count + len(page), page[-1].id
    seal = await find_last_seal(connection, ledger_id)
    if seal is not None:
        yield f"refusals {seal.number} {seal.hash.hex()}\n"
        count += 1
    audit_seal = await find_last_audit_seal(connection, ledger_id)
    if audit_seal is not None:
        yield f"audit {audit_seal.number} {audit_seal.hash.hex()}\n"
        count += 1
    yield f"end {name} {count}\n"


def _name(ledger_id: UUID) -> str:
    return SERVICE if ledger_id == SERVICE_LEDGER else render_id(Prefix.LEDGER, ledger_id)


@dataclass(slots=True)
class _Section:
    """What was read of one ledger and is not compared yet."""

    report: Report
    lines: int = 0
    accounts: dict[UUID, tuple[int, str, int, str]] = field(default_factory=dict)
    seal: tuple[int, str] | None = None
    audit_seal: tuple[int, str] | None = None


async def compare_heads(database: Database, lines: Iterable[str]) -> dict[UUID, Report]:
    """By ledger: which heads are not in their chains any more. Raises HeadsUnreadable."""
    reports: dict[UUID, Report] = {}
    section: _Section | None = None
    is_whole = False
    for number, line in enumerate(lines, 1):
        words = line.split()
        try:
            _check(not is_whole)
            if number == 1:
                _check(line.strip() == FIRST_LINE)
            elif section is None and words[:2] == ["end", "heads"]:
                _check(int(words[2]) == len(reports))
                is_whole = True
            elif section is None:
                _check(words[0] == "ledger")
                ledger_id = SERVICE_LEDGER if words[1] == SERVICE else parse_id(Prefix.LEDGER, words[1])
                section = _Section(reports.setdefault(ledger_id, Report(ledger_id)))
            elif words[0] == "end":
                _check(words[1:] == [_name(section.report.ledger_id), str(section.lines)])
                await _compare(database, section)
                section = None
            else:
                _take(section, words)
        except (InvalidId, IndexError, ValueError):
            raise HeadsUnreadable(f"line {number} is none of a file of heads") from None
        if section is not None and len(section.accounts) == HEADS_AT_ONCE:
            await _compare(database, section)
    if not is_whole:
        raise HeadsUnreadable("the file of heads is cut off")
    return reports


def _take(section: _Section, words: list[str]) -> None:
    section.lines += 1
    if words[0] == "account":
        _, account, version, head, revision, digest = words
        section.accounts[parse_id(Prefix.ACCOUNT, account)] = (int(version), head, int(revision), digest)
    else:
        kind, seal_number, digest = words
        _check(kind in ("refusals", "audit"))
        if kind == "audit":
            section.audit_seal = (int(seal_number), digest)
        else:
            section.seal = (int(seal_number), digest)


def _check(is_so: bool) -> None:
    if not is_so:
        raise ValueError


async def _compare(database: Database, section: _Section) -> None:
    report, ledger_id = section.report, section.report.ledger_id
    wanted = [(account_id, kept[0], kept[2]) for account_id, kept in section.accounts.items()]
    async with database.work(ledger_id) as connection:
        found = await find_links(connection, ledger_id, wanted)
        seal = None if section.seal is None else await find_seal_hash(connection, ledger_id, section.seal[0])
        sealed = section.audit_seal and await find_audit_seal(connection, ledger_id, section.audit_seal[0])
    for row in found:
        version, head, revision, digest = section.accounts[row.account_id]
        if not row.is_there:
            report.note("the account was there when heads were exported", row.account_id)
        elif version > 0 and (row.head is None or row.head.hex() != head):
            report.note("the exported head is not in the account's chain", row.account_id, version)
        if revision > 0 and (row.hash is None or row.hash.hex() != digest):
            report.note(f"the exported revision {revision} is not in the account's history", row.account_id)
    if section.seal is not None and (seal is None or seal.hex() != section.seal[1]):
        report.note(f"the exported seal {section.seal[0]} of refusals is not there")
    if section.audit_seal is not None and (not sealed or sealed.hash.hex() != section.audit_seal[1]):
        report.note(f"the exported seal {section.audit_seal[0]} of the security log is not there")
    section.accounts, section.seal, section.audit_seal = {}, None, None
