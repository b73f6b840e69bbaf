"""The manual of the service as its routes make it, without a service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from unittest.mock import MagicMock

from fastapi import FastAPI

from zerosum.api.app import make_app


@cache
def document() -> dict[str, Any]:
    @asynccontextmanager
    async def nothing_runs(_: FastAPI) -> AsyncIterator[None]:
        yield

    app, _ = make_app(MagicMock(), MagicMock(), nothing_runs)
    return app.openapi()
