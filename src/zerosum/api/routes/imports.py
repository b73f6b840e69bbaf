"""Imports of client files: a name for a content."""

from __future__ import annotations

from typing import Any

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.schemas.imports import ImportRequest, ImportResponse, import_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

EXAMPLES = {
    "file": {
        "summary": "A file by its name",
        "value": {
            "name": "2026-11-21.csv",
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        },
    }
}


def import_routes(services: Services) -> Routes:
    routes = Routes("Imports")

    async def begin_import(call: TheCall) -> dict[str, Any]:
        request = validated(ImportRequest, call.content)
        record = await services.imports.begin(call.caller, request.name, bytes.fromhex(request.sha256))
        return import_body(record)

    routes.add(
        "POST",
        "/v1/imports",
        begin_import,
        operation_id="beginImport",
        scope=Scope.PAYMENTS_WRITE,
        body=BodyKind.JSON,
        summary="Begin an import of a client file, or go on with it",
        answer=ImportResponse,
        reads=ImportRequest,
        examples=EXAMPLES,
        refusals=(errors.ImportDiffers,),
        description="A name stands for one content: another file under a known name is refused. The rows are sent to "
        "/v1/transactions/bulk, each under the key `import:<name>:<line>`, as `zerosum import` does.",
    )
    return routes
