"""Journal entries: post, read and reverse."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

from fastapi import Response

from zerosum.api.desk_routes import DeskRoutes, answer_of, body_with, flag, model_item_order, model_order
from zerosum.api.endpoints import Routes, TheCall, as_response, check_parameters
from zerosum.api.lists import (
    DEFAULT_LIMIT,
    OLD_TIMES,
    PAGE_PARAMETERS,
    TIMES,
    AccountFilter,
    Cursor,
    EffectiveFrom,
    EffectiveTo,
    Limit,
    OldFrom,
    OldTo,
    SortOrder,
    page_request,
)
from zerosum.api.overrides import check_override, check_overrides
from zerosum.api.route_manual import OF_KEYS
from zerosum.api.routes.payments import OF_CONDITIONS, SHOWN, DryRunFlag, Include, Mode
from zerosum.api.schemas.bulk import BulkRequest, BulkResponse
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.journal import (
    JournalEntryItem,
    JournalEntryRehearsal,
    JournalEntryRequest,
    JournalEntryResponse,
    ReversalRequest,
    entry_body,
)
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.traced import TracedEntryResponse, traced_entry_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BULK_BODY_BYTES_MAX, Begun, BodyKind, Call
from zerosum.services.journal import EntryOrder, RecordedEntry

EntryReference = Annotated[str, id_path(Prefix.JOURNAL_ENTRY, "The journal entry's id.")]

REFUSALS = (
    *errors.OF_BOOKS,
    *errors.OF_DATES,
    *OF_CONDITIONS,
    errors.Unbalanced,
    errors.SubjectErased,
    errors.QuotaExceeded,
)

FILTERS = ("account", *TIMES, *OLD_TIMES)

EXAMPLES: dict[str, dict[str, Any]] = {
    "fee": {
        "summary": "A fee",
        "value": {
            "reason": "Monthly fee",
            "postings": [
                {"account": "customers:alice", "side": "debit", "amount": "1.50", "currency": "USD"},
                {"account": "revenue:fees", "side": "credit", "amount": "1.50", "currency": "USD"},
            ],
        },
    }
}


BULK_EXAMPLES = {
    "one": {
        "summary": "One fee",
        "value": {"items": [{**EXAMPLES["fee"]["value"], "idempotency_key": "fee-2026-11"}]},
    }
}


def journal_routes(services: Services) -> Routes:
    routes = Routes("Journal")
    journal = services.journal
    desk: DeskRoutes[EntryOrder, RecordedEntry] = DeskRoutes(
        journal.desk,
        order_of=model_order(JournalEntryRequest),
        item_order_of=model_item_order(JournalEntryItem),
        body_of=entry_body,
        lines_of=attrgetter("postings"),
    )

    def express(call: Call) -> Begun:
        check_override(call)
        return desk.express(call)

    async def post_entry(call: TheCall, dry_run: DryRunFlag = None, include: Include = None) -> Response:  # noqa: ARG001 - the desk reads them
        check_override(call)
        return as_response(await desk.single(call))

    async def post_entries(
        call: TheCall,
        mode: Mode = None,  # noqa: ARG001 - the desk reads them
        dry_run: DryRunFlag = None,  # noqa: ARG001
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        check_overrides(call)
        return as_response(await desk.bulk(call))

    async def list_entries(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        account: AccountFilter = None,  # noqa: ARG001 - read with the other filters
        effective_from: EffectiveFrom = None,  # noqa: ARG001
        effective_to: EffectiveTo = None,  # noqa: ARG001
        from_: OldFrom = None,  # noqa: ARG001
        to: OldTo = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        request = page_request(call, "journal entries", limit, cursor, order, FILTERS, ("metadata",))
        return await list_body(await journal.list(call.caller, request), traced_entry_body)

    async def get_entry(
        call: TheCall,
        entry: EntryReference,
        include: Include = None,  # noqa: ARG001 - read with what else may be shown
    ) -> dict[str, Any]:
        shown = body_with(check_parameters(call.query_string, SHOWN), traced_entry_body, attrgetter("postings"))
        return shown(await journal.get(call.caller, parse_id(Prefix.JOURNAL_ENTRY, entry)))

    async def reverse_entry(
        call: TheCall,
        entry: EntryReference,
        dry_run: DryRunFlag = None,  # noqa: ARG001 - read as the desk reads them
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        parameters = check_parameters(call.query_string, SHOWN | {"dry_run"})
        is_rehearsal, shown = flag(parameters, "dry_run"), body_with(parameters, entry_body, attrgetter("postings"))
        body = validated(ReversalRequest, call.content)
        if body.force:
            call.must_have(Scope.ADMIN, "/force")
        original = await journal.find(call.caller, parse_id(Prefix.JOURNAL_ENTRY, entry))
        order = body.order(call.idempotency_key or "", original)
        return as_response(await answer_of(call, journal.reversals, order, shown, is_rehearsal=is_rehearsal))

    read, write = Scope.JOURNAL_READ, Scope.JOURNAL_WRITE
    routes.add(
        "POST",
        "/v1/journal-entries",
        post_entry,
        operation_id="postJournalEntry",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        express=express,
        query=("dry_run", "include"),
        summary="Post a journal entry",
        answer=JournalEntryResponse,
        reads=JournalEntryRequest,
        examples=EXAMPLES,
        refusals=REFUSALS,
        named_in_body=(errors.AccountNotFound,),
        also_answers={200: ("A rehearsal.", JournalEntryRehearsal)},
        description="2 to 100 postings; in each currency the debits equal the credits.",
    )
    routes.add(
        "POST",
        "/v1/journal-entries/bulk",
        post_entries,
        operation_id="postJournalEntries",
        scope=write,
        body=BodyKind.JSON,
        body_bytes_max=BULK_BODY_BYTES_MAX,
        query=("mode", "dry_run", "include"),
        refusals=(*OF_KEYS, *REFUSALS),
        named_in_body=(errors.AccountNotFound,),
        summary="Post up to 1,000 journal entries",
        answer=BulkResponse[JournalEntryResponse],
        reads=BulkRequest[JournalEntryItem],
        examples=BULK_EXAMPLES,
        description="Independent: 200 with a result for each. Atomic: all or nothing; when one is refused the answer "
        "is its problem, with its `index`.",
    )
    routes.add(
        "GET",
        "/v1/journal-entries",
        list_entries,
        operation_id="listJournalEntries",
        scope=read,
        refusals=(errors.InvalidCursor,),
        families=("metadata",),
        named_in_body=(errors.AccountNotFound,),
        query=(*PAGE_PARAMETERS, *FILTERS),
        summary="List journal entries",
        answer=ListOf[TracedEntryResponse],
        description="Newest first; of an `account` within a span of time by `effective_at`. All filters that are given "
        "must fit. `effective_from` belongs to the span, `effective_to` does not.",
    )
    routes.add(
        "GET",
        "/v1/journal-entries/{entry}",
        get_entry,
        operation_id="getJournalEntry",
        scope=read,
        query=("include",),
        refusals=(errors.InvalidId, errors.JournalEntryNotFound),
        summary="Read a journal entry",
        answer=TracedEntryResponse,
    )
    routes.add(
        "POST",
        "/v1/journal-entries/{entry}/reverse",
        reverse_entry,
        operation_id="reverseJournalEntry",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        query=("dry_run", "include"),
        summary="Reverse a journal entry",
        answer=JournalEntryResponse,
        reads=ReversalRequest,
        refusals=(*errors.OF_BOOKS, errors.JournalEntryNotFound, errors.AlreadyReversed, errors.InvalidState),
        also_answers={200: ("A rehearsal.", JournalEntryRehearsal)},
        description="Posts a new entry with every side swapped, effective now, at most once for each entry. A "
        "payment's own entry is refunded, not reversed: pay it back, or correct it by an entry of your own. What moved "
        "a hold or is a client's transaction is not reversed either.",
    )
    return routes
