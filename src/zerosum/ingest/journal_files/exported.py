"""Knows entries again that a ledger has exported: what they say of that ledger is its own, and not the new one's."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.ledger.subjects import COMMITMENT_MEMBER, SUBJECT_MEMBER
from zerosum.ingest.journal_files.read import JournalFault, ReadEntry

_OF_ITS_LEDGER = ("effective_at", "posted_at", "actor", "resource_type")
_SAID_THERE = {SUBJECT_MEMBER: "imported_subject", COMMITMENT_MEMBER: "imported_commitment"}
"""What was said about a person is sealed in that ledger, and stays there: in the new one nothing commits to it."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEntry:
    """What goes on with an entry into another ledger. `origins` are its ids there, by the names they are kept under."""

    origins: dict[str, str]
    reason: str
    effective_at: datetime
    metadata: dict[str, str]


def exported_by_hledger(entry: ReadEntry) -> ExportedEntry | None:
    """None where it is no entry of ours. Raises JournalFault for one that was changed so that it cannot be read."""
    pairs = [(name, _plain(value)) for name, value in entry.said]
    if not _is_ours(entry.reference, dict(pairs)):
        return None
    kept: dict[str, str] = {}
    for name, value in entry.said:
        if name == "metadata":
            key, _, told = value.partition("=")
            kept[_plain(key)] = _plain(told)
    return _exported(entry, entry.reference, _plain(entry.reason), dict(pairs), kept)


def exported_by_beancount(entry: ReadEntry) -> ExportedEntry | None:
    told = dict(entry.said)
    id_ = told.get("id", "")
    if not _is_ours(id_, told):
        return None
    try:
        kept = json.loads(told.get("metadata", "{}"))
    except (ValueError, RecursionError):
        kept = None
    if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
        raise JournalFault(entry.line, "the metadata of this exported entry cannot be read")
    return _exported(entry, id_, entry.reason, told, kept)


def _is_ours(id_: str, told: dict[str, str]) -> bool:
    try:
        parse_id(Prefix.JOURNAL_ENTRY, id_)
    except DomainError:
        return False
    return all(name in told for name in _OF_ITS_LEDGER)


def _exported(entry: ReadEntry, id_: str, reason: str, told: dict[str, str], kept: dict[str, str]) -> ExportedEntry:
    moment = told["effective_at"]
    try:
        effective_at = datetime.fromisoformat(moment) if _MOMENT.fullmatch(moment) else None
    except ValueError:
        effective_at = None
    if effective_at is None:
        raise JournalFault(entry.line, "the effective_at of this exported entry is no time")
    origins = {"imported_id": id_, **({"imported_reverses": told["reverses"]} if "reverses" in told else {})}
    origins |= {_SAID_THERE[name]: value for name, value in kept.items() if name in _SAID_THERE}
    metadata = {name: value for name, value in kept.items() if name not in _SAID_THERE}
    return ExportedEntry(origins=origins, reason=reason, effective_at=effective_at, metadata=metadata)


def _plain(text: str) -> str:
    return unquote(text, errors="replace")
