"""A statement as a page to print: no script, one style that is named by its hash, every text escaped."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from html import escape

from fastapi import Response

from zerosum.api.manual import PAGE_TYPE, own_file, page_headers
from zerosum.api.render import render_time
from zerosum.api.schemas.statements import counterparties_text, explanation_text
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.services.issued_statements import NumberedStatement
from zerosum.services.requests.paging import gently
from zerosum.services.statements import Statement, StatementLine

_STYLE = re.compile("<style>(.*?)</style>", re.DOTALL)
_PLACE = re.compile("{([a-z_]+)}")


async def statement_page(numbered: NumberedStatement, statement: Statement) -> Response:
    issued = numbered.issued
    shown = {
        "number": str(issued.number),
        "code": escape(numbered.account.code),
        "account_id": numbered.account.wire_id,
        "currency": escape(issued.content.currency),
        "start": _time(render_time(statement.start)),
        "end": _time(render_time(statement.end)),
        "opening": render_amount(issued.content.opening),
        "closing": render_amount(issued.content.closing),
        "issued": _time(render_time(issued.issued_at)),
        "version": str(issued.content.account_version),
        "head": issued.content.head.hex(),
        "hash": issued.hash.hex(),
        "count": str(issued.content.lines),
        "rows": "".join(await gently(_row, statement.lines)),
    }
    template = own_file("statement.html").decode()
    (style,) = _STYLE.findall(template)
    # In one go, so that nothing that was filled in is looked at for places again; the style has braces of its own.
    head, tail = template.split("</style>")
    page = _PLACE.sub(lambda place: shown[place[1]], tail)
    title = head.replace("<title></title>", f"<title>Statement {issued.number} of {shown['code']}</title>")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    headers = page_headers(f"style-src 'sha256-{digest}'")
    response = Response(f"{title}</style>{page}", media_type=PAGE_TYPE)
    response.raw_headers += headers
    return response


def _row(line: StatementLine) -> str:
    posting, said = line.posting, line.explanation
    texts = [said.reason, said.description or "", said.reference or "", explanation_text(said)]
    what = " · ".join(escape(text) for text in texts if text)
    party = escape(counterparties_text(said.counterparties) or "")
    cells = [
        f"<td>{_time(render_time(posting.effective_at))}</td>",
        f"<td>{what}<small>{render_id(Prefix.JOURNAL_ENTRY, posting.entry_id)}</small></td>",
        f"<td>{party}</td>",
        f"<td>{posting.side.value}</td>",
        f'<td class="amount">{render_amount(posting.amount)}</td>',
        f'<td class="amount">{render_amount(line.running_balance)}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>\n"


def _time(text: str) -> str:
    """To the second, with all of it to be had by programs."""
    return f'<time datetime="{text}">{text[:10]} {text[11:19]}</time>'
