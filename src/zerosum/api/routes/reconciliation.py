"""Reconciliation: sources, their files, and the report."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response

from zerosum.api.card_numbers import are_card_numbers_refused
from zerosum.api.endpoints import Routes, TheCall, as_response, json_answer
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, InDigits, Limit, SortOrder, page_request
from zerosum.api.routes.reconciliation_breaks import add_break_routes
from zerosum.api.routes.reconciliation_report import add_report_route
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.reconciliation import (
    ReconciliationFileResponse,
    file_body,
)
from zerosum.api.schemas.reconciliation_sources import (
    ReconciliationSourceRequest,
    ReconciliationSourceResponse,
    source_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.reconciliation.sources import SOURCE_NAME_PATTERN_TEXT, VERSIONS_MAX
from zerosum.gateway.guards.request_guard import FILE_TYPES
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.reconciliation.files import FILE_BYTES_MAX

READ, WRITE = Scope.RECONCILIATION_READ, Scope.RECONCILIATION_WRITE

_NAME = {"description": "The source's name.", "examples": ["acme-settlements"]}
_PATTERN = {"pattern": f"^{SOURCE_NAME_PATTERN_TEXT}$"}
SourceReference = Annotated[str, Path(**_NAME, json_schema_extra=_PATTERN)]
SourceFilter = Annotated[str | None, Query(**_NAME, pattern=_PATTERN["pattern"])]
WantedSource = Annotated[str, Query(**_NAME, pattern=_PATTERN["pattern"])]
FileReference = Annotated[str, id_path(Prefix.RECONCILIATION_FILE, "The file's id.")]
AskedVersion = Annotated[int | None, InDigits, Query(description="By default the newest.", ge=1, le=VERSIONS_MAX)]

FILE_BODY: dict[str, Any] = {
    "required": True,
    "content": {kind.decode(): {"schema": {"type": "string", "format": "binary"}} for kind in FILE_TYPES},
}
SANDBOX: dict[str, Any] = {
    "name": "sandbox",
    "account": "clearing:sandbox:USD",
    "format": "csv",
    "csv": {
        "columns": {
            "date": "decided_at",
            "amount": "amount",
            "direction": "type",
            "currency": "currency",
            "id": "id",
            "references": ["key"],
        },
        "incoming": ["deposit", "refund of a withdrawal"],
        "outgoing": ["withdrawal", "refund of a deposit"],
    },
}
EXAMPLES = {"sandbox": {"summary": "The settlement file of the sandbox", "value": SANDBOX}}


def reconciliation_routes(services: Services) -> Routes:
    routes = Routes("Reconciliation")
    _add_source_routes(routes, services)
    _add_file_routes(routes, services)
    add_break_routes(routes, services)
    add_report_route(routes, services)
    return routes


def _add_source_routes(routes: Routes, services: Services) -> None:
    sources = services.reconciliation_sources

    async def make_source(call: TheCall) -> dict[str, Any]:
        return source_body(
            await sources.make(call.caller, validated(ReconciliationSourceRequest, call.content).order())
        )

    async def list_all(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "reconciliation sources", limit, cursor, order, ())
        return await list_body(await sources.list(call.caller, request), source_body)

    async def get_source(call: TheCall, source: SourceReference, version: AskedVersion = None) -> dict[str, Any]:
        return source_body(await sources.get(call.caller, source, version))

    routes.add(
        "POST",
        "/v1/reconciliation/sources",
        make_source,
        operation_id="createReconciliationSource",
        scope=WRITE,
        body=BodyKind.JSON,
        reads=ReconciliationSourceRequest,
        examples=EXAMPLES,
        refusals=(*errors.OF_AMOUNTS, errors.InvalidState, errors.QuotaExceeded),
        named_in_body=(errors.AccountNotFound, errors.InvalidId),
        summary="Make a source, or the next version of one",
        answer=ReconciliationSourceResponse,
        description="How its files are read, and by which rules they are matched. What was matched by an older version "
        "stays. The same again changes nothing.",
    )
    routes.add(
        "GET",
        "/v1/reconciliation/sources",
        list_all,
        operation_id="listReconciliationSources",
        scope=READ,
        query=PAGE_PARAMETERS,
        refusals=(errors.InvalidCursor,),
        summary="List sources",
        answer=ListOf[ReconciliationSourceResponse],
        description="The newest version of each, by name from Z to A.",
    )
    routes.add(
        "GET",
        "/v1/reconciliation/sources/{source}",
        get_source,
        operation_id="getReconciliationSource",
        scope=READ,
        query=("version",),
        refusals=(errors.ReconciliationSourceNotFound,),
        summary="Read a source",
        answer=ReconciliationSourceResponse,
    )


def _add_file_routes(routes: Routes, services: Services) -> None:
    files = services.reconciliation_files

    async def receive(call: TheCall, source: WantedSource) -> Response:
        received = await files.receive(call.caller, source, call.body, refuses_card_numbers=are_card_numbers_refused())
        return as_response(json_answer(200, file_body(received.file), is_replay=received.is_repeat))

    async def list_all(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        source: SourceFilter = None,  # noqa: ARG001 - read with the other filters
    ) -> dict[str, Any]:
        request = page_request(call, "reconciliation files", limit, cursor, order, ("source",))
        return await list_body(await files.list(call.caller, request), file_body)

    async def get_file(call: TheCall, file: FileReference) -> dict[str, Any]:
        return file_body(await files.get(call.caller, parse_id(Prefix.RECONCILIATION_FILE, file)))

    routes.add(
        "POST",
        "/v1/reconciliation/files",
        receive,
        operation_id="sendReconciliationFile",
        scope=WRITE,
        body=BodyKind.FILE,
        body_bytes_max=FILE_BYTES_MAX,
        form=FILE_BODY,
        query=("source",),
        units=20,
        refusals=(
            errors.ReconciliationSourceNotFound,
            errors.ReconciliationFileInvalid,
            errors.ReconciliationTooWide,
            errors.ReconciliationBusy,
        ),
        summary="Send a settlement file or a bank statement",
        answer=ReconciliationFileResponse,
        description="It is taken as a whole or not at all; what is wrong with it is told by line and column. Then its "
        "lines are matched with the postings of the account, and what has no match becomes a break. The books are only "
        "read. The same content again is the same file: what was cut off goes on, and what is still open is looked at "
        "once more. A request works for six seconds; where `is_matched` is false then, send it again.",
    )
    routes.add(
        "GET",
        "/v1/reconciliation/files",
        list_all,
        operation_id="listReconciliationFiles",
        scope=READ,
        query=(*PAGE_PARAMETERS, "source"),
        refusals=(errors.InvalidCursor,),
        summary="List files",
        answer=ListOf[ReconciliationFileResponse],
    )
    routes.add(
        "GET",
        "/v1/reconciliation/files/{file}",
        get_file,
        operation_id="getReconciliationFile",
        scope=READ,
        refusals=(errors.InvalidId, errors.ReconciliationFileNotFound),
        summary="Read what has become of a file",
        answer=ReconciliationFileResponse,
    )
