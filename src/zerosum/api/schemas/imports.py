"""Imports on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import Request, Response, Time
from zerosum.services.imports import ImportRecord

ImportName = Annotated[
    str,
    Field(
        description="What the import is called: 1 to 128 visible ASCII characters. Part of the keys of its rows.",
        examples=["2026-11-21.csv"],
        pattern=r"^[\x21-\x7e]{1,128}$",
    ),
]
Sha256 = Annotated[
    str,
    Field(
        description="Of the whole content, in small hexadecimal digits.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
        pattern="^[0-9a-f]{64}$",
    ),
]


class ImportRequest(Request):
    """A file about to be imported, or to be gone on with."""

    name: ImportName
    sha256: Sha256


class ImportResponse(Response):
    """An import. Its rows are sent to /v1/transactions/bulk under keys of their own."""

    name: ImportName
    sha256: Sha256
    created_at: Annotated[Time, Field(description="When it was begun first.")]


def import_body(record: ImportRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "sha256": record.content_sha256.hex(),
        "created_at": render_time(record.created_at),
    }
