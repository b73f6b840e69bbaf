#!/usr/bin/env python3
"""Checks what Zerosum hands out, without Zerosum: receipts, checkpoint logs and exports of whole ledgers.

One file, with the standard library and `cryptography` alone, and no code of the service: copy it to where nobody who
runs the service can write, read it (it is meant to be read), and run it there.

    python standalone.py receipt RECEIPT.json --key KEY [--checkpoints FILE]
    python standalone.py checkpoints FILE --key KEY [--export EXPORT.jsonl]
    python standalone.py export EXPORT.jsonl --key KEY [--checkpoints FILE] [--balances]
    python standalone.py consistency PROOF.json --key KEY
    python standalone.py keys KEYS.json --key KEY
    python standalone.py mirror SOURCE FOLDER --key KEY

KEY is a public key that you hold (`zerosum/led_…+…+…`), or a file with one in each line; it may be given more than
once. FILE is a log of checkpoints as the worker writes it. SOURCE is where a log is published as tiles: an address of
the web, or a folder. What it has more than FOLDER is copied there once it is proven. Exit code 0: all is as it was
signed. 1: something is not; each line says what. 2: what was given cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Context, Decimal, Inexact
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - runs with older Pythons too
EXACT = Context(prec=100, traps=[Inexact])
FAULTS_MAX = 100
LINE_MAX = 64 * 1024 * 1024
"""Characters of a line of an export."""

UUID_TEXT = re.compile("[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
ENTRY_MEMBERS = {
    *("id", "effective_at", "posted_at", "reverses", "fingerprint", "resource_type", "resource_id", "idempotency_key"),
    *("actor", "reason", "metadata", "late", "postings"),
}
POSTING_MEMBERS = {
    *("account", "account_version", "side", "layer", "releases", "amount", "currency", "hold", "balance_after"),
    *("held_after", "previous_hash", "hash"),
}
"""All that is hashed, and nothing else: what anybody could have put in is not called right."""


class Unreadable(Exception):
    """What was given is no receipt, no checkpoint, no export."""


class Wrong(Exception):
    """It can be read, and is not what was signed."""


def read_json(text: str, what: str) -> Any:
    """A member that stands there twice would be one thing to us and another to who reads it."""
    try:
        return json.loads(text, object_pairs_hook=_members)
    except RecursionError:
        raise Unreadable(f"{what} is nested too deeply") from None
    except ValueError:
        raise Unreadable(f"{what} is no JSON") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a member stands there twice")
    return found


def shown(text: str) -> str:
    """What others have written steers no terminal and makes no lines of its own."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


# --- Keys and signed notes (C2SP signed-note, tlog-checkpoint) -------------------------------------------------------


@dataclass(frozen=True)
class Key:
    name: str
    hash: bytes
    public: bytes


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    sealed_at: str
    note: str


def read_keys(given: Iterable[str]) -> dict[bytes, Key]:
    """By the four bytes that a signature names its key with."""
    texts: list[str] = []
    for one in given:
        path = Path(one)
        texts += path.read_text("utf-8").split() if path.is_file() else [one]
    keys = {key.hash: key for key in map(read_key, texts)}
    if not keys:
        raise Unreadable("no key was given")
    return keys


def read_key(text: str) -> Key:
    parts = text.split("+", 2)  # What is base64 may have a plus itself; neither name nor hash has.
    if len(parts) != 3:
        raise Unreadable(f"this is no key: {text[:80]}")
    name, named, encoded = parts
    try:
        raw, own = b64decode(encoded, validate=True), bytes.fromhex(named)
    except (ValueError, Base64Error):
        raise Unreadable(f"this is no key: {text[:80]}") from None
    if len(raw) != 33 or raw[0] != 1:
        raise Unreadable(f"this is no Ed25519 key: {text[:80]}")
    if sha256(name.encode() + b"\n" + raw).digest()[:4] != own:
        raise Unreadable(f"the key is not the one that its hash names: {text[:80]}")
    return Key(name, own, raw[1:])


def read_note(note: str, keys: dict[bytes, Key]) -> Checkpoint:
    """The checkpoint, if one of the keys has signed it."""
    text, separator, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) < 3 or not lines[1].isdigit():
        raise Unreadable("this is no signed checkpoint")
    origin, signed = lines[0], (text + "\n").encode()
    for line in signatures.split("\n"):
        words = line.split(" ")
        if len(words) != 3 or words[0] != "\u2014":
            continue
        raw = decoded(words[2])
        key = keys.get(raw[:4])
        if key is None or key.name != words[1] or words[1] != origin:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], signed)
        except InvalidSignature:
            raise Wrong(f"the signature of the checkpoint of size {lines[1]} is forged") from None
        sealed_at = next((line[10:] for line in lines[3:] if line.startswith("sealed_at ")), "")
        return Checkpoint(origin, int(lines[1]), decoded(lines[2]), sealed_at, note)
    raise Wrong(f"the checkpoint of size {lines[1]} of {origin} is signed by no key that you hold")


