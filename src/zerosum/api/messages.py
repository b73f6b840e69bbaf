"""Reads messages as the API reads calls, and carries them out: same checks, same desks, same codes and pointers.

A message is one JSON object: the name of a command, a key, and the members of the call's body beside them. A CloudEvent
carries the same object as its data. A row of a client file as JSON needs no command. The ledger is the consumer's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from zerosum.api.message_commands import CLIENT_TRANSACTION, MessageCommand, message_commands
from zerosum.api.problems import problem
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.domain.messages import Message, MessageOutcome, OutcomeKind
from zerosum.domain.traces import HEADER, TraceOrigin, parse_traceparent
from zerosum.gateway.guards.json_guard import parse_json
from zerosum.gateway.guards.request_guard import parse_key
from zerosum.gateway.routing import BODY_BYTES_MAX
from zerosum.services.committing.submission import Done
from zerosum.services.requests.caller import Caller
from zerosum.services.spans import NO_SPANS, Spans, Step, StepKind, in_trace

SCHEMA_VERSION = 1
CLOUDEVENTS_VERSION = "1.0"

OF_ENVELOPE = ("command", "idempotency_key", "ledger", "schema_version")
ROW_MEMBERS = frozenset({"type", "client", "tx"})

AWAY = (errors.Unavailable, errors.Overloaded, errors.OutcomeUnknown)
FAILED = (errors.InternalError, errors.RecordUnreadable)
POISON = (
    errors.Malformed,
    errors.AmountTooLarge,
    errors.AmountTooPrecise,
    errors.BodyTooLarge,
    errors.Forbidden,
    errors.IdempotencyKeyReused,
    errors.InvalidAmount,
    errors.InvalidId,
    errors.InvalidString,
    errors.PanNotAllowed,
    errors.UnknownField,
    errors.ValidationFailed,
)
"""What is wrong with the message itself, wherever that is found. Any other refusal is an answer of the books."""

BEHIND = MessageOutcome(OutcomeKind.BEHIND, {})
SETTLED = (OutcomeKind.DONE, OutcomeKind.REFUSED)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as an order."""

    message: Message
    name: str
    command: MessageCommand
    key: str
    order: Any
    """Or the command itself, where the members are plain."""
    origin: TraceOrigin | None = None
    """Of which trace it is a part."""
    place: str = ""
    """Where in the message its members lie: the pointers of refusals begin so."""

    @property
    def group(self) -> object:
        """Neighbours of one group go to the committer together."""
        return self.command.desk


