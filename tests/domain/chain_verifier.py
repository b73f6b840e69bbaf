"""A second reading of the hash chain, written from its description alone: it shares no line with `chain.py`.

genesis      = SHA-256("zerosum.genesis.v1" ledger id, account id: 16 bytes each)
entry digest = SHA-256("zerosum.entry.v1"
                       ledger|entry|effective_at|posted_at|reverses|fingerprint in hex|resource type|
                       netstrings: resource id, idempotency key, actor, reason, then metadata keys and values by key)
hash         = SHA-256("zerosum.posting.v1" hash of the posting before, entry digest,
                       account|version|place|side|layer|releases 0 or 1|amount|currency|posted after|held after)
"""

from __future__ import annotations

import calendar
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from zerosum.domain.ledger.entry import PostedEntry, PostedPosting


def genesis_of(ledger_id: UUID, account_id: UUID) -> bytes:
    hashed = hashlib.sha256()
    hashed.update(b"zerosum.genesis.v1")
    hashed.update(ledger_id.int.to_bytes(16, "big"))
    hashed.update(account_id.int.to_bytes(16, "big"))
    return hashed.digest()


def digest_of(entry: PostedEntry) -> bytes:
    hashed = hashlib.sha256(b"zerosum.entry.v1" if entry.late is None else b"zerosum.entry.v2")
    for field in (
        str(entry.ledger_id),
        str(entry.id),
        str(microseconds(entry.effective_at)),
        str(microseconds(entry.posted_at)),
        "" if entry.entry.reverses is None else str(entry.entry.reverses),
        "".join(f"{byte:02x}" for byte in entry.fingerprint),
        entry.resource_type.value,
    ):
        hashed.update(field.encode("ascii") + b"|")
    if entry.late is not None:
        late = (str(entry.late.closing), entry.late.way.value, str(microseconds(entry.late.requested_at)))
        hashed.update("|".join((*late, "")).encode("ascii"))
    texts = ["" if entry.resource_id is None else entry.resource_id]
    texts += [entry.idempotency_key or "", entry.actor, entry.entry.reason]
    for key, value in sorted(entry.metadata.items(), key=lambda member: member[0]):
        texts += [key, value]
    if entry.late is not None:
        texts.append(entry.late.reason or "")
    for text in texts:
        raw = text.encode("utf-8")
        hashed.update(str(len(raw)).encode("ascii") + b":" + raw + b",")
    return hashed.digest()


def hash_of(previous: bytes, entry: PostedEntry, line: PostedPosting) -> bytes:
    posting = line.posting
    fields = [
        str(posting.account_id),
        str(line.account_version),
        str(line.place),
        posting.side.value,
        posting.layer.value,
        "1" if posting.releases else "0",
        format(posting.money.amount, "f"),
        posting.money.currency.code,
        format(line.balance_after, "f"),
        format(line.held_after, "f"),
    ]
    tag = b"zerosum.posting.v1"
    if posting.hold is not None:
        tag = b"zerosum.posting.v2"
        fields.append(str(posting.hold))
    return hashlib.sha256(b"".join([tag, previous, digest_of(entry), "|".join(fields).encode("ascii")])).digest()


def microseconds(moment: datetime) -> int:
    return calendar.timegm(moment.utctimetuple()) * 1_000_000 + moment.microsecond


def breaks(entries: Iterable[PostedEntry], heads: Mapping[UUID, bytes]) -> list[str]:
    """Every place at which the accounts' chains do not hold, walked link by link from their beginnings to `heads`."""
    chains: defaultdict[UUID, list[tuple[PostedEntry, PostedPosting]]] = defaultdict(list)
    ledgers: dict[UUID, UUID] = {}
    for entry in entries:
        for line in entry.postings:
            chains[line.posting.account_id].append((entry, line))
            ledgers[line.posting.account_id] = entry.ledger_id
    found = []
    for account_id, links in chains.items():
        links.sort(key=lambda link: link[1].account_version)
        head = genesis_of(ledgers[account_id], account_id)
        for number, (entry, line) in enumerate(links, start=1):
            if line.account_version != number:
                found.append(f"{account_id}: version {line.account_version} stands where {number} should")
            head = hash_of(head, entry, line)
            if head != line.hash:
                found.append(f"{account_id}: the hash of version {line.account_version} is another")
        if heads.get(account_id) != head:
            found.append(f"{account_id}: the chain does not end in the account's head")
    return found