def read_log(path: str, keys: dict[bytes, Key]) -> list[Checkpoint]:
    """Those of a file, the oldest first: each is a signed note, and an empty line ends it.

    Files that were put together have a note twice, and so none in its place. It counts once; two of one size are wrong.
    """
    parts = Path(path).read_text("utf-8").split("\n\n")
    if parts and parts[-1].strip():
        raise Unreadable(f"{path}: the last checkpoint is cut off")
    notes = [f"{text}\n\n{signatures}\n" for text, signatures in zip(parts[::2], parts[1::2])]  # noqa: B905 - older Pythons
    found = sorted((read_note(note, keys) for note in dict.fromkeys(notes)), key=lambda one: one.size)
    if not found:
        raise Unreadable(f"{path}: there is no checkpoint in it")
    for one, other in zip(found, found[1:]):  # noqa: B905, RUF007 - runs with older Pythons too
        if other.origin != one.origin or other.size == one.size:
            raise Wrong(f"the checkpoint of size {other.size} does not follow the one of size {one.size}")
    return found


def decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (ValueError, Base64Error):
        raise Unreadable("this is no base64") from None


# --- The tree (RFC 6962) ---------------------------------------------------------------------------------------------


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """Grows leaf by leaf; what is kept are its full subtrees."""

    def __init__(self) -> None:
        self.size = 0
        self.parts: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> None:
        number, found = 1, leaf
        while self.parts and self.parts[-1][0] == number:
            found = node_hash(self.parts.pop()[1], found)
            number *= 2
        self.parts.append((number, found))
        self.size += 1

    def root(self) -> bytes:
        if not self.parts:
            return sha256(b"").digest()
        found = self.parts[-1][1]
        for _, one in reversed(self.parts[:-1]):
            found = node_hash(one, found)
        return found


