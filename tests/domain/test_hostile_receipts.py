"""The stand-alone verifier before what somebody has made up: what no hash is over is not called right, and it ends."""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zerosum.adapters.clock import now
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.proof_log.note import Statement, signed_note, verifier_key
from zerosum.verifier import standalone
from zerosum.verifier.standalone import Tree

UUIDS = [f"01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e9{digit}" for digit in range(5)]
LEDGER, ENTRY, *ACCOUNTS = f"led_{UUIDS[0]}", f"je_{UUIDS[1]}", f"acc_{UUIDS[2]}", f"acc_{UUIDS[3]}"
PRIVATE = Ed25519PrivateKey.generate()
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = verifier_key(f"zerosum/{LEDGER}", 1, PUBLIC)


def note(size: int, root: bytes, ledger: str = LEDGER) -> str:
    told = Statement(ledger_id=LedgerId(UUID(ledger[4:])), size=size, root=root, sealed_at=now())
    return signed_note(told, 1, PUBLIC, PRIVATE.sign(told.text.encode()))


def receipt_of(*others: bytes, layer: str = "posted") -> dict[str, Any]:
    """A right one: an entry as the last leaf behind these."""
    entry: dict[str, Any] = {
        "id": ENTRY, "effective_at": "2026-11-28T12:00:00.000000Z", "posted_at": "2026-11-28T12:00:00.000000Z",
        "reverses": None, "fingerprint": "00", "resource_type": "payment", "resource_id": None,
        "idempotency_key": "once", "actor": "key", "reason": "payment", "metadata": {}, "late": None,
    }  # fmt: skip
    digest = standalone.entry_digest(LEDGER, entry)
    entry["postings"] = []
    for place, (account, side) in enumerate(zip(ACCOUNTS, ("debit", "credit"), strict=True)):
        posting: dict[str, Any] = {
            "account": account, "account_version": 1, "side": side, "layer": layer, "releases": False,
            "amount": "10.00", "currency": "USD", "hold": None, "balance_after": "10.00", "held_after": "0.00",
            "previous_hash": None,
        }  # fmt: skip
        previous = standalone.genesis(LEDGER, account)
        posting["hash"] = standalone.posting_hash(previous, digest, place, posting).hex()
        entry["postings"].append(posting)
    tree = Tree()
    for other in others:
        tree.append(other)
    left = [hash_.hex() for _, hash_ in reversed(tree.parts)]
    tree.append(standalone.leaf_of_entry(entry))
    return {
        "ledger": LEDGER, "entry": entry, "place": tree.size - 1, "proof": left,
        "checkpoint": {"note": note(tree.size, tree.root())},
    }  # fmt: skip


def checked(folder: Path, receipt: Any, *further: str) -> int:
    path = folder / "receipt.json"
    path.write_text(receipt if isinstance(receipt, str) else json.dumps(receipt))
    return standalone.main(["receipt", str(path), "--key", KEY, *further])


@pytest.mark.parametrize("number", range(5))
def test_a_right_one_is_right(tmp_path: Path, number: int) -> None:
    assert checked(tmp_path, receipt_of(*[bytes([one]) * 32 for one in range(number)])) == 0


def test_what_is_right_is_told_as_it_was_hashed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, receipt_of(layer="pending")) == 0
    first, *told = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{ENTRY}: right, under the checkpoint of size 1, ")
    assert told == [
        "payment, posted at 2026-11-28T12:00:00.000000Z",
        f"debit {ACCOUNTS[0]} 10.00 USD, pending",
        f"credit {ACCOUNTS[1]} 10.00 USD, pending",
    ]


