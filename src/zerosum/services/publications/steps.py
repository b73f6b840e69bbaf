"""What is told of events on their way to a broker, where they are part of a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zerosum.domain.publications import OutgoingMessage
from zerosum.domain.traces import parse_traceparent
from zerosum.services.spans import Spans, Step, StepKind

NOT_SENT = "not_sent"


class PublishingSteps:
    """Of one batch: `messages` name them as what goes on from there is a part of."""

    def __init__(self, spans: Spans, messages: Sequence[OutgoingMessage]) -> None:
        self.messages = list(messages)
        self._steps: list[tuple[int, Step]] = []
        for place, message in enumerate(messages):
            if message.traceparent is None:
                continue
            said = {"messaging.destination.name": message.topic, "zerosum.event_id": message.id}
            origin = parse_traceparent(message.traceparent)
            step = spans.begin("publish event", StepKind.PUBLISHES, origin, said)
            self._steps.append((place, step))
            if step.origin is not None:
                self.messages[place] = replace(message, traceparent=step.origin.traceparent)

    def end(self, sent: int) -> None:
        """So many of the first are safe at the broker."""
        for place, step in self._steps:
            step.end(None if place < sent else NOT_SENT)