def root_of_inclusion(leaf: bytes, place: int, size: int, proof: list[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2."""
    if not 0 <= place < size:
        raise Wrong("the leaf lies outside of the tree")
    first, second, found = place, size - 1, leaf
    for one in proof:
        if second == 0:
            raise Wrong("the proof is too long")
        if first & 1 or first == second:
            found = node_hash(one, found)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            found = node_hash(found, one)
        first, second = first >> 1, second >> 1
    if second:
        raise Wrong("the proof is too short")
    return found


def check_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: list[bytes]) -> None:
    """RFC 9162, 2.1.4.2."""
    if old == size and not proof:
        if old_root != root:
            raise Wrong("two roots of one size differ")
        return
    if not 0 < old < size or not proof:
        raise Wrong("the proof shows nothing")
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    first, second = old - 1, size - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    was = now = path[0]
    for one in path[1:]:
        if second == 0:
            raise Wrong("the proof is too long")
        if first & 1 or first == second:
            was, now = node_hash(one, was), node_hash(one, now)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            now = node_hash(now, one)
        first, second = first >> 1, second >> 1
    if second or was != old_root or now != root:
        raise Wrong("the newer tree did not begin as the older one")


# --- What the books hash ---------------------------------------------------------------------------------------------


def micros(text: str) -> int:
    """Since 1970."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)  # noqa: UP017
    return (moment - FIRST) // timedelta(microseconds=1)


def bare(prefix: str, wire_id: str | None) -> str:
    """The UUID of an id. No hash is over what stands before it: so that must be what it is of."""
    if wire_id is None:
        return ""
    before, _, found = wire_id.partition("_")
    if before != prefix or UUID_TEXT.fullmatch(found) is None:
        raise Unreadable(f"this is no id of the kind {prefix}_: {wire_id[:80]}")
    return found


def entry_digest(ledger: str, entry: dict[str, Any]) -> bytes:
    fixed = "|".join(
        (
            bare("led", ledger),
            bare("je", entry["id"]),
            str(micros(entry["effective_at"])),
            str(micros(entry["posted_at"])),
            bare("je", entry["reverses"]),
            entry["fingerprint"],
            entry["resource_type"],
            "",
        )
    )
    texts = [entry["resource_id"] or "", entry["idempotency_key"] or "", entry["actor"], entry["reason"]]
    for name in sorted(entry["metadata"]):
        texts += [name, entry["metadata"][name]]
    tag, late = b"zerosum.entry.v1", entry["late"]
    if late is not None:
        tag = b"zerosum.entry.v2"
        fixed += f"{late['closing']}|{late['way']}|{micros(late['requested_at'])}|"
        texts.append(late["reason"] or "")
    content = tag + fixed.encode()
    for text in texts:
        raw = text.encode()
        content += str(len(raw)).encode() + b":" + raw + b","
    return sha256(content).digest()


def genesis(ledger: str, account: str) -> bytes:
    return sha256(b"zerosum.genesis.v1" + UUID(bare("led", ledger)).bytes + UUID(bare("acc", account)).bytes).digest()


def posting_hash(previous: bytes, digest: bytes, place: int, posting: dict[str, Any]) -> bytes:
    own = "|".join(
        (
            bare("acc", posting["account"]),
            str(posting["account_version"]),
            str(place),
            posting["side"],
            posting["layer"],
            "1" if posting["releases"] else "0",
            posting["amount"],
            posting["currency"],
            posting["balance_after"],
            posting["held_after"],
        )
    )
    tag = b"zerosum.posting.v1"
    if posting["hold"] is not None:
        tag, own = b"zerosum.posting.v2", f"{own}|{bare('hold', posting['hold'])}"
    return sha256(tag + previous + digest + own.encode()).digest()


SAID = (
    *("origin", "transaction", "changed_at", "actor", "code", "name", "type", "currency", "status", "min_available"),
    *("max_available", "metadata", "velocity_limits"),
)
"""What is said about an account with each revision of it, in the order in which it is hashed."""


def first_of_history(ledger: str, account: str) -> bytes:
    ids = UUID(bare("led", ledger)).bytes + UUID(bare("acc", account)).bytes
    return sha256(b"zerosum.account-genesis.v1" + ids).digest()


def revision_hash(previous: bytes, revision: int, said: dict[str, Any]) -> bytes:
    if tuple(said) != SAID:
        raise Wrong("what is said of an account is something else than what is hashed")
    texts = [str(revision), *said.values()]
    if texts[-1] is None:  # Velocity limits came later: where there are none, nothing stands for them.
        texts.pop()
    content = b"".join(b"-," if one is None else b"%d:%b," % (len(one.encode()), one.encode()) for one in texts)
    return sha256(b"zerosum.account.v1" + previous + content).digest()


def leaf_of_entry(entry: dict[str, Any]) -> bytes:
    hashes = b"".join(bytes.fromhex(posting["hash"]) for posting in entry["postings"])
    return sha256(b"\x00zerosum.leaf.entry.v1" + UUID(bare("je", entry["id"])).bytes + hashes).digest()


def leaf_of_revision(account: str, revision: int, hash_: bytes) -> bytes:
    content = b"\x00zerosum.leaf.account.v1" + UUID(bare("acc", account)).bytes + revision.to_bytes(8, "big") + hash_
    return sha256(content).digest()


def leaf_of_seal(kind: str, number: int, hash_: bytes) -> bytes:
    return sha256(b"\x00zerosum.leaf.chain.v1" + kind.encode() + number.to_bytes(8, "big") + hash_).digest()


def check_entry(ledger: str, entry: dict[str, Any]) -> None:
    """It balances, and its postings' hashes follow from what it says: all of that, and nothing else."""
    for told, known in ((entry, ENTRY_MEMBERS), *((posting, POSTING_MEMBERS) for posting in entry["postings"])):
        if further := sorted(told.keys() - known):
            raise Wrong(f"{entry['id']}: no hash is over {further[0]}")
    digest, sums = entry_digest(ledger, entry), dict[tuple[Any, ...], Decimal]()
    for place, posting in enumerate(entry["postings"]):
        amount = Decimal(posting["amount"])
        if not amount.is_finite() or amount <= 0:
            raise Wrong(f"{entry['id']}: an amount is no positive number")
        key = (posting["currency"], posting["layer"], posting["releases"])
        sign = amount if posting["side"] == "debit" else amount.copy_negate()
        sums[key] = EXACT.add(sums.get(key, Decimal(0)), sign)
        given = posting["previous_hash"]
        previous = genesis(ledger, posting["account"]) if given is None else bytes.fromhex(given)
        if (given is None) != (posting["account_version"] == 1):
            raise Wrong(f"{entry['id']}: a posting is the first of its account, or names none before it")
        if posting_hash(previous, digest, place, posting).hex() != posting["hash"]:
            raise Wrong(f"{entry['id']}: the hash of posting {place} does not follow from what the entry says")
    if any(sums.values()):
        raise Wrong(f"{entry['id']}: debits and credits differ")


# --- A receipt -------------------------------------------------------------------------------------------------------


def check_receipt(receipt: dict[str, Any], keys: dict[bytes, Key]) -> Checkpoint:
    checkpoint = read_note(receipt["checkpoint"]["note"], keys)
    if checkpoint.origin != f"zerosum/{receipt['ledger']}":
        raise Wrong("the checkpoint is of another ledger")
    check_stands(receipt["ledger"], receipt, checkpoint)
    return checkpoint


def check_stands(ledger: str, told: dict[str, Any], checkpoint: Checkpoint) -> None:
    """The entry is what it says, and in the tree of the checkpoint."""
    check_entry(ledger, told["entry"])
    proof = [bytes.fromhex(one) for one in told["proof"]]
    if root_of_inclusion(leaf_of_entry(told["entry"]), told["place"], checkpoint.size, proof) != checkpoint.root:
        raise Wrong("the entry is not in the tree of the checkpoint")


BY_PROCESSOR = {"payment": "paid", "refund": "given back"}
"""What a processor may be asked to carry out, and what it is then."""


def outcome_of(receipt: dict[str, Any], checkpoint: Checkpoint) -> str | None:
    """What has become of what a processor was to carry out, by what is proven. None: it was for none."""
    entry, settlement = receipt["entry"], receipt.get("settlement")
    kind = entry["resource_type"]
    done = BY_PROCESSOR.get(kind) if entry["resource_id"] is None else None
    if done is None or entry["reason"] != f"{kind} proposed":
        if settlement is not None:
            raise Wrong("the receipt has a settlement of what none settles")
        return None
    placed, currency = moved(entry, "pending", releases=False), entry["postings"][0]["currency"]
    if settlement is None:
        return f"pending: that it was {done} is not proven"
    check_stands(receipt["ledger"], settlement, checkpoint)
    last, own = settlement["entry"], bare("je", entry["id"])
    freed = [posting for posting in last["postings"] if posting["layer"] == "pending"]
    is_of_it = (last["resource_type"], last["resource_id"]) == (kind, own)
    if not is_of_it or any((posting["hold"], posting["releases"]) != (f"hold_{own}", True) for posting in freed):
        raise Wrong("the settlement is of something else")
    ended, paid = moved(last, "pending", releases=True), moved(last, "posted", releases=False)
    asked, amount = debited(placed), debited(paid)
    if debited(ended) != asked or amount > asked:
        raise Wrong("the settlement is of another amount")
    stays = [of_side(placed, side) == of_side(ended, side) for side in ("debit", "credit")]
    # A payment that has gone on to another processor is pending at that one's account.
    if not (all(stays) or (kind == "payment" and any(stays))) or not paid.keys() <= ended.keys():
        raise Wrong("the settlement is of somebody else")
    if (last["reason"], amount > 0) not in ((f"{kind} approved", True), (f"{kind} declined", False)):
        raise Wrong("the settlement says neither that it was carried out nor that it was declined")
    if not amount:
        return f"declined at {last['posted_at']}: nothing was {done}"
    return f"{done}: {amount:f} of {asked:f} {currency}, at {last['posted_at']}, by {last['id']}"


Moved = dict[tuple[str, str, str], Decimal]
"""How much, by side, account and currency."""


def moved(entry: dict[str, Any], layer: str, *, releases: bool) -> Moved:
    found: Moved = {}
    for posting in entry["postings"]:
        if (posting["layer"], posting["releases"]) == (layer, releases):
            key = (posting["side"], posting["account"], posting["currency"])
            found[key] = EXACT.add(found.get(key, Decimal(0)), Decimal(posting["amount"]))
    return found


def of_side(found: Moved, side: str) -> Moved:
    return {key: amount for key, amount in found.items() if key[0] == side}


def debited(found: Moved) -> Decimal:
    total = Decimal(0)
    for amount in of_side(found, "debit").values():
        total = EXACT.add(total, amount)
    return total


def check_held(checkpoint: Checkpoint, held: list[Checkpoint]) -> None:
    """It is one of those that you hold: else there may be a second set of books."""
    found = next((one for one in held if one.size == checkpoint.size), None)
    if found is None:
        newer = "is newer than all" if checkpoint.size > held[-1].size else "is not among those"
        raise Wrong(f"the checkpoint of size {checkpoint.size} {newer} that you hold")
    if (found.origin, found.root) != (checkpoint.origin, checkpoint.root):
        raise Wrong(f"the checkpoint of size {checkpoint.size} is not the one that you hold")


def told_of(posting: dict[str, Any]) -> str:
    """As it is hashed. What is only pending is not paid."""
    told = f"{posting['side']} {posting['account']} {posting['amount']} {posting['currency']}"
    told += "" if posting["layer"] == "posted" else f", {posting['layer']}"
    return f"{told}, released" if posting["releases"] else told


# --- That one checkpoint follows another, and one key another ---------------------------------------------------------


def check_two(answer: dict[str, Any], keys: dict[bytes, Key]) -> tuple[Checkpoint, Checkpoint]:
    """An answer of `/v1/checkpoints/consistency`."""
    first, second = (read_note(answer[name]["note"], keys) for name in ("first", "second"))
    if first.origin != second.origin:
        raise Wrong("the checkpoints are of two ledgers")
    check_consistency(first.size, first.root, second.size, second.root, [bytes.fromhex(one) for one in answer["proof"]])
    return first, second


def follow_keys(answer: dict[str, Any], held: dict[bytes, Key]) -> list[str]:
    """Of an answer of `/v1/checkpoints/keys`, those to which the keys that you hold lead, the oldest first."""
    trusted = {key.public for key in held.values()}
    names = {key.name for key in held.values()}
    by_id = {key["id"]: key for key in answer["data"]}
    found = []
    for key in reversed(answer["data"]):
        public, endorser = decoded(key["public_key"]), by_id.get(key["endorser_id"])
        if public not in trusted and endorser is not None and decoded(endorser["public_key"]) in trusted:
            text = f"zerosum checkpoint key v1\n{key['algorithm']}\n{public.hex()}\n"
            try:
                Ed25519PublicKey.from_public_bytes(decoded(endorser["public_key"])).verify(
                    decoded(key["endorsement"]), text.encode()
                )
            except InvalidSignature:
                raise Wrong(f"the endorsement of the key {key['id']} is forged") from None
            trusted.add(public)
        if public in trusted:
            own = read_key(key["verifier_key"])
            if own.public != public:
                raise Wrong(f"the key {key['id']} is told in two ways")
            if own.name not in names:
                raise Wrong(f"the key {key['id']} is told under a name that you hold no key of")
            found.append(key["verifier_key"])
    return found


# --- A whole ledger --------------------------------------------------------------------------------------------------


@dataclass
class Account:
    """As far as its postings were walked. `waiting` are those that came before one that they follow."""

    type: str
    currency: str
    code: str
    version: int = 0
    revision: int = 0
    history: bytes = b""
    head: bytes = b""
    debits: Decimal = Decimal(0)
    credits: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    waiting: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def is_asset_like(self) -> bool:
        return self.type in ("asset", "expense")

    @property
    def balance(self) -> Decimal:
        difference = EXACT.subtract(self.debits, self.credits)
        return difference if self.is_asset_like else difference.copy_negate()


class Export:
    """Reads an export line by line, and keeps what is wrong."""

    def __init__(self, keys: dict[bytes, Key], log: Iterable[Checkpoint]) -> None:
        self.keys = keys
        self.log = {one.size: one for one in log}
        self.tree = Tree()
        self.ledger = ""
        self.accounts: dict[str, Account] = {}
        self.entries = 0
        self.faults: list[str] = []
        self.last: Checkpoint | None = None
        self.is_whole = False

    def wrong(self, what: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(what)

    def take(self, line: dict[str, Any]) -> None:
        if self.is_whole:
            raise Unreadable("something stands behind the end of the export")
        kind = line["is"]
        if kind == "export":
            if self.ledger or line["version"] != 1:
                raise Unreadable("this is no export of a version that is known here")
            self.ledger = line["ledger"]
        elif kind == "account":
            if line["id"] in self.accounts:
                raise Unreadable(f"the account {line['id']} is there twice")
            self.accounts[line["id"]] = Account(
                line["type"], line["currency"], line["code"], head=genesis(self.ledger, line["id"])
            )
        elif kind == "entry":
            self.take_entry({name: value for name, value in line.items() if name != "is"})
        elif kind == "revision":
            self.take_revision(line)
        elif kind == "seal":
            self.tree.append(leaf_of_seal(line["kind"], line["number"], bytes.fromhex(line["hash"])))
        elif kind == "checkpoint":
            self.take_checkpoint(line["note"])
        elif kind == "end":
            self.end(line)
        else:
            raise Unreadable(f"nobody knows what a {kind} is")

    def take_entry(self, entry: dict[str, Any]) -> None:
        self.entries += 1
        try:
            check_entry(self.ledger, entry)
        except Wrong as error:
            self.wrong(str(error))
        self.tree.append(leaf_of_entry(entry))
        for posting in entry["postings"]:
            account = self.accounts.get(posting["account"])
            if account is None:
                self.wrong(f"{entry['id']}: there is no account {posting['account']}")
                continue
            if posting["account_version"] <= account.version or posting["account_version"] in account.waiting:
                self.wrong(f"{posting['account']}: version {posting['account_version']} is there twice")
            account.waiting[posting["account_version"]] = posting
            while account.version + 1 in account.waiting:
                self.walk(account, account.waiting.pop(account.version + 1))

    def walk(self, account: Account, posting: dict[str, Any]) -> None:
        here = f"{posting['account']} version {posting['account_version']}"
        amount = Decimal(posting["amount"])
        if posting["previous_hash"] not in (None, account.head.hex()):
            self.wrong(f"{here}: it does not follow the posting before it")
        if posting["currency"] != account.currency:
            self.wrong(f"{here}: it is in another currency than its account")
        if posting["layer"] == "posted":
            if posting["side"] == "debit":
                account.debits = EXACT.add(account.debits, amount)
            else:
                account.credits = EXACT.add(account.credits, amount)
        elif (posting["side"] == "debit") != account.is_asset_like:
            account.held = EXACT.add(account.held, amount.copy_negate() if posting["releases"] else amount)
        if (Decimal(posting["balance_after"]), Decimal(posting["held_after"])) != (account.balance, account.held):
            self.wrong(f"{here}: the running balance is not the sum of the postings")
        account.version, account.head = posting["account_version"], bytes.fromhex(posting["hash"])

    def take_revision(self, line: dict[str, Any]) -> None:
        account = self.accounts.get(line["account"])
        if account is None:
            self.wrong(f"there is no account {line['account']}")
        elif line["revision"] <= account.revision:
            self.wrong(f"{line['account']}: revision {line['revision']} comes late")
        else:
            self.take_history(account, line)
        self.tree.append(leaf_of_revision(line["account"], line["revision"], bytes.fromhex(line["hash"])))

    def take_history(self, account: Account, line: dict[str, Any]) -> None:
        """What is said of the account is what was signed."""
        here, given, said = f"{line['account']}: revision {line['revision']}", line["previous_hash"], line["said"]
        previous = first_of_history(self.ledger, line["account"]) if given is None else bytes.fromhex(given)
        if (given is None) != (line["revision"] == 1) or revision_hash(previous, line["revision"], said).hex() != line[
            "hash"
        ]:
            self.wrong(f"{here} does not follow from what it says")
        if account.revision == line["revision"] - 1 and account.revision and previous != account.history:
            self.wrong(f"{here} does not follow the one before it")
        if (said["code"], said["type"], said["currency"]) != (account.code, account.type, account.currency):
            self.wrong(f"{here} says another code, type or currency than the account")
        account.revision, account.history = line["revision"], bytes.fromhex(line["hash"])

    def take_checkpoint(self, note: str) -> None:
        try:
            one = read_note(note, self.keys)
        except Wrong as error:
            self.wrong(str(error))
            return
        if one.origin != f"zerosum/{self.ledger}":
            self.wrong(f"the checkpoint of size {one.size} is of another ledger")
        self.compare(one)
        kept = self.log.pop(one.size, None)
        if kept is not None:
            self.compare(kept)
        self.last = one

    def compare(self, one: Checkpoint) -> None:
        if (one.size, one.root) != (self.tree.size, self.tree.root()):
            self.wrong(f"what is exported does not make the root of the checkpoint of size {one.size}")

    def end(self, line: dict[str, Any]) -> None:
        self.is_whole = True
        if (line["entries"], line["size"]) != (self.entries, self.tree.size):
            self.wrong("there are not as many entries and leaves as the export says")
        if self.last is None or self.last.size != self.tree.size:
            self.wrong("no checkpoint is over all that is exported")
        for name, account in self.accounts.items():
            if account.waiting:
                self.wrong(f"{name}: version {account.version + 1} is missing")
        for size in self.log:
            self.wrong(f"the checkpoint of size {size} that you hold is not in the export")
        for currency, total in self.totals().items():
            if total:
                self.wrong(f"debits and credits of {currency} differ by {total}")

    def totals(self) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for account in self.accounts.values():
            difference = EXACT.subtract(account.debits, account.credits)
            found[account.currency] = EXACT.add(found.get(account.currency, Decimal(0)), difference)
        return found


def read_lines(path: str) -> Iterator[dict[str, Any]]:
    with Path(path).open(encoding="utf-8") as file:
        number = 0
        while line := file.readline(LINE_MAX):
            number += 1
            if len(line) >= LINE_MAX:
                raise Unreadable(f"{path}: line {number} is too long")
            yield read_json(line, f"{path}: line {number}")


def check_export(path: str, keys: dict[bytes, Key], log: Iterable[Checkpoint]) -> Export:
    export = Export(keys, log)
    for line in read_lines(path):
        export.take(line)
    if not export.is_whole:
        raise Unreadable(f"{path}: the export is cut off")
    return export


# --- A mirror of a log (C2SP tlog-tiles) -----------------------------------------------------------------------------

TILE_HASHES = 256
HASH_BYTES = 32
NOTE_BYTES_MAX = 64 * 1024
SIZE_MAX = 1 << 63
FETCH_SECONDS_MAX = 30
FETCHES_AT_ONCE = 8
TILES_AHEAD = 64
EVIDENCE_MAX = 100
"""Checkpoints that are kept because they are wrong."""


@dataclass(frozen=True)
class Tile:
    """`width` hashes that lie side by side; a full one has 256 and never changes."""

    level: int
    place: int
    width: int = TILE_HASHES

    @property
    def path(self) -> str:
        parts, above = [f"{self.place % 1000:03d}"], self.place // 1000
        while above:
            parts.append(f"x{above % 1000:03d}")
            above //= 1000
        partial = "" if self.width == TILE_HASHES else f".p/{self.width}"
        return f"tile/{self.level}/{'/'.join(reversed(parts))}{partial}"


class Stay(HTTPRedirectHandler):
    """What is asked for lies where the caller has said, and nowhere else: a redirection is an error."""

    def redirect_request(self, *_: Any) -> None:
        return None


STAYING = build_opener(Stay)


class Served:
    """A log as it is published: below an address, or in a folder."""

    def __init__(self, where: str) -> None:
        self.where = where.rstrip("/")
        self.is_web = where.startswith(("http://", "https://"))

    def get(self, path: str, length_max: int) -> bytes | None:
        """None where it is not there."""
        content = self.read_web(path, length_max) if self.is_web else self.read_file(path, length_max)
        if content is not None and len(content) > length_max:
            raise Unreadable(f"{path} is longer than it can be")
        return content

    def read_file(self, path: str, length_max: int) -> bytes | None:
        file = Path(self.where, path)
        if not file.is_file():
            return None
        with file.open("rb") as opened:
            return opened.read(length_max + 1)

    def read_web(self, path: str, length_max: int) -> bytes | None:
        request = Request(f"{self.where}/{path}", headers={"User-Agent": "zerosum-mirror"})  # noqa: S310 - it was looked at
        try:
            with STAYING.open(request, timeout=FETCH_SECONDS_MAX) as answer:
                content = bytes(answer.read(length_max + 1))
                if answer.length and len(content) <= length_max:
                    raise Unreadable(f"{path}: the connection was cut")
                return content
        except HTTPError as error:
            if error.code in (403, 404, 410):  # An object store tells a stranger 403 of what is not there.
                return None
            raise
        except HTTPException as error:
            raise Unreadable(f"{path}: {type(error).__name__}") from None

    def tile(self, tile: Tile) -> bytes:
        """A partial one may have been taken away once it was full: then it is the beginning of that."""
        length = tile.width * HASH_BYTES
        content = self.get(tile.path, length)
        if content is None and tile.width < TILE_HASHES:
            full = self.get(Tile(tile.level, tile.place).path, TILE_HASHES * HASH_BYTES)
            content = None if full is None else full[:length]
        if content is None:
            raise Unreadable(f"{tile.path} is not there")
        if len(content) != length:
            raise Wrong(f"{tile.path} has not as many hashes as the signed tree")
        return content


def hashes_in(content: bytes) -> list[bytes]:
    return [content[start : start + HASH_BYTES] for start in range(0, len(content), HASH_BYTES)]


def root_of_full(hashes: list[bytes]) -> bytes:
    """Of as many as a power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2])]  # noqa: B905 - older Pythons
    return hashes[0]


def root_from_edge(edge: dict[int, bytes]) -> bytes:
    """From the hashes at the right edge of the tree, by level: those of the partial tile there."""
    parts: list[bytes] = []
    for level in sorted(edge, reverse=True):
        hashes = hashes_in(edge[level])
        while hashes:
            number = 1 << (len(hashes).bit_length() - 1)
            parts.append(root_of_full(hashes[:number]))
            hashes = hashes[number:]
    found = parts[-1]
    for one in reversed(parts[:-1]):
        found = node_hash(one, found)
    return found


def edge_of(size: int) -> Iterator[Tile]:
    """The partial tiles of the tree, from below: they lead to its root."""
    level = 0
    while size:
        if size % TILE_HASHES:
            yield Tile(level, size // TILE_HASHES, size % TILE_HASHES)
        level, size = level + 1, size // TILE_HASHES


class Mirror:
    """Copies what a log has more than the mirror. Each hash is led to the root that was signed before it is kept."""

    def __init__(self, served: Served, folder: Path, new: Checkpoint, old: Checkpoint | None) -> None:
        self.served = served
        self.folder = folder
        self.new = new
        self.old = old
        self.right: dict[tuple[int, int], bytes] = {}
        """Tiles that were found right, by level and place: those at the edge, and of each level the last one."""
        self.edge: set[tuple[int, int]] = set()
        self.ahead: dict[Tile, bytes] = {}

    def run(self) -> int:
        """How many tiles were copied."""
        if self.old is not None and self.new.size < self.old.size:
            self.refuse(f"the log has shrunk from {self.old.size} to {self.new.size} leaves")
        if self.old is not None and self.new.size == self.old.size:
            if self.new.root != self.old.root:
                self.refuse(f"the log has two roots of {self.old.size} leaves")
            return 0
        for tile in edge_of(self.new.size):
            self.right[tile.level, tile.place] = self.served.tile(tile)
            self.edge.add((tile.level, tile.place))
        edge = {level: content for (level, _), content in self.right.items()}
        if root_from_edge(edge) != self.new.root:
            raise Wrong(f"the tiles do not make the root of the checkpoint of size {self.new.size}")
        if self.old is not None:
            edge = {
                one.level: self.tile(one.level, one.place)[: one.width * HASH_BYTES] for one in edge_of(self.old.size)
            }
            if root_from_edge(edge) != self.old.root:
                self.refuse(f"the log of size {self.new.size} did not begin as that of size {self.old.size}")
        return self.copy(0 if self.old is None else self.old.size)

    def tile(self, level: int, place: int) -> bytes:
        """As the signed tree has it."""
        found = self.right.get((level, place))
        if found is None:
            above = self.tile(level + 1, place // TILE_HASHES)
            start = place % TILE_HASHES * HASH_BYTES
            found = self.full(Tile(level, place), above[start : start + HASH_BYTES])
            last = [key for key in self.right if key[0] == level and key not in self.edge]
            for key in last:
                del self.right[key]
            self.right[level, place] = found
        return found

    def full(self, tile: Tile, told: bytes) -> bytes:
        """It may be here since a run that was cut short."""
        here, ahead = self.here(tile), self.ahead.pop(tile, None)
        if here is not None and root_of_full(hashes_in(here)) == told:
            return here
        found = self.served.tile(tile) if ahead is None else ahead
        if root_of_full(hashes_in(found)) != told:
            raise Wrong(f"{tile.path} is not what was signed")
        return found

    def here(self, tile: Tile) -> bytes | None:
        path = self.folder / tile.path
        found = path.read_bytes() if path.is_file() else b""
        return found if len(found) == tile.width * HASH_BYTES else None

    def copy(self, old: int) -> int:
        """From above, so that what a tile is held against is at hand. The checkpoint comes last."""
        copied: list[Tile] = []
        levels = max(level for level, _ in self.edge)
        with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
            for level in range(levels, -1, -1):
                shift = 8 * (level + 1)
                places = range(old >> shift, self.new.size >> shift)
                for start in range(0, len(places), TILES_AHEAD):
                    some = [Tile(level, place) for place in places[start : start + TILES_AHEAD]]
                    missing = [
                        one for one in some if (one.level, one.place) not in self.right and self.here(one) is None
                    ]
                    self.ahead = dict(zip(missing, pool.map(self.served.tile, missing)))  # noqa: B905 - older Pythons
                    for one in some:
                        self.write(one.path, self.tile(one.level, one.place))
                    copied += some
        edge = list(edge_of(self.new.size))
        for one in edge:
            self.write(one.path, self.right[one.level, one.place])
        note = self.new.note.encode()
        self.write(f"seen/{self.new.size:020d}", note + b"\n")
        self.write("checkpoint", note)
        for one in copied:
            shutil.rmtree(self.folder / f"{one.path}.p", ignore_errors=True)
        return len(copied) + len(edge)

    def write(self, path: str, content: bytes) -> None:
        """As a whole or not at all, and on the disk."""
        file = self.folder / path
        if file.is_file() and file.read_bytes() == content:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.new")
        with new.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)

    def refuse(self, what: str) -> NoReturn:
        """Both checkpoints are signed: that is the proof, with the tiles that lead to the new root as far as known."""
        assert self.old is not None
        kind = "shrunk" if self.new.size < self.old.size else "fork"  # The one may be told often, the other never.
        told = (
            f"{self.new.origin}\n{self.new.size}\n{self.new.root.hex()}"  # What is signed: anybody may add to a note.
        )
        name, kept = f"evidence/{kind}-{sha256(told.encode()).hexdigest()[:16]}", self.folder / "evidence"
        if not (self.folder / name).is_dir() and len(list(kept.glob(f"{kind}-*"))) >= EVIDENCE_MAX:
            raise Wrong(f"{what}; {EVIDENCE_MAX} such checkpoints are kept in {kept}, and nothing is changed")
        for (level, place), content in self.right.items():
            self.write(f"{name}/{Tile(level, place, len(content) // HASH_BYTES).path}", content)
        self.write(f"{name}/held", self.old.note.encode())
        self.write(f"{name}/checkpoint", self.new.note.encode())
        raise Wrong(f"{what}; both checkpoints are kept in {self.folder / name}, and nothing else is changed")


def mirror(source: str, folder: str, keys: dict[bytes, Key]) -> tuple[Checkpoint, int]:
    """What is mirrored now, and how many tiles were copied for it."""
    served, held = Served(source), Path(folder, "checkpoint")
    old = read_note(held.read_text("utf-8"), keys) if held.is_file() else None
    content = served.get("checkpoint", NOTE_BYTES_MAX)
    if content is None:
        raise Unreadable(f"{source}: there is no checkpoint")
    new = read_note(content.decode("utf-8"), keys)
    if not 0 < new.size < SIZE_MAX:
        raise Unreadable(f"{source}: the checkpoint is of no tree")
    if old is not None and old.origin != new.origin:
        raise Wrong(f"the mirror is of {old.origin}, and the log is {new.origin}")
    return new, Mirror(served, Path(folder), new, old).run()


# --- The command -----------------------------------------------------------------------------------------------------


def tell_receipt(receipt: dict[str, Any], checkpoint: Checkpoint, outcome: str | None) -> None:
    """With those whom its settlement has paid, where it has one."""
    entry, settlement = receipt["entry"], receipt.get("settlement")
    paid = [] if settlement is None else settlement["entry"]["postings"]
    print(shown(f"{entry['id']}: right, under the checkpoint of size {checkpoint.size}, {checkpoint.sealed_at}"))
    print(shown(f"{entry['reason']}, posted at {entry['posted_at']}"))
    for posting in (*entry["postings"], *(one for one in paid if one["layer"] == "posted")):
        print(shown(told_of(posting)))
    if outcome is not None:
        print(shown(outcome))


def run(arguments: argparse.Namespace) -> list[str]:
    """What is wrong; what is right is printed."""
    keys = read_keys(arguments.key)
    if arguments.command == "receipt":
        receipt = read_json(Path(arguments.file).read_text("utf-8"), arguments.file)
        checkpoint = check_receipt(receipt, keys)
        if arguments.checkpoints:
            check_held(checkpoint, read_log(arguments.checkpoints, keys))
        tell_receipt(receipt, checkpoint, outcome_of(receipt, checkpoint))
        return []
    if arguments.command == "checkpoints":
        log = read_log(arguments.file, keys)
        faults = check_export(arguments.export, keys, log).faults if arguments.export else []
        if not faults:
            print(f"{log[-1].origin}: right, {len(log)} checkpoints up to size {log[-1].size}, {log[-1].sealed_at}")
        return faults
    if arguments.command == "consistency":
        first, second = check_two(read_json(Path(arguments.file).read_text("utf-8"), arguments.file), keys)
        print(f"{first.origin}: right, the log of size {second.size} began as that of size {first.size}")
        return []
    if arguments.command == "keys":
        for text in follow_keys(read_json(Path(arguments.file).read_text("utf-8"), arguments.file), keys):
            print(text)
        return []
    if arguments.command == "mirror":
        checkpoint, tiles = mirror(arguments.source, arguments.folder, keys)
        print(shown(f"{checkpoint.origin}: right, mirrored to size {checkpoint.size}, {tiles} tiles were copied"))
        return []
    export = check_export(arguments.file, keys, read_log(arguments.checkpoints, keys) if arguments.checkpoints else ())
    if not export.faults and export.last is not None:
        counted = f"{export.entries} entries, {len(export.accounts)} accounts"
        print(shown(f"{export.ledger}: right, {counted}, {export.last.sealed_at}"))
        if arguments.balances:
            for name, account in export.accounts.items():
                told = f"{name} {account.code} {account.balance:f} {account.currency} held {account.held:f}"
                print(shown(told if account.revision else f"{told} (what it is called is not in the log)"))
    return export.faults


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("receipt", "a receipt of a payment or an entry"),
        ("checkpoints", "a log of signed checkpoints"),
        ("export", "an export of a whole ledger"),
        ("consistency", "that one checkpoint follows another"),
        ("keys", "to which keys those that you hold lead; they are printed"),
        ("mirror", "copy a log that is published as tiles, and prove that it has only grown"),
    ):
        command = commands.add_parser(name, help=what)
        for argument in ("source", "folder") if name == "mirror" else ("file",):
            command.add_argument(argument)
        command.add_argument("--key", action="append", required=True, help="a public key, or a file of them")
        if name in ("receipt", "export"):
            command.add_argument("--checkpoints", help="a log of checkpoints that you hold")
    commands.choices["checkpoints"].add_argument("--export", help="an export that each of them must be in")
    commands.choices["export"].add_argument("--balances", action="store_true", help="show each account's balance")
    arguments = parser.parse_args(argv)
    try:
        faults = run(arguments)
    except Wrong as error:
        faults = [str(error)]
    except (Unreadable, OSError, UnicodeError) as error:
        print(shown(f"cannot be read: {error}"), file=sys.stderr)
        return 2
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        print(shown(f"cannot be read: {type(error).__name__} {error}"), file=sys.stderr)
        return 2
    for fault in faults:
        print(shown(f"WRONG: {fault}"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
