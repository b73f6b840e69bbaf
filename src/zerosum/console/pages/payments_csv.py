"""The payments that a filter leaves, as a table for a spreadsheet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zerosum.api.csv_text import MEDIA_TYPE, csv_text
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.moments import render_time
from zerosum.domain.money import render_amount
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.payments import RecordedPayment
from zerosum.services.requests.paging import PageRequest

ROWS_MAX = 10_000
"""Of one file, the newest. Its name says where there are more: a narrower filter gives the rest."""

COLUMNS = ("id", "created_at", "effective_at", "type", "status", "amount", "currency", "from", "to", "reference",
           "description", "processor", "refunded")  # fmt: skip
FREE = ("from", "to", "reference", "description")


async def payments_as_csv(view: View, request: PageRequest) -> HttpAnswer:
    rows: list[dict[str, Any]] = []
    page = await view.console.services.payments.list(view.caller, request)
    rows += map(_row, page.items)
    while page.next_cursor is not None and len(rows) < ROWS_MAX:
        page = await view.console.services.payments.list(view.caller, replace(request, cursor=page.next_cursor))
        rows += map(_row, page.items)
    is_whole = page.next_cursor is None
    name = "payments.csv" if is_whole else f"payments-newest-{len(rows)}.csv"
    text = await csv_text(COLUMNS, rows, free=FREE)
    headers = (
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
    )
    return HttpAnswer(200, text.encode(), headers)


def _row(payment: RecordedPayment) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.PAYMENT, payment.id),
        "created_at": render_time(payment.created_at),
        "effective_at": render_time(payment.effective_at),
        "type": payment.type.value,
        "status": payment.status.value,
        "amount": render_amount(payment.amount),
        "currency": payment.currency,
        "from": payment.payer_code,
        "to": payment.payee_code,
        "reference": payment.texts.reference,
        "description": payment.texts.description,
        "processor": payment.processor,
        "refunded": None if payment.refunded is None else render_amount(payment.refunded),
    }
