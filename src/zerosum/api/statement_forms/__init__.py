"""A statement in each of the forms it is handed out in, besides JSON and CSV."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import Query

from zerosum.api.schemas.fields import OneOf
from zerosum.api.static_content import weights_of


class Form(StrEnum):
    """By the name it has in `format=`."""

    JSON = "json"
    CSV = "csv"
    CAMT = "camt.053"
    PAGE = "html"


MEDIA_TYPES = {
    "application/json": Form.JSON,
    "text/csv": Form.CSV,
    "application/xml": Form.CAMT,
    "text/xml": Form.CAMT,
    "text/html": Form.PAGE,
}

StatementFormat = Annotated[
    Annotated[str, OneOf(Form)] | None,
    Query(
        description="The form: as `Accept` with `text/csv`, `application/xml` or `text/html` does; `json` by default."
    ),
]


def form_of(format_: str | None, accept: str) -> Form:
    """By the parameter, or else the one that the header likes best; of those that it likes alike the first."""
    if format_ is not None:
        return Form(format_)
    known = [(weight, MEDIA_TYPES[name]) for name, weight in weights_of(accept).items() if name in MEDIA_TYPES]
    return max(known, key=lambda one: one[0])[1] if any(weight > 0 for weight, _ in known) else Form.JSON
