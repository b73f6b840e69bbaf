"""Dead letters on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import OneOf, Response, Time, id_field
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.messages import DeadLetterStatus
from zerosum.services.dead_letters import DeadLetterRecord

DeadLetterStatusName = Annotated[str, OneOf(DeadLetterStatus)]


class DeadLetterResponse(Response):
    """A message from a queue that could not be carried out, or waits behind one of its key."""

    id: Annotated[str, id_field(Prefix.DEAD_LETTER, "The dead letter.")]
    status: Annotated[
        DeadLetterStatusName,
        Field(
            description="`dead`: somebody must look at it. `retrying`: it is tried again by itself. `waiting`: behind "
            "one of its key that is. `replayed`: carried out, or refused by the books. `dropped`: given up by hand."
        ),
    ]
    reason: Annotated[str, Field(description="Why: the code of its refusal.", examples=["malformed_json"])]
    problem: Annotated[dict[str, Any], Field(description="What the API call would have been answered.", examples=[{}])]
    input: Annotated[str, Field(description="Which input it came from.", examples=["kafka"])]
    topic: Annotated[str, Field(description="Its topic, stream or queue.", examples=["payments"])]
    partition: Annotated[str, Field(description="Its partition.", examples=["0"])]
    place: Annotated[str, Field(description="What it is called there.", examples=["4711"])]
    ordering_key: Annotated[
        str | None, Field(description="Messages of one key keep their order.", examples=["customers:alice"])
    ]
    bytes: Annotated[int, Field(description="How long it was; of a longer one the beginning is kept.", examples=[12])]
    attempts: Annotated[int, Field(description="How often it was tried.", ge=0, examples=[1])]
    first_at: Annotated[Time, Field(description="When it was put aside.")]
    last_at: Annotated[Time, Field(description="When it was tried last, replayed or dropped.")]
    next_at: Annotated[Time | None, Field(description="When it is tried again by itself.")] = None
    actor: Annotated[
        str | None, Field(description="Who has replayed or dropped it, or null.", examples=["key_01994f3e-…"])
    ]


class DeadLetterDetail(DeadLetterResponse):
    """The same with the message."""

    body: Annotated[str, Field(description="The message; what is no UTF-8 is shown by its bytes.", examples=["{"])]
    headers: Annotated[dict[str, str], Field(description="Of a CloudEvent.", examples=[{}])]


class DeadLetterReplay(DeadLetterResponse):
    """What has become of it now."""

    outcome: Annotated[dict[str, Any], Field(description="As it is told on a reply topic.", examples=[{}])]


def dead_letter_body(record: DeadLetterRecord) -> dict[str, Any]:
    message = record.message
    body: dict[str, Any] = {
        "id": render_id(Prefix.DEAD_LETTER, record.id),
        "status": record.status.value,
        "reason": record.reason,
        "problem": dict(record.problem),
        "input": message.partition.input,
        "topic": message.partition.topic,
        "partition": message.partition.name,
        "place": message.place,
        "ordering_key": message.ordering_key,
        "bytes": message.body_bytes,
        "attempts": record.attempts,
        "first_at": render_time(record.first_at),
        "last_at": render_time(record.last_at),
        "actor": record.actor,
    }
    if record.next_at is not None:
        body["next_at"] = render_time(record.next_at)
    return body


def dead_letter_detail(record: DeadLetterRecord) -> dict[str, Any]:
    message = record.message
    return dead_letter_body(record) | {
        "body": message.body.decode("utf-8", "backslashreplace"),
        "headers": dict(message.headers),
    }