class _MadeWhenRead(Mapping[str, object]):
    """An answer that is made once somebody reads it: of most messages nobody does."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Mapping[str, object]]) -> None:
        self._make = make
        self._made: Mapping[str, object] | None = None

    @property
    def _answer(self) -> Mapping[str, object]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __getitem__(self, name: str) -> object:
        return self._answer[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._answer)

    def __len__(self) -> int:
        return len(self._answer)


class MessageDesk:
    """Messages for one ledger."""

    def __init__(
        self,
        services: Services,
        caller: Caller,
        message_bytes_max: int = BODY_BYTES_MAX,
        spans: Spans = NO_SPANS,
    ) -> None:
        self._spans = spans
        self._commands = message_commands(services)
        self._caller = caller
        self._bytes_max = message_bytes_max

    def read(self, message: Message) -> Reading:
        """Raises a DomainError: nothing can ever come of it as it is."""
        if message.body_bytes > self._bytes_max:
            raise errors.BodyTooLarge(f"A message has at most {self._bytes_max} bytes.")
        whole = parse_json(message.body)
        content, event_key, place = _unwrapped(whole, message.headers)
        try:
            return self._reading(message, content, event_key, place, _origin(message.headers, whole))
        except DomainError as refusal:
            raise _placed(refusal, place) from None

    async def carry_out(self, readings: Sequence[Reading], order_key: int | None = None) -> list[MessageOutcome]:
        """Of one group, in order. Where they fail together they are tried in halves, until who is at fault is alone."""
        steps = [self._begun(one) for one in readings]
        outcomes: Sequence[MessageOutcome | None] = [None] * len(steps)
        try:
            with in_trace(*[step.origin for step in steps]):
                outcomes = found = await self._carried_out(readings, order_key)
        finally:
            for step, outcome in zip(steps, outcomes, strict=True):
                step.end(None if outcome is not None and outcome.kind in SETTLED else "not_settled")
        return found

    def _begun(self, one: Reading) -> Step:
        said = {"messaging.destination.name": one.message.partition.topic, "zerosum.command": one.name}
        return self._spans.begin("ingest message", StepKind.TAKES, one.origin, said, may_begin=True)

    async def _carried_out(self, readings: Sequence[Reading], order_key: int | None) -> list[MessageOutcome]:
        command = readings[0].command
        desk, body_of = command.desk, command.body_of
        try:
            orders = [one.order for one in readings]
            if command.look_up is not None:
                orders = [await command.look_up(self._caller, order) for order in orders]
            results = await desk.each(self._caller, orders, order_key=order_key)
        except DomainError as refusal:
            return await self._together_failed(readings, refusal, order_key)
        except Exception:
            _log.exception("a message could not be carried out")
            defect = errors.InternalError("The command could not be carried out; nothing was done.")
            return await self._together_failed(readings, defect, order_key)
        return [
            self.refused(one.message, result, one)
            if isinstance(result, DomainError)
            else MessageOutcome(
                OutcomeKind.DONE,
                _MadeWhenRead(partial(_done, one, result, body_of)),
                is_replay=result.is_replay,
            )
            for one, result in zip(readings, results, strict=True)
        ]

    def refused(self, message: Message, refusal: DomainError, reading: Reading | None = None) -> MessageOutcome:
        """What a refusal means to the message; without a reading it could not even be read."""
        kind = _kind(refusal) if reading is not None else OutcomeKind.POISON
        instance, place = f"{message.partition}/{message.place}", "" if reading is None else reading.place
        told = {"problem": problem(refusal, str(message.partition), instance, place)}
        status = "refused" if kind is OutcomeKind.REFUSED else "dead"
        return MessageOutcome(
            kind, _answer(message, reading, status, refusal.is_replay, told), refusal, refusal.is_replay
        )

    async def _together_failed(
        self, readings: Sequence[Reading], refusal: DomainError, order_key: int | None
    ) -> list[MessageOutcome]:
        if len(readings) == 1 or isinstance(refusal, AWAY):
            return [self.refused(one.message, refusal, one) for one in readings]
        middle = len(readings) // 2
        outcomes = await self.carry_out(readings[:middle], order_key)
        away = next((outcome.refusal for outcome in outcomes if outcome.kind is OutcomeKind.AWAY), None)
        if away is not None:
            return outcomes + [self.refused(one.message, away, one) for one in readings[middle:]]
        stuck = {
            one.message.ordering_key
            for one, outcome in zip(readings, outcomes, strict=False)
            if outcome.kind is OutcomeKind.FAILED
        } - {None}
        free = [one for one in readings[middle:] if one.message.ordering_key not in stuck]
        rest = iter(await self.carry_out(free, order_key) if free else [])
        return outcomes + [BEHIND if one.message.ordering_key in stuck else next(rest) for one in readings[middle:]]

    def _reading(
        self, message: Message, members: dict[str, Any], event_key: str | None, place: str, origin: TraceOrigin | None
    ) -> Reading:
        """`members` are taken apart."""
        given = {name: members.pop(name, None) for name in OF_ENVELOPE}
        version = given["schema_version"]
        if version is not None and version != SCHEMA_VERSION:
            raise errors.UnsupportedVersion(f"Messages are of version {SCHEMA_VERSION}.", pointer="/schema_version")
        _check_ledger(given["ledger"], self._caller.ledger_id)
        name = given["command"]
        if name is None and members.keys() >= ROW_MEMBERS:
            name = CLIENT_TRANSACTION
        if name is None:
            raise errors.ValidationFailed("This is required.", pointer="/command")
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            raise errors.UnknownCommand(f"Commands are {', '.join(sorted(self._commands))}.", pointer="/command")
        key = _key(given["idempotency_key"], event_key or message.derived_key)
        straight = None if command.straight is None else command.straight(self._caller, members, key)
        order = command.order(members, key) if straight is None else straight
        return Reading(message, name, command, key, order, origin, place)


def _origin(headers: Mapping[str, str], content: Mapping[str, Any]) -> TraceOrigin | None:
    """By its header, else as a CloudEvent says it."""
    of_event = content.get(HEADER) if "specversion" in content else None
    for said in (headers.get(HEADER), headers.get(f"ce-{HEADER}"), of_event):
        origin = parse_traceparent(said) if isinstance(said, str) else None
        if origin is not None:
            return origin
    return None


def _unwrapped(content: dict[str, Any], headers: Mapping[str, str]) -> tuple[dict[str, Any], str | None, str]:
    """The command in a message, the key that a CloudEvent gives it, and where in the message the command lies."""
    if "specversion" in content:
        data = content.get("data")
        if not isinstance(data, dict):
            raise errors.ValidationFailed("The data of the event is an object: the command.", pointer="/data")
        return data, _event_key(content.get("specversion"), content.get("source"), content.get("id")), "/data"
    if "ce-specversion" in headers:
        key = _event_key(headers["ce-specversion"], headers.get("ce-source"), headers.get("ce-id"))
        return content, key, ""
    return content, None, ""


def _event_key(version: Any, source: Any, id_: Any) -> str:
    """Source and id of an event name it for ever, wherever and how often it comes."""
    if version != CLOUDEVENTS_VERSION:
        raise errors.UnsupportedVersion(f"CloudEvents are of version {CLOUDEVENTS_VERSION}.", pointer="/specversion")
    for name, value in (("source", source), ("id", id_)):
        if not isinstance(value, str) or not value:
            raise errors.ValidationFailed("A CloudEvent has this: a text.", pointer=f"/{name}")
    digest = sha256(f"{len(source)}:{source},{id_}".encode("utf-8", "surrogatepass"))
    return f"cloudevent sha256 {digest.hexdigest()}"


def _check_ledger(named: Any, ledger_id: LedgerId) -> None:
    if named is not None and named != render_id(Prefix.LEDGER, ledger_id):
        raise errors.WrongLedger("The message names another ledger than the consumer's.", pointer="/ledger")


def _key(given: Any, derived: str | None) -> str:
    if given is None:
        if derived is None:
            raise errors.IdempotencyKeyMissing(
                "The message has no idempotency_key, and nothing that names it for ever.", pointer="/idempotency_key"
            )
        return derived
    if not isinstance(given, str):
        raise errors.IdempotencyKeyInvalid("The key is a text.", pointer="/idempotency_key")
    try:
        return parse_key(given.encode("utf-8", "replace"))
    except errors.IdempotencyKeyInvalid as refusal:
        raise refusal.at("/idempotency_key") from None


def _kind(refusal: DomainError) -> OutcomeKind:
    if isinstance(refusal, AWAY):
        return OutcomeKind.AWAY
    if isinstance(refusal, POISON):
        return OutcomeKind.POISON
    return OutcomeKind.FAILED if isinstance(refusal, FAILED) or refusal.retryable else OutcomeKind.REFUSED


def _placed(refusal: DomainError, place: str) -> DomainError:
    """Pointers are those of the message as it came."""
    if place:
        for one in (refusal, *refusal.others):
            if one.pointer is not None:
                one.pointer = place + one.pointer
        if isinstance(refusal, errors.ValidationFailed):
            refusal.errors = [{**fault, "pointer": place + fault["pointer"]} for fault in refusal.errors]
    return refusal


def _done(one: Reading, result: Done[Any], body_of: Callable[[Any], dict[str, Any]]) -> dict[str, object]:
    return _answer(one.message, one, "done", result.is_replay, {"data": body_of(result.view)})


def _answer(
    message: Message, reading: Reading | None, status: str, is_replay: bool, told: Mapping[str, object]
) -> dict[str, object]:
    partition = message.partition
    answer: dict[str, object] = {
        "input": partition.input,
        "topic": partition.topic,
        "partition": partition.name,
        "place": message.place,
        "idempotency_key": None if reading is None else reading.key,
        "command": None if reading is None else reading.name,
        "status": status,
        "replayed": is_replay,
    }
    return answer | dict(told)
