"""What is kept sealed of an endpoint: its secrets, and the headers that are sent with each of its deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from zerosum.db.queries.webhook_endpoints import EndpointRecord
from zerosum.domain.errors import QuotaExceeded
from zerosum.domain.identifiers import LedgerId
from zerosum.services.credentials.sealing import Sealer

TABLE = "webhook_endpoints"

FORMER = b"former secrets "
"""What is kept of several begins so; a secret by itself does not, which is as long and random."""

FORMER_SECRETS_MAX = 8
"""Each of them signs each delivery."""


class Former(NamedTuple):
    """A secret that signs beside the newest until then."""

    secret: bytes
    until: datetime


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

    async def rotated(self, record: EndpointRecord, secret: bytes, now: datetime, overlap: timedelta) -> EndpointRecord:
        """With a new secret. The one before signs too as long as they overlap, and so do those that were promised to.

        Without an overlap none of before does: one of them has become known. Raises QuotaExceeded.
        """
        former: list[Former] = []
        if overlap:
            before = await self._open(record, "sealed_secret", record.sealed_secret)
            former = [Former(before, now + overlap), *await self._former(record, now)]
        if len(former) > FORMER_SECRETS_MAX:
            raise QuotaExceeded(
                f"{FORMER_SECRETS_MAX} former secrets sign still: wait until they have ended, or rotate with "
                "overlap_seconds 0, which ends all of them."
            )
        told = [[one.secret.hex(), one.until.isoformat()] for one in former]
        sealed = await self._seal(record.ledger_id, record.id, "sealed_previous_secret", FORMER + orjson.dumps(told))
        return replace(
            record,
            sealed_secret=await self.seal_secret(record.ledger_id, record.id, secret),
            sealed_previous_secret=sealed if former else None,
            previous_secret_until=max((one.until for one in former), default=None),
        )

    async def opened(self, record: EndpointRecord, now: datetime) -> OpenedEndpoint:
        keys = [await self._open(record, "sealed_secret", record.sealed_secret)]
        keys += [one.secret for one in await self._former(record, now)]
        headers: dict[str, str] = {}
        if record.sealed_headers is not None:
            headers = orjson.loads(await self._open(record, "sealed_headers", record.sealed_headers))
        return OpenedEndpoint(record.url, tuple(keys), headers)

    async def _former(self, record: EndpointRecord, now: datetime) -> list[Former]:
        """Those that sign still, the newest first."""
        until = record.previous_secret_until
        if record.sealed_previous_secret is None or until is None or now >= until:
            return []
        content = await self._open(record, "sealed_previous_secret", record.sealed_previous_secret)
        if not content.startswith(FORMER):  # One alone, as it was kept before there could be several.
            return [Former(content, until)]
        told = orjson.loads(content.removeprefix(FORMER))
        kept = [Former(bytes.fromhex(secret), datetime.fromisoformat(ends)) for secret, ends in told]
        return [one for one in kept if now < one.until]

    async def _seal(self, ledger_id: UUID, id_: UUID, column: str, content: bytes) -> str:
        return await self._sealer.seal(LedgerId(ledger_id), content, table=TABLE, column=column, row_id=id_)

    async def _open(self, record: EndpointRecord, column: str, sealed: str) -> bytes:
        ledger_id = LedgerId(record.ledger_id)
        return await self._sealer.open(ledger_id, sealed, table=TABLE, column=column, row_id=record.id)
