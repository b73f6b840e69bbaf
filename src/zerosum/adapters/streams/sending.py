"""Sending one by one to brokers that confirm each message, several of different keys at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from zerosum.domain.publications import OutgoingMessage, Sent, runs_of_distinct_keys

SENDING_SECONDS = 5.0
"""After so long no further run is begun: what is safe by then is settled first."""


async def sent_in_runs(
    publish: Callable[[OutgoingMessage], Awaitable[None]], messages: Sequence[OutgoingMessage]
) -> Sent:
    """A broker may refuse a message and take the next one: so of one key only one is on its way."""
    sent = 0
    until = asyncio.get_running_loop().time() + SENDING_SECONDS
    for run in runs_of_distinct_keys(list(messages)):
        ends = await asyncio.gather(*(publish(one) for one in run), return_exceptions=True)
        for end in ends:
            if isinstance(end, asyncio.CancelledError):
                # Not ours: clients cancel their own waits when a broker hangs. Whether it has come is not known.
                return Sent(sent, "the broker hangs")
            if isinstance(end, BaseException):
                return Sent(sent, str(end) or type(end).__name__)
            sent += 1
        if asyncio.get_running_loop().time() > until:
            break
    return Sent(sent)
