"""Parts of the bodies that templates write: as `orjson.dumps` writes them; members and items without their braces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import orjson

from zerosum.domain.payments.payment import NO_TEXTS, PaymentTexts

_NO_TEXTS = orjson.dumps(NO_TEXTS._asdict()).decode()[1:-1]


def texts_members(texts: PaymentTexts) -> str:
    return _NO_TEXTS if texts == NO_TEXTS else orjson.dumps(texts._asdict()).decode()[1:-1]


def metadata_text(metadata: Mapping[str, str]) -> str:
    return orjson.dumps(dict(metadata)).decode() if metadata else "{}"


def versions_members(versions: Mapping[UUID, int]) -> str:
    return ",".join([f'"acc_{account_id}":{version}' for account_id, version in versions.items()])


def id_items(prefix: str, ids: Iterable[UUID | str]) -> str:
    return ",".join([f'"{prefix}{id_}"' for id_ in ids])
