"""What a stranger can check: signed checkpoints of the ledger's log, receipts, and that nothing was rewritten."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query

from zerosum.api.endpoints import LIST_EFFORT, Routes, TheCall
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, InDigits, Limit, SortOrder, page_request
from zerosum.api.routes.journal import EntryReference
from zerosum.api.routes.refunds import PaymentReference
from zerosum.api.schemas.checkpoints import (
    CheckpointKeysResponse,
    CheckpointResponse,
    ConsistencyResponse,
    ReceiptResponse,
    checkpoint_body,
    consistency_body,
    key_body,
    receipt_body,
)
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.gateway.identity.principal import Scope

SIZE_MAX = 2**63 - 1

SizePath = Annotated[int, InDigits, Path(description="How many leaves it has.", ge=1, le=SIZE_MAX, examples=[1042])]
From = Annotated[int, InDigits, Query(alias="from", description="The size of the older checkpoint.", ge=1, le=SIZE_MAX)]
To = Annotated[int, InDigits, Query(description="The size of the newer checkpoint.", ge=1, le=SIZE_MAX)]
UnderSize = Annotated[
    int | None,
    InDigits,
    Query(description="Under the checkpoint of this size; by default the newest.", ge=1, le=SIZE_MAX),
]


def checkpoint_routes(services: Services) -> Routes:
    routes = Routes("Proof")
    checkpoints = services.signed_checkpoints

    async def list_checkpoints(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "checkpoints", limit, cursor, order)
        return await list_body(await checkpoints.list(call.caller, request), checkpoint_body)

    async def list_keys(call: TheCall) -> dict[str, Any]:
        return {"data": [key_body(key) for key in await checkpoints.keys(call.caller)]}

    async def prove_consistency(call: TheCall, from_: From, to: To) -> dict[str, Any]:
        return consistency_body(await checkpoints.consistency(call.caller, from_, to))

    async def get_checkpoint(call: TheCall, size: SizePath) -> dict[str, Any]:
        return checkpoint_body(await checkpoints.get(call.caller, size))

    routes.add(
        "GET",
        "/v1/checkpoints",
        list_checkpoints,
        operation_id="listCheckpoints",
        scope=Scope.REPORTS_READ,
        refusals=(errors.InvalidCursor,),
        query=PAGE_PARAMETERS,
        summary="List signed checkpoints",
        answer=ListOf[CheckpointResponse],
        description="Newest first. Each says how many leaves the ledger's log has and the root over them, signed. "
        "What is posted is in one within seconds. Whoever keeps one can show later that nothing before it was changed.",
    )
    routes.add(
        "GET",
        "/v1/checkpoints/keys",
        list_keys,
        operation_id="listCheckpointKeys",
        scope=Scope.REPORTS_READ,
        summary="List the keys that sign checkpoints",
        answer=CheckpointKeysResponse,
        description="All there ever were, the newest first. Keep the one you begin with: each key vouches for the "
        "next.",
    )
    routes.add(
        "GET",
        "/v1/checkpoints/consistency",
        prove_consistency,
        operation_id="proveConsistency",
        scope=Scope.REPORTS_READ,
        refusals=(errors.NotFound, errors.InvalidParameter),
        query=("from", "to"),
        effort=LIST_EFFORT,
        summary="Prove that one checkpoint follows another",
        answer=ConsistencyResponse,
        description="That the log of the newer one began as that of the older one (RFC 6962, 2.1.2).",
    )
    routes.add(
        "GET",
        "/v1/checkpoints/{size}",
        get_checkpoint,
        operation_id="getCheckpoint",
        scope=Scope.REPORTS_READ,
        refusals=(errors.NotFound,),
        summary="Read a signed checkpoint",
        answer=CheckpointResponse,
        description="By the number of its leaves.",
    )
    return routes


def receipt_routes(services: Services) -> Routes:
    routes = Routes("Proof")
    receipts = services.receipts

    async def payment_receipt(call: TheCall, payment: PaymentReference, size: UnderSize = None) -> dict[str, Any]:
        return receipt_body(await receipts.of_payment(call.caller, payment, size))

    async def entry_receipt(call: TheCall, entry: EntryReference, size: UnderSize = None) -> dict[str, Any]:
        return receipt_body(await receipts.of_entry(call.caller, entry, size))

    what = (
        "All that its hashes cover, the path from its leaf to the root of a signed checkpoint, and the checkpoint. It "
        "is checked offline, and tells the balances of its accounts. 409 `not_sealed_yet` in the first seconds."
    )
    for address, noun, endpoint, operation_id, absent in (
        ("payments/{payment}", "payment", payment_receipt, "getPaymentReceipt", errors.PaymentNotFound),
        ("journal-entries/{entry}", "journal entry", entry_receipt, "getEntryReceipt", errors.JournalEntryNotFound),
    ):
        routes.add(
            "GET",
            f"/v1/{address}/receipt",
            endpoint,
            operation_id=operation_id,
            scope=Scope.JOURNAL_READ,
            refusals=(errors.InvalidId, errors.NotFound, errors.NotSealedYet, absent),
            query=("size",),
            effort=LIST_EFFORT,
            summary=f"Read the receipt of a {noun}",
            answer=ReceiptResponse,
            description=what,
        )
    return routes