FORGED: dict[str, Callable[[Any], object]] = {
    "an entry called otherwise": lambda one: one["entry"].update(id=f"A million for Eve (je_{UUIDS[1]}"),
    "a payment's id": lambda one: one["entry"].update(id=f"pay_{UUIDS[1]}"),
    "an account called otherwise": lambda one: one["entry"]["postings"][0].update(account=f"Eve acc_{UUIDS[2]}"),
    "a word about the entry": lambda one: one["entry"].update(paid_to="Eve"),
    "a word about a posting": lambda one: one["entry"]["postings"][1].update(name="Eve"),
    "a reversal of something": lambda one: one["entry"].update(reverses="_"),
    "no such ledger": lambda one: one.update(ledger=f"led_{UUIDS[4]}"),
    "a place below": lambda one: one.update(place=-1),
    "a place that is no number": lambda one: one.update(place="1"),
    "a place between": lambda one: one.update(place=1.0),
    "a proof in parts": lambda one: one.update(proof=[one["proof"][0][:32], one["proof"][0][32:]]),
    "half a hash": lambda one: one.update(proof=[one["proof"][0][:32]]),
    "no proof": lambda one: one.update(proof=[]),
    "no postings": lambda one: one["entry"].update(postings=[]),
    "a tree of nothing": lambda one: one["checkpoint"].update(note=note(0, bytes(32))),
    "a tree of one": lambda one: one["checkpoint"].update(note=note(1, bytes(32))),
    "a size in other digits": lambda one: one["checkpoint"].update(
        note=one["checkpoint"]["note"].replace("\n2\n", "\n\N{SUPERSCRIPT TWO}\n")
    ),
    "a node in the place of a leaf": lambda one: one.update(place=0),
    "half a sign": lambda one: one["entry"].update(reason="\ud800"),
    "a number without end": lambda one: one["entry"]["postings"][0].update(amount="1E+999999999"),
    "no text": lambda one: one["checkpoint"].update(note=7),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_was_made_up_is_not_right(tmp_path: Path, name: str) -> None:
    receipt = copy.deepcopy(receipt_of(b"1" * 32))
    FORGED[name](receipt)
    assert checked(tmp_path, receipt) in (1, 2)


def entry_of(*lines: tuple[str, str, str], **members: Any) -> dict[str, Any]:
    """With postings of 10.00 each: whose, on which side, and in which layer."""
    entry: dict[str, Any] = receipt_of()["entry"] | members
    digest = standalone.entry_digest(LEDGER, entry)
    frees, hold = members["resource_id"] is not None, f"hold_{UUIDS[1]}"
    entry["postings"] = [
        entry["postings"][0] | {
            "account": account, "side": side, "layer": layer, "hold": hold if layer == "pending" else None,
            "releases": frees and layer == "pending",
        }
        for account, side, layer in lines
    ]  # fmt: skip
    for place, posting in enumerate(entry["postings"]):
        previous = standalone.genesis(LEDGER, posting["account"])
        posting["hash"] = standalone.posting_hash(previous, digest, place, posting).hex()
    return entry


def settled(kind: str, freed: tuple[str, str], paid: tuple[str, str]) -> dict[str, Any]:
    """Of what was pending from the first account to the second one: from whom to whom it was freed, and paid."""
    asked = [(ACCOUNTS[0], "debit", "pending"), (ACCOUNTS[1], "credit", "pending")]
    sides = ("debit", "credit")
    lines = [
        *((account, side, "pending") for account, side in zip(freed, sides, strict=True)),
        *((account, side, "posted") for account, side in zip(paid, sides, strict=True)),
    ]
    first = entry_of(*asked, resource_type=kind, resource_id=None, reason=f"{kind} proposed")
    told = {"resource_type": kind, "resource_id": UUIDS[1], "reason": f"{kind} approved", "id": f"je_{UUIDS[4]}"}
    last = entry_of(*lines, **told)
    leaves = [standalone.leaf_of_entry(one) for one in (first, last)]
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return {
        "ledger": LEDGER, "entry": first, "place": 0, "proof": [leaves[1].hex()],
        "settlement": {"entry": last, "place": 1, "proof": [leaves[0].hex()]},
        "checkpoint": {"note": note(2, tree.root())},
    }  # fmt: skip


OTHER, ANOTHER = f"acc_{UUIDS[4]}", f"acc_{UUIDS[0]}"
OWN = (ACCOUNTS[0], ACCOUNTS[1])


@pytest.mark.parametrize(
    ("kind", "freed", "paid", "code"),
    [
        ("payment", OWN, OWN, 0),
        ("payment", (OTHER, ACCOUNTS[1]), (OTHER, ACCOUNTS[1]), 0),  # It went on to another processor.
        ("payment", OWN, (ACCOUNTS[0], OTHER), 1),
        ("payment", (OTHER, ANOTHER), (OTHER, ANOTHER), 1),
        ("refund", OWN, OWN, 0),
        ("refund", (OTHER, ACCOUNTS[1]), (OTHER, ACCOUNTS[1]), 1),
    ],
)
def test_a_settlement_pays_those_for_whom_it_was_pending_and_says_whom(
    kind: str,
    freed: tuple[str, str],
    paid: tuple[str, str],
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert checked(tmp_path, settled(kind, freed, paid)) == code
    said = capsys.readouterr().out.splitlines()
    if code:
        assert said == ["WRONG: the settlement is of somebody else"]
    else:
        assert f"credit {paid[1]} 10.00 USD" in said[4:-1]
        assert "10.00 of 10.00 USD" in said[-1]


def test_what_cannot_be_read_ends_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.dumps(receipt_of())
    twice = whole.replace('"amount": "10.00"', '"amount": "999.00", "amount": "10.00"')
    for text in ("[" * 200_000, whole[:-1], "[]", "7", '{"place": ' + "9" * 5_000 + "}", twice, ""):
        assert checked(tmp_path, text) == 2
        said = capsys.readouterr().err
        assert said.startswith("cannot be read: "), said
        assert said.count("\n") == 1


def test_what_is_said_makes_no_lines_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = receipt_of()
    receipt["entry"]["\x1b[2Jx\nje_1: right"] = 1
    assert checked(tmp_path, receipt) == 1
    out = capsys.readouterr().out
    assert (out.count("\n"), "\x1b" in out) == (1, False)


def test_a_receipt_under_a_checkpoint_that_is_not_held_is_not_right(tmp_path: Path) -> None:
    receipt, log = receipt_of(b"1" * 32), tmp_path / "log"
    own = receipt["checkpoint"]["note"]
    for held, code in (([own], 0), ([note(1, bytes(32)), own], 0), ([note(1, bytes(32))], 1),
                       ([note(1, bytes(32)), note(3, bytes(32))], 1), ([note(2, bytes(32))], 1)):  # fmt: skip
        log.write_text("".join(f"{one}\n" for one in held))
        assert checked(tmp_path, receipt, "--checkpoints", str(log)) == code


def key_told(private: Ed25519PrivateKey, number: int, name: str, **further: Any) -> dict[str, Any]:
    public = private.public_key().public_bytes_raw()
    told = {"id": f"cpk_{number}", "algorithm": 1, "public_key": b64encode(public).decode(), "endorser_id": None,
            "endorsement": None, "verifier_key": verifier_key(name, 1, public)}  # fmt: skip
    return {**told, **further}


def test_keys_lead_only_to_what_was_vouched_for_under_the_name_that_is_held(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second, name = Ed25519PrivateKey.generate(), f"zerosum/{LEDGER}"
    text = f"zerosum checkpoint key v1\n1\n{second.public_key().public_bytes_raw().hex()}\n".encode()
    vouched = {"endorser_id": "cpk_1", "endorsement": b64encode(PRIVATE.sign(text)).decode()}

    def followed(*keys: dict[str, Any]) -> tuple[int, list[str]]:
        (tmp_path / "keys.json").write_text(json.dumps({"data": keys}))
        capsys.readouterr()
        code = standalone.main(["keys", str(tmp_path / "keys.json"), "--key", KEY])
        return code, capsys.readouterr().out.splitlines()

    old, new = key_told(PRIVATE, 1, name), key_told(second, 2, name, **vouched)
    assert followed(new, old) == (0, [KEY, new["verifier_key"]])
    assert (
        followed(key_told(second, 2, name, endorser_id="cpk_1", endorsement=b64encode(bytes(64)).decode()), old)[0] == 1
    )
    assert followed(key_told(second, 2, name, endorser_id="cpk_2", endorsement=vouched["endorsement"]), old) == (
        0,
        [KEY],
    )
    assert followed(key_told(second, 2, f"zerosum/led_{UUIDS[4]}", **vouched), old)[0] == 1
    (tmp_path / "own").write_text(KEY)
    assert followed({**old, "verifier_key": str(tmp_path / "own")})[0] == 2
