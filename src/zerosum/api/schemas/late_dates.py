"""On the wire: what something was dated to, in a closed period."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import OneOf, Response, Time
from zerosum.domain.ledger.periods import LateEntry, LateWay


class LateDate(Response):
    """What an entry was dated to, in a closed period, and how that was answered."""

    way: Annotated[
        str,
        OneOf(LateWay),
        Field(description="Put there all the same, or dated to the first open moment.", examples=["rolled_forward"]),
    ]
    effective_at_requested: Annotated[Time, Field(description="What it was dated to.")]
    reason: Annotated[str | None, Field(description="Of an override, or null.", examples=[None])]


def late_body(late: LateEntry) -> dict[str, Any]:
    return {
        "way": late.way.value,
        "effective_at_requested": render_time(late.requested_at),
        "reason": late.reason,
    }
