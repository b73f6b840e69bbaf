"""Checkpoints, receipts and consistency proofs by HTTP, checked by the stand-alone verifier."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.api.sealing import sealing_of
from tests.webhooks.conftest import until
from zerosum.adapters.clock import now
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.proof_log.note import verifier_key
from zerosum.main import Service
from zerosum.services.proof_log.sealing import CheckpointSealing
from zerosum.verifier import standalone


def checked(folder: Path, receipt: Any, key: str) -> int:
    """The exit code of the stand-alone verifier."""
    path = folder / "receipt.json"
    path.write_text(json.dumps(receipt))
    return standalone.main(["receipt", str(path), "--key", key])


async def receipt_of(client: Client, sealing: CheckpointSealing, path: str) -> dict[str, Any]:
    """Once it is sealed: until then it is said that it is not yet."""

    async def look() -> Any:
        await sealing.seal(parse_id(Prefix.LEDGER, client.ledger))
        answer = await client.get(path)
        assert answer.status_code in (200, 409), answer.text
        return answer

    found: dict[str, Any] = (await until(look, lambda answer: answer.status_code == 200)).json()
    return found


async def test_a_payment_has_a_receipt_that_is_checked_offline(
    service: Service, client: Client, tmp_path: Path
) -> None:
    alice = await client.open_account("alice")
    paid = await client.deposit("alice", "10.00")
    early = await client.get(f"/v1/payments/{paid['id']}/receipt")
    assert (early.status_code, early.json()["code"]) == (409, "not_sealed_yet")
    assert early.headers["retry-after"] == "5"
    receipt = await receipt_of(client, sealing_of(service), f"/v1/payments/{paid['id']}/receipt")
    assert alice["id"] in [posting["account"] for posting in receipt["entry"]["postings"]]
    listed = (await client.get("/v1/checkpoints")).json()["data"]
    assert listed[0] == receipt["checkpoint"]
    assert (await client.get(f"/v1/checkpoints/{listed[0]['size']}")).json() == listed[0]
    key = (await client.get("/v1/checkpoints/keys")).json()["data"][0]
    assert key["verifier_key"] == receipt["verifier_key"]
    assert checked(tmp_path, receipt, key["verifier_key"]) == 0

    def forge(change: Callable[[Any], object]) -> int:
        forged = copy.deepcopy(receipt)
        change(forged)
        return checked(tmp_path, forged, key["verifier_key"])

    assert forge(lambda one: one["entry"]["postings"][0].update(amount="99.00")) == 1
    assert forge(lambda one: one["entry"].update(reason="another")) == 1
    assert forge(lambda one: one.update(place=0 if one["place"] else 1)) == 1
    assert forge(lambda one: one["proof"].append("00" * 32)) == 1
    assert forge(lambda one: one.update(proof=["00" * 32 for _ in one["proof"]])) == 1
    size = receipt["checkpoint"]["size"]
    assert forge(lambda one: one["checkpoint"].update(note=one["checkpoint"]["note"].replace(f"{size}", "9", 1))) == 1
    other = verifier_key(f"zerosum/{client.ledger}", 1, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert checked(tmp_path, receipt, other) == 1, "a key that is not the one you hold"
    assert checked(tmp_path, receipt, "no+key") == 2


async def ordered_outside(client: Client, said: dict[str, str] | None) -> dict[str, Any]:
    """A deposit through a processor, of which a person says what has become of it."""
    body = {"type": "deposit", "amount": "10.00", "currency": "USD", "to": "alice", "processor": "away"}
    payment: dict[str, Any] = (await client.pay(body)).json()
    if said is not None:
        answer = await client.post(f"/v1/processor-calls/{payment['id']}/settle", said, key=fresh_key())
        assert answer.status_code == 200, answer.text
    return payment


async def test_a_receipt_says_what_has_become_of_what_a_processor_was_asked_for(
    service: Service, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.open_account("alice")
    receipts, sealing = {}, sealing_of(service)
    for name, said in (
        ("part", {"outcome": "approved", "amount": "4.50", "reason": "seen"}),
        ("all", {"outcome": "approved", "reason": "seen"}),
        ("declined", {"outcome": "declined", "reason": "seen"}),
        ("pending", None),
    ):
        payment = await ordered_outside(client, said)
        receipts[name] = await receipt_of(client, sealing, f"/v1/payments/{payment['id']}/receipt")
        if said is not None:

            async def look(path: str = f"/v1/payments/{payment['id']}/receipt") -> Any:
                return await receipt_of(client, sealing, path)

            receipts[name] = await until(look, lambda receipt: receipt["settlement"] is not None)
    key = receipts["all"]["verifier_key"]

    def said_of(receipt: Any) -> str:
        capsys.readouterr()
        assert checked(tmp_path, receipt, key) == 0
        return capsys.readouterr().out.splitlines()[-1]

    assert said_of(receipts["part"]).startswith("paid: 4.50 of 10.00 USD, at ")
    assert said_of(receipts["all"]).startswith("paid: 10.00 of 10.00 USD, at ")
    assert said_of(receipts["declined"]).endswith(": nothing was paid")
    assert said_of(receipts["pending"]) == "pending: that it was paid is not proven"
    assert said_of(receipts["all"] | {"settlement": None}) == "pending: that it was paid is not proven"
    forged = copy.deepcopy(receipts["part"])
    for posting in forged["settlement"]["entry"]["postings"]:
        posting["amount"] = "10.00"
    assert checked(tmp_path, forged, key) == 1, "another amount"
    latest = {name: receipts["declined"][name] for name in ("settlement", "checkpoint")}
    assert checked(tmp_path, receipts["part"] | latest, key) == 1, "what has settled another"
    later = await receipt_of(client, sealing, f"/v1/journal-entries/{receipts['part']['entry']['id']}/receipt")
    for name in ("declined", "all"):
        other = await receipt_of(client, sealing, f"/v1/journal-entries/{receipts[name]['entry']['id']}/receipt")
        assert other["checkpoint"] == later["checkpoint"]
        assert checked(tmp_path, later | {"settlement": other["settlement"]}, key) == 1, "what has settled another"
    itself = {"settlement": {name: later[name] for name in ("entry", "place", "proof")}}
    assert checked(tmp_path, later | itself, key) == 1, "what has settled nothing"
    paid = await client.deposit("alice", "10.00")
    plain = await receipt_of(client, sealing, f"/v1/payments/{paid['id']}/receipt")
    assert plain["settlement"] is None
    assert checked(tmp_path, plain | itself, key) == 1, "what was never asked for"


async def test_keys_are_followed_from_the_one_that_is_held(
    service: Service, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = sealing_of(service).keys
    await keys.current(now())
    before = (await client.get("/v1/checkpoints/keys")).json()["data"]
    await keys.rotate(now())
    await keys.rotate(now())
    answer = (await client.get("/v1/checkpoints/keys")).json()
    assert [key["id"] for key in answer["data"][2:]] == [key["id"] for key in before]
    assert [key["ended_at"] is None for key in answer["data"][:3]] == [True, False, False]
    path, held = tmp_path / "keys.json", before[0]["verifier_key"]

    def followed() -> tuple[int, list[str]]:
        path.write_text(json.dumps(answer))
        capsys.readouterr()
        code = standalone.main(["keys", str(path), "--key", held])
        return code, capsys.readouterr().out.split("\n")[:-1]

    code, found = followed()
    assert (code, found[-2:]) == (0, [answer["data"][1]["verifier_key"], answer["data"][0]["verifier_key"]])
    answer["data"][0]["endorsement"] = answer["data"][1]["endorsement"]
    assert followed()[0] == 1, "an endorsement of another key"
    answer["data"][0]["endorser_id"] = None
    assert followed() == (0, found[:-1]), "nobody vouches for it"


async def test_a_checkpoint_is_shown_to_follow_another(service: Service, client: Client, tmp_path: Path) -> None:
    await client.open_account("alice")
    sealing = sealing_of(service)
    sizes = []
    for _ in range(4):
        paid = await client.deposit("alice", "1.00")
        entry = f"je_{paid['id'].removeprefix('pay_')}"
        sizes.append((await receipt_of(client, sealing, f"/v1/journal-entries/{entry}/receipt"))["checkpoint"]["size"])
    key = (await client.get("/v1/checkpoints/keys")).json()["data"][0]
    for old, new in itertools.combinations(sizes, 2):
        found = (await client.get("/v1/checkpoints/consistency", params={"from": old, "to": new})).json()
        roots = [bytes.fromhex(found[name]["root"]) for name in ("first", "second")]
        proof = [bytes.fromhex(one) for one in found["proof"]]
        standalone.check_consistency(old, roots[0], new, roots[1], proof)
        path = tmp_path / "consistency.json"
        path.write_text(json.dumps(found))
        assert standalone.main(["consistency", str(path), "--key", key["verifier_key"]]) == 0
        with pytest.raises(standalone.Wrong):
            standalone.check_consistency(old, roots[1], new, roots[0], proof)
    refused(
        await client.get("/v1/checkpoints/consistency", params={"from": sizes[1], "to": sizes[0]}),
        422,
        "invalid_parameter",
    )
    refused(await client.get("/v1/checkpoints/consistency", params={"from": 1, "to": 10**9}), 404, "not_found")
    refused(await client.get("/v1/checkpoints/999999"), 404, "not_found")
    older = await client.get(f"/v1/payments/{paid['id']}/receipt", params={"size": sizes[-1]})
    assert older.json()["checkpoint"]["size"] == sizes[-1]
    refused(await client.get(f"/v1/payments/{paid['id']}/receipt", params={"size": sizes[0]}), 404, "not_found")
    absent = "0" * 8 + "-0000-7000-8000-" + "0" * 12
    refused(await client.get(f"/v1/payments/pay_{absent}/receipt"), 404, "payment_not_found")
    refused(await client.get(f"/v1/journal-entries/je_{absent}/receipt"), 404, "journal_entry_not_found")
