"""Statements that were issued of an account: their list, each with its lines and files, and issuing one."""

from __future__ import annotations

import re

from fastapi import Response

from zerosum.api.csv_text import csv_response
from zerosum.api.lists import check_span
from zerosum.api.schemas.issued_statements import numbered_csv
from zerosum.api.schemas.statements import explanation_text
from zerosum.api.statement_forms.camt053 import MEDIA_TYPE, camt053
from zerosum.console.choices import check_choices
from zerosum.console.console import Console
from zerosum.console.files import as_file
from zerosum.console.lists import next_page, page_request
from zerosum.console.view import View
from zerosum.domain.errors import StatementNotFound
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.requests.times import parse_day_or_time

FORMS = ("csv", "camt.053")
LINES_SHOWN = 200
"""The files have all."""

_NUMBER = re.compile("[1-9][0-9]{0,17}", re.ASCII)


def statement_pages(console: Console) -> None:
    statements, accounts = console.services.issued_statements, console.services.accounts

    async def listed(view: View) -> HttpAnswer:
        account = await accounts.get(view.caller, view.path["account"])
        wire_id = render_id(Prefix.ACCOUNT, account.state.id)
        request = page_request(view, f"statements of {wire_id}", ())
        page = await statements.list(view.caller, wire_id, request)
        await view.seen_account(wire_id)
        more = next_page(view, request, page, "accounts", wire_id, "statements")
        return view.show("statements.html", account=account, wire_id=wire_id, statements=page.items, next=more)

    async def shown(view: View) -> HttpAnswer:
        given = view.query(("format",))
        check_choices(given, format=FORMS)
        numbered, statement = await statements.get(view.caller, view.path["account"], number_of(view))
        await view.seen_account(numbered.account.wire_id)
        name = f"statement-{numbered.account.code}-{numbered.issued.number}"
        if given.get("format") == "csv":
            return as_file(csv_response(await numbered_csv(numbered, statement)), f"{name}.csv")
        if given.get("format") == "camt.053":
            document = Response(await camt053(numbered, statement), media_type=MEDIA_TYPE)
            return as_file(document, f"{name}.xml")
        lines = statement.lines[:LINES_SHOWN]
        told = [explanation_text(line.explanation) for line in lines]
        return view.show("statement.html", numbered=numbered, statement=statement, lines=lines, told=told)

    async def issue(view: View) -> HttpAnswer:
        start, end = (parse_day_or_time(view.field(name), name) for name in ("from", "to"))
        check_span(start, end)
        account, key = view.path["account"], view.field("key")
        done = await statements.issue(view.caller, account, start=start, end=end, key=key)
        return view.go_to("accounts", account, "statements", str(done.view.issued.number))

    template = "/{ledger}/accounts/{account}/statements"
    console.page(template, listed, needs=Scope.ACCOUNTS_READ)
    console.page(f"{template}/{{number}}", shown, needs=Scope.ACCOUNTS_READ, is_report=True)
    console.act(template, issue, needs=Scope.ACCOUNTS_WRITE, name="issue a statement")


def number_of(view: View) -> int:
    """Raises StatementNotFound for what is no number."""
    if not _NUMBER.fullmatch(view.path["number"]):
        raise StatementNotFound("The account has no statement of this number.")
    return int(view.path["number"])
