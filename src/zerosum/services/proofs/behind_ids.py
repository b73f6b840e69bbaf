"""A part of a proof that goes by ids: where it is, and how it goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from zerosum.db.queries.proofs import FIRST_ID


class BehindIds:
    """`_after` is the last that was proved."""

    _after: UUID = FIRST_ID

    def position(self) -> dict[str, Any]:
        return {"after": str(self._after)}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._after = UUID(position["after"])
