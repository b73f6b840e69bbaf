"""What is kept sealed of an endpoint: its secrets, and the headers that are sent with each of its deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from zerosum.db.queries.webhook_endpoints import EndpointRecord
from zerosum.domain.identifiers import LedgerId
from zerosum.services.credentials.sealing import Sealer

TABLE = "webhook_endpoints"


@dataclass(frozen=True, slots=True)
class OpenedEndpoint:
    """What sending needs. `keys` has the newest secret first."""

    url: str
    keys: tuple[bytes, ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def place(self) -> str:
        """Its host and port."""
        return urlsplit(self.url).netloc


class EndpointSecrets:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def seal_secret(self, ledger_id: UUID, id_: UUID, secret: bytes) -> str:
        return await self._seal(ledger_id, id_, "sealed_secret", secret)

    async def seal_headers(self, ledger_id: UUID, id_: UUID, headers: Mapping[str, str]) -> str | None:
        if not headers:
            return None
        return await self._seal(ledger_id, id_, "sealed_headers", orjson.dumps(dict(headers)))

    async def rotated(self, record: EndpointRecord, secret: bytes, previous_until: datetime | None) -> EndpointRecord:
        """With a new secret; the one before signs too until then."""
        previous = None
        if previous_until is not None:
            opened = await self._open(record, "sealed_secret", record.sealed_secret)
            previous = await self._seal(record.ledger_id, record.id, "sealed_previous_secret", opened)
        return replace(
            record,
            sealed_secret=await self.seal_secret(record.ledger_id, record.id, secret),
            sealed_previous_secret=previous,
            previous_secret_until=previous_until,
        )

    async def opened(self, record: EndpointRecord, now: datetime) -> OpenedEndpoint:
        keys = [await self._open(record, "sealed_secret", record.sealed_secret)]
        until = record.previous_secret_until
        if record.sealed_previous_secret is not None and until is not None and now < until:
            keys.append(await self._open(record, "sealed_previous_secret", record.sealed_previous_secret))
        headers: dict[str, str] = {}
        if record.sealed_headers is not None:
            headers = orjson.loads(await self._open(record, "sealed_headers", record.sealed_headers))
        return OpenedEndpoint(record.url, tuple(keys), headers)

    async def _seal(self, ledger_id: UUID, id_: UUID, column: str, content: bytes) -> str:
        return await self._sealer.seal(LedgerId(ledger_id), content, table=TABLE, column=column, row_id=id_)

    async def _open(self, record: EndpointRecord, column: str, sealed: str) -> bytes:
        ledger_id = LedgerId(record.ledger_id)
        return await self._sealer.open(ledger_id, sealed, table=TABLE, column=column, row_id=record.id)
