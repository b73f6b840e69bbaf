"""The journal as text for hledger or beancount, written page by page while it is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.journal_texts.beancount import BeancountText
from zerosum.api.journal_texts.hledger import HledgerText
from zerosum.api.journal_texts.said import JournalText, Program
from zerosum.api.lists import EffectiveFrom, EffectiveTo, page_request
from zerosum.api.schemas.fields import OneOf
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import Turn
from zerosum.services.journal_export import ExportedPage, RunningExport

_FILTERS = ("format", "effective_from", "effective_to")
_TEXTS: dict[Program, type[JournalText]] = {Program.HLEDGER: HledgerText, Program.BEANCOUNT: BeancountText}

TURNS_ASKED_FOR_MAX = 20
"""How often a page waits for its turn among the ledger's reports, some seconds each time, before the export ends."""

PAUSE_SECONDS = 1.0


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
        filters = page_request(call, "journal export", 1, None, None, _FILTERS).filters
        if call.is_head:
            return PlainText()
        export = await services.journal_export.begin(call.caller, filters)
        async with call.turn():
            first = await export.next_page()
        text = _TEXTS[Program(format)](export.zone)
        return StreamingResponse(_written(export, first, text, call.turn), media_type=PlainText.media_type)

    routes.add(
        "GET",
        "/v1/journal-export",
        export_journal,
        operation_id="exportJournal",
        scope=Scope.JOURNAL_READ,
        query=_FILTERS,
        effort=10,
        is_streamed=True,
        summary="Export the journal as text",
        answer=str,
        answer_class=PlainText,
        description="Every posting of the span by `effective_at`, for hledger or beancount, with entry ids, both "
        "times, keys, metadata and hashes, as it was written when the call came. However long it is, it comes as it "
        "is read; the last line says that it is whole.",
    )
    return routes


async def _written(
    export: RunningExport, first: ExportedPage | None, text: JournalText, turn: Turn
) -> AsyncIterator[str]:
    """A page is read when the one before it has been taken. The time of a turn is that of reading, not of sending."""
    yield text.head(export.as_of)
    page = first
    while page is not None:
        yield await text.page(page)
        page = await _next_page(export, turn)
    yield text.end(export.entries)


async def _next_page(export: RunningExport, turn: Turn) -> ExportedPage | None:
    for is_last in [False] * (TURNS_ASKED_FOR_MAX - 1) + [True]:
        try:
            async with turn():
                return await export.next_page()
        except errors.DomainError as error:
            if is_last or not error.retryable:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
    raise AssertionError("the last time is answered or raised")


class PlainText(Response):
    media_type = "text/plain; charset=utf-8"
