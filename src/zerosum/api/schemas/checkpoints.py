"""Signed checkpoints, receipts and consistency proofs on the wire."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import Response, Time, id_field
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proof_log.checkpoints import Consistency, ShownCheckpoint, ShownKey
from zerosum.services.proof_log.receipts import Proven, Receipt

_HASH = "^[0-9a-f]{64}$"
_HASH_EXAMPLE = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
_NOTE_EXAMPLE = (
    "zerosum/led_…\n1042\nbjQLnP+zepicpUTma3gKLHiQHT+zNzh2hRGjBhevoB0=\nsealed_at …\n\n— zerosum/led_… sK8bZ…\n"
)

Hash = Annotated[
    str, Field(description="SHA-256 in hex.", examples=[_HASH_EXAMPLE], json_schema_extra={"pattern": _HASH})
]


class CheckpointResponse(Response):
    """How many leaves the ledger's log had at a moment, and the root over them: signed."""

    number: Annotated[int, Field(description="Which checkpoint of the ledger; from 1, without gaps.", ge=1)]
    size: Annotated[int, Field(description="The leaves of the log.", ge=1, examples=[1042])]
    root: Annotated[Hash, Field(description="Over all leaves, as RFC 6962 works it out; SHA-256 in hex.")]
    sealed_at: Annotated[Time, Field(description="When it was signed.")]
    key_id: Annotated[str, Field(description="Which key signed it.", examples=["9f86d081884c7d659a2feaa0c55ad015"])]
    note: Annotated[
        str,
        Field(description="The whole of it as a signed note (C2SP): keep this.", examples=[_NOTE_EXAMPLE]),
    ]


class CheckpointKeyResponse(Response):
    """A key that signs, or has signed, checkpoints. None is ever taken away."""

    id: Annotated[str, Field(description="The key.", examples=["9f86d081884c7d659a2feaa0c55ad015"])]
    algorithm: Annotated[int, Field(description="As C2SP numbers them: 1 is Ed25519.", examples=[1])]
    public_key: Annotated[
        str, Field(description="In base64.", examples=["11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="])
    ]
    verifier_key: Annotated[
        str,
        Field(description="The same as a verifier takes it, for this ledger's log.", examples=["zerosum/led_…+…+…"]),
    ]
    created_at: Annotated[Time, Field(description="When it began to sign.")]
    ended_at: Annotated[Time | None, Field(description="When its successor took over; null: it signs.")]
    endorser_id: Annotated[str | None, Field(description="The key before it, which vouches for it; null: none does.")]
    endorsement: Annotated[str | None, Field(description="That key's signature over this one, in base64.")]


class CheckpointKeysResponse(Response):
    """All there ever were, the newest first."""

    data: Annotated[list[CheckpointKeyResponse], Field(description="The keys.")]


class ConsistencyResponse(Response):
    """The log of the second checkpoint began as that of the first: nothing was rewritten in between."""

    first: Annotated[CheckpointResponse, Field(description="The smaller one.")]
    second: Annotated[CheckpointResponse, Field(description="The larger one.")]
    proof: Annotated[list[Hash], Field(description="As RFC 6962 has it; empty where both are the same.")]


class SettlementProof(Response):
    """What has settled a payment or refund that a processor was asked for, and the proof that it stands in the log."""

    entry: Annotated[
        dict[str, Any], Field(description="The journal entry that settled it: `… approved` or `… declined`.")
    ]
    place: Annotated[int, Field(description="Which leaf of the log it is, from 0.", ge=0, examples=[18])]
    proof: Annotated[list[Hash], Field(description="From the leaf to the root, as RFC 6962 has it.")]


class ReceiptResponse(Response):
    """What was posted, and the proof that it stands in the ledger's log under a signed checkpoint.

    `zerosum/verifier/standalone.py` checks it with nothing but the public key.
    """

    receipt: Annotated[int, Field(description="The version of this form.", examples=[1])]
    ledger: Annotated[str, id_field(Prefix.LEDGER, "The ledger.")]
    entry: Annotated[
        dict[str, Any], Field(description="The journal entry with its postings: all that their hashes cover.")
    ]
    place: Annotated[int, Field(description="Which leaf of the log it is, from 0.", ge=0, examples=[17])]
    proof: Annotated[list[Hash], Field(description="From the leaf to the root, as RFC 6962 has it.")]
    settlement: Annotated[
        SettlementProof | None,
        Field(
            description="Of what a processor was asked for: what it has said of that, under the same checkpoint. "
            "Null where the checkpoint has nothing of the kind: then that it was paid is not proven."
        ),
    ]
    checkpoint: Annotated[CheckpointResponse, Field(description="Under which it was proved.")]
    verifier_key: Annotated[
        str,
        Field(
            description="The key that signed. Compare it with the one you hold: a forger would send another.",
            examples=["zerosum/led_…+…+…"],
        ),
    ]


def checkpoint_body(checkpoint: ShownCheckpoint) -> dict[str, Any]:
    return {
        "number": checkpoint.number,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "sealed_at": render_time(checkpoint.sealed_at),
        "key_id": checkpoint.key_id,
        "note": checkpoint.note,
    }


def key_body(shown: ShownKey) -> dict[str, Any]:
    key = shown.record
    return {
        "id": key.id,
        "algorithm": key.algorithm,
        "public_key": b64encode(key.public_key).decode(),
        "verifier_key": shown.verifier_key,
        "created_at": render_time(key.created_at),
        "ended_at": None if key.ended_at is None else render_time(key.ended_at),
        "endorser_id": key.endorser_id,
        "endorsement": None if key.endorsement is None else b64encode(key.endorsement).decode(),
    }


def consistency_body(found: Consistency) -> dict[str, Any]:
    return {
        "first": checkpoint_body(found.first),
        "second": checkpoint_body(found.second),
        "proof": [hash_.hex() for hash_ in found.proof],
    }


def _proven_body(proven: Proven) -> dict[str, Any]:
    return {"entry": proven.entry, "place": proven.place, "proof": [hash_.hex() for hash_ in proven.proof]}


def receipt_body(receipt: Receipt) -> dict[str, Any]:
    return {
        "receipt": 1,
        "ledger": render_id(Prefix.LEDGER, receipt.ledger_id),
        **_proven_body(receipt.proven),
        "settlement": None if receipt.settlement is None else _proven_body(receipt.settlement),
        "checkpoint": checkpoint_body(receipt.checkpoint),
        "verifier_key": receipt.verifier_key,
    }
