"""Refusals as pages: with the code by which the API knows them, too."""

from __future__ import annotations

from zerosum.api.problems import status_of
from zerosum.console.headers import with_headers
from zerosum.console.templates import Templates
from zerosum.console.view import PAGE_TYPE
from zerosum.domain.errors import DomainError
from zerosum.gateway.routing import Call, HttpAnswer


class Problems:
    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def page(self, refusal: DomainError, call: Call) -> HttpAnswer:
        return self.rendered(refusal, call.request_id)

    def rendered(self, refusal: DomainError, request_id: str) -> HttpAnswer:
        """Also of what the gateway refuses before a page is asked."""
        status = status_of(refusal)
        shown = {"refusal": refusal, "status": status, "request_id": request_id}
        retry = refusal.facts.get("retry_after")
        headers = (PAGE_TYPE,) if retry is None else (PAGE_TYPE, (b"retry-after", b"%d" % retry))
        return with_headers(HttpAnswer(status, self._templates.render("problem.html", shown).encode(), headers))
