"""On the wire: what is read of the books, with the trace that it was a part of, which nothing else tells."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.schemas.journal import JournalEntryResponse, entry_body
from zerosum.api.schemas.payments import PaymentResponse, payment_body
from zerosum.domain.traces import trace_id_in
from zerosum.services.journal import RecordedEntry
from zerosum.services.payments import RecordedPayment

TraceId = Annotated[
    str | None,
    Field(
        description="The trace (W3C Trace Context) that its request was part of. Not there where it was part of none.",
        examples=["4bf92f3577b34da6a3ce929d0e0e4736"],
        pattern="^[0-9a-f]{32}$",
    ),
]


class TracedPaymentResponse(PaymentResponse):
    """A payment as it is read."""

    trace_id: TraceId = None


class TracedEntryResponse(JournalEntryResponse):
    """A journal entry as it is read."""

    trace_id: TraceId = None


def traced_payment_body(payment: RecordedPayment) -> dict[str, Any]:
    return _traced(payment_body(payment), payment.traceparent)


def traced_entry_body(entry: RecordedEntry) -> dict[str, Any]:
    return _traced(entry_body(entry), entry.traceparent)


def _traced(body: dict[str, Any], traceparent: str | None) -> dict[str, Any]:
    trace_id = trace_id_in(traceparent)
    return body if trace_id is None else {**body, "trace_id": trace_id}
