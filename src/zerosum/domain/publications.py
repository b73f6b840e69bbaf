"""Publications: events of the feed on their way to a broker, in their order, at least once. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.messages import storable
from zerosum.domain.traces import HEADER

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
TOPIC_CHARACTERS_MAX = 249
"""What Kafka takes, which takes the least."""

DEFAULT_TOPIC = "zerosum.{ledger}.{type}"
_PLACES = {
    "ledger": "led_00000000-0000-0000-0000-000000000000",
    "type": max(EventType, key=len).value,
    "resource": max(ResourceType, key=len).value,
}
"""What a template may name, each at its longest."""

_PLACE = re.compile(r"\{([^{}]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9_.:/-]*")


class PublicationUnfit(ValueError):
    """A publication cannot be as it was described. The message is one clear line."""


class PublicationKey(StrEnum):
    """What an event is keyed by: those of one key keep their order."""

    ACCOUNT = "account"
    LEDGER = "ledger"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """Where an event goes, by its ledger, its type and the kind of its resource. Every broker takes it."""

    text: str

    @classmethod
    def parse(cls, text: str) -> TopicTemplate:
        """Raises PublicationUnfit."""
        for name in _PLACE.findall(text):
            if name not in _PLACES:
                known = ", ".join(f"{{{place}}}" for place in _PLACES)
                raise PublicationUnfit(f"the topic names {{{storable(name[:64])}}}: there are {known}")
        if _LITERAL.fullmatch(_PLACE.sub("", text)) is None:
            raise PublicationUnfit("a topic has letters, digits and _.:/- around what stands in braces")
        template = cls(text)
        longest = template.rendered(**_PLACES)
        if any(not word for word in longest.split(".")):
            raise PublicationUnfit("a topic is not empty, and has something between two points")
        if len(longest) > TOPIC_CHARACTERS_MAX:
            raise PublicationUnfit(f"a topic has {TOPIC_CHARACTERS_MAX} characters at most, with all that it names")
        return template

    def rendered(self, *, ledger: str, type: str, resource: str) -> str:  # noqa: A002 - as the template calls it
        return _PLACE.sub(lambda found: {"ledger": ledger, "type": type, "resource": resource}[found[1]], self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is published where. Its name alone is what its position goes by.

    `target` is the broker's address without a password. `types` are names of event types; none: all.
    """

    name: str
    target: str
    topic: TopicTemplate
    key: PublicationKey
    types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if NAME.fullmatch(self.name) is None:
            raise PublicationUnfit("a publication's name has up to 64 letters, digits and _.-")
        for name in self.types:
            if not any(is_of_type(name, known.value) for known in EventType):
                raise PublicationUnfit(f"there is no event of the type {storable(name[:64])}")

    def wanted_types(self) -> frozenset[str]:
        """All that the names stand for, of those this version knows; empty: all."""
        return frozenset(
            known.value for known in EventType if any(is_of_type(name, known.value) for name in self.types)
        )


def is_of_type(name: str, known: str) -> bool:
    """A name may end in `.*`, which is all that begins so."""
    return known == name or (name.endswith(".*") and known.startswith(name[:-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """An event for a broker. `attributes` are those of a CloudEvent whose data is the body."""

    id: str
    topic: str
    key: str
    body: bytes
    attributes: Mapping[str, str]
    traceparent: str | None = None
    """Of which trace its publication is a part; `attributes` say it of the event."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How many of the first messages are safe at the broker, and what stood in the way of the next one, if anything."""

    number: int
    obstacle: str | None = None


def attributes_of(event: Mapping[str, Any], key: str) -> dict[str, str]:
    """Of the CloudEvent (1.0) that an event of the feed is."""
    resource = event["resource"]
    trace = {HEADER: event[HEADER]} if HEADER in event else {}
    return {
        "specversion": "1.0",
        "id": event["id"],
        "source": f"/ledgers/{event['ledger']}",
        "type": event["type"],
        "subject": f"{resource['type']}/{resource['id']}",
        "time": event["created_at"],
        "datacontenttype": "application/json",
        "partitionkey": key,
        **trace,
    }


def key_of(event: Mapping[str, Any], key: PublicationKey, parties: Mapping[str, Any] | None = None) -> str:
    """The ordering key of an event of the feed. `parties` are those of its payment, where it does not say them."""
    if key is PublicationKey.LEDGER:
        return str(event["ledger"])
    resource = event["resource"]
    own = f"{resource['type']}/{resource['id']}"
    return own if key is PublicationKey.RESOURCE else _account_of(event, parties or event["data"]) or own


def _account_of(event: Mapping[str, Any], about: Mapping[str, Any]) -> str | None:
    """Whose event it is: the account itself; who pays, or is paid by a deposit; else the first that is moved."""
    resource = event["resource"]
    if resource["type"] == ResourceType.ACCOUNT:
        return str(resource["id"])
    sides = ("to", "from") if about.get("type") == "deposit" else ("from", "to")
    for name in (*sides, "account_id"):
        if isinstance(about.get(name), str) and about[name].startswith("acc_"):
            return str(about[name])
    return next(iter(event["account_versions"]), None)


def runs_of_distinct_keys(messages: list[OutgoingMessage]) -> list[list[OutgoingMessage]]:
    """Neighbours that may be on their way together: no key comes twice in a run, so its order cannot be lost."""
    starts, seen = [0], set[str]()
    for place, message in enumerate(messages):
        if message.key in seen:
            starts.append(place)
            seen.clear()
        seen.add(message.key)
    return [messages[first:end] for first, end in pairwise([*starts, len(messages)])]
