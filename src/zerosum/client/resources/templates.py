"""Templates of journal entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Unpack

from zerosum.client.amounts import Amount, amount_text, time_text
from zerosum.client.calls import Asked, Calls, Way, call, listing
from zerosum.client.models.journal import JournalEntry
from zerosum.client.models.templates import Template
from zerosum.client.writing import MoneyOptions, Once, Rounding, written


class Templates(Calls[Way]):
    @call("createTemplate", "POST", "/v1/templates", Template, is_keyed=True)
    def make(
        self,
        name: str,
        *,
        parameters: Mapping[str, Mapping[str, Any]],
        postings: Sequence[Mapping[str, Any]],
        description: str | None = None,
        reason: str | None = None,
        rounding: Rounding | None = None,
        **options: Unpack[Once],
    ) -> Asked:
        """A new version of it. `parameters` and `postings` are written as on the wire: their amounts are formulas."""
        body = {
            "name": name,
            "description": description,
            "reason": reason,
            "rounding": rounding,
            "parameters": parameters,
            "postings": postings,
        }
        return written("createTemplate", body, **options)

    @call("getTemplate", "GET", "/v1/templates/{template}", Template)
    def get(self, template: str, *, version: int | None = None) -> Asked:
        """Its newest version, or the one that is named."""
        return Asked(path={"template": template}, query={"version": version})

    @listing("listTemplates", "/v1/templates", Template)
    def list(self, *, order: Literal["asc", "desc"] | None = None, page_size: int | None = None) -> Asked:
        """All there are."""
        return Asked(query={"order": order, "limit": page_size})

    @call("postTemplate", "POST", "/v1/templates/{template}/post", JournalEntry, is_keyed=True)
    def post(
        self,
        template: str,
        parameters: Mapping[str, Amount],
        *,
        version: int | None = None,
        reason: str | None = None,
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """An entry by it. Parameters are amounts, percentages, or names of accounts and currencies."""
        body = {
            "parameters": {
                name: value if isinstance(value, str) else amount_text(value) for name, value in parameters.items()
            },
            "version": version,
            "reason": reason,
            "effective_at": time_text(effective_at),
            "metadata": metadata,
        }
        return written("postTemplate", body, {"template": template}, **options)
