"""The journal of a span as text for hledger or beancount."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.journal_texts.beancount import beancount_text
from zerosum.api.journal_texts.hledger import hledger_text
from zerosum.api.journal_texts.said import Program
from zerosum.api.lists import EffectiveFrom, EffectiveTo, page_request
from zerosum.api.schemas.fields import OneOf
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.gateway.identity.principal import Scope
from zerosum.services.journal_export import ENTRIES_MAX

_FILTERS = ("format", "effective_from", "effective_to")


def journal_export_routes(services: Services) -> Routes:
    routes = Routes("Journal")

    async def export_journal(
        call: TheCall,
        format: Annotated[  # noqa: A002 - the parameter's name
            Annotated[str, OneOf(Program)], Query(description="For which program.", examples=["hledger"])
        ],
        effective_from: EffectiveFrom = None,  # noqa: ARG001 - read with the other filters
        effective_to: EffectiveTo = None,  # noqa: ARG001
    ) -> Response:
        request = page_request(call, "journal export", ENTRIES_MAX, None, None, _FILTERS)
        journal = await services.journal_export.whole(call.caller, request)
        text = await (hledger_text if Program(format) is Program.HLEDGER else beancount_text)(journal)
        return Response(text, media_type="text/plain; charset=utf-8")

    routes.add(
        "GET",
        "/v1/journal-export",
        export_journal,
        operation_id="exportJournal",
        scope=Scope.JOURNAL_READ,
        refusals=(errors.TooManyItems,),
        query=_FILTERS,
        effort=10,
        summary="Export the journal as text",
        answer=str,
        answer_class=PlainText,
        description=f"Every posting of the span by `effective_at`, for hledger or beancount, with entry ids, both "
        f"times, keys, metadata and hashes: at most {ENTRIES_MAX:,} entries.",
    )
    return routes


class PlainText(Response):
    media_type = "text/plain; charset=utf-8"
