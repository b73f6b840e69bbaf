"""The trial balance as CSV: whole, or in pages of which each names the next in a Link header (RFC 8288)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import Response

from zerosum.api.csv_text import csv_response, csv_text
from zerosum.api.endpoints import check_parameters
from zerosum.api.schemas.ledgers import trial_balance_body
from zerosum.gateway.routing import Call
from zerosum.services.balances import Balances
from zerosum.services.requests.paging import PageRequest

PARAMETERS = frozenset({"limit", "cursor", "as_of", "recorded_as_of", "format"})
COLUMNS = ("line", "account_id", "code", "type", "currency", "debits", "credits", "difference", "as_of")


async def trial_balance_csv(balances: Balances, call: Call, request: PageRequest) -> Response:
    """A row for each account, and at the end one for each currency. Raises TooManyItems where the whole is too long."""
    is_page = bool({"limit", "cursor"} & check_parameters(call.query_string, PARAMETERS).keys())
    found = await (balances.trial_balance if is_page else balances.whole_trial_balance)(call.caller, request)
    body = await trial_balance_body(found)
    as_of = {"as_of": body["as_of"]}
    rows: list[dict[str, Any]] = [{"line": "account", **line, **as_of} for line in body["accounts"]]
    if body["has_more"]:
        following = urlencode({"format": "csv", "limit": request.limit, "cursor": body["next_cursor"]})
        text = await csv_text(COLUMNS, rows, free=("code",))
        return csv_response(text, {"link": f'<{call.path}?{following}>; rel="next"'})
    rows += [{"line": "total", **total, **as_of} for total in body["currencies"]]
    return csv_response(await csv_text(COLUMNS, rows, free=("code",)))
