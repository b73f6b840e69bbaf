"""Which inputs and places for answers `zerosum ingest` was told of: one URL each."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zerosum.adapters.streams.lines import StandardInput, TcpInput
from zerosum.cli.broker_addresses import NAME, OF_KAFKA, Address, kafka_address, need
from zerosum.cli.talk import USAGE, CommandFailed, put
from zerosum.domain.messages import InputAway
from zerosum.ingest.streams.port import Input, Replies

STDIN = "-"

SENDER_CHARACTERS_MAX = 200
"""Of a credential: the id of a key, or the subject of a token."""


@dataclass(frozen=True, slots=True)
class InputOptions:
    """`name` is that of stdin."""

    name: str | None
    message_bytes_max: int
    in_memory_max: int
    accepts_gaps: bool = False


def make_inputs(texts: Sequence[str], options: InputOptions) -> list[Input]:
    """Raises CommandFailed."""
    if not texts:
        raise CommandFailed("say where messages come from: --from, or ZEROSUM_INGEST_FROM", USAGE)
    inputs = [_make_input(text, options) for text in texts]
    names = [one.name for one in inputs]
    for name in names:
        if names.count(name) > 1:
            raise CommandFailed(f"two inputs are called {name}: give them names of their own (?name=…)", USAGE)
    return inputs


def read_senders(texts: Sequence[str], inputs: Sequence[Input]) -> dict[str, str]:
    """The credential of whoever writes to each of these inputs, by its name. Raises CommandFailed."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, sender = text.partition("=")
        if not (sender and sender.isprintable() and len(sender) <= SENDER_CHARACTERS_MAX) or name in found:
            raise CommandFailed("--sender is INPUT=CREDENTIAL, once for each input: orders=key_…", USAGE)
        if name not in {one.name for one in inputs}:
            raise CommandFailed(f"--sender: no input is called {name[:64]}", USAGE)
        found[name] = sender
    return found


def _make_input(text: str, options: InputOptions) -> Input:
    if text == STDIN:
        if options.name is not None and NAME.fullmatch(options.name) is None:
            raise CommandFailed("--name is up to 64 letters, digits and _.-", USAGE)
        has_name = options.name is not None
        return StandardInput(options.name or "stdin", options.message_bytes_max, has_positions=has_name)
    scheme = text.partition("://")[0]
    maker = _MAKERS.get(scheme)
    if maker is None:
        raise CommandFailed(f"{scheme[:20]!r}: inputs are -, {', '.join(f'{one}://' for one in _MAKERS)}", USAGE)
    return maker(text, options)


def _tcp(text: str, options: InputOptions) -> Input:
    address = Address.parse(text, ("name",))
    if address.url.port is None:
        raise CommandFailed(f"{address.shown}: say at which port to listen", USAGE)
    if not _is_loopback(address.host):
        raise CommandFailed(
            f"{address.shown}: lines come without TLS and without a credential, so only from this machine", USAGE
        )
    return TcpInput(address.name("tcp"), address.host, address.url.port, options.message_bytes_max)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _redis(text: str, options: InputOptions) -> Input:
    from zerosum.adapters.streams.redis_streams import RedisStreamInput  # noqa: PLC0415 - only what is used is loaded

    address = Address.parse(text, ("stream", "group", "name"))
    return RedisStreamInput(
        address.name("redis"),
        address.url.geturl(),
        address.required("stream"),
        address.options.get("group", "zerosum"),
        options.message_bytes_max,
        accepts_gaps=options.accepts_gaps,
    )


def _nats(text: str, options: InputOptions) -> Input:
    need("nats", "nats", address := Address.parse(text, ("subject", "name")))
    from zerosum.adapters.streams.nats import NatsInput  # noqa: PLC0415

    if not address.path:
        raise CommandFailed(f"{address.shown}: say which stream: nats://host:4222/STREAM", USAGE)
    return NatsInput(
        address.name("nats"),
        address.server,
        address.path,
        address.options.get("subject"),
        options.message_bytes_max,
        accepts_gaps=options.accepts_gaps,
    )


def _rabbitmq(text: str, options: InputOptions) -> Input:
    need("aio_pika", "rabbitmq", address := Address.parse(text, ("queue", "name")))
    from zerosum.adapters.streams.rabbitmq import RabbitInput  # noqa: PLC0415

    return RabbitInput(
        address.name("rabbitmq"),
        address.url.geturl(),
        address.required("queue"),
        options.message_bytes_max,
        options.in_memory_max,
    )


def _kafka(text: str, options: InputOptions) -> Input:
    need("aiokafka", "kafka", address := Address.parse(text, ("group", "name", *OF_KAFKA)))
    from zerosum.adapters.streams.kafka import KafkaInput  # noqa: PLC0415

    topics = [topic for topic in address.path.split(",") if topic]
    if not topics:
        raise CommandFailed(f"{address.shown}: say which topics: kafka://host:9092/one,another", USAGE)
    return KafkaInput(
        address.name("kafka"),
        kafka_address(address),
        topics,
        address.options.get("group", "zerosum"),
        options.message_bytes_max,
        accepts_gaps=options.accepts_gaps,
    )


_MAKERS: dict[str, Callable[[str, InputOptions], Input]] = {
    "tcp": _tcp,
    "redis": _redis,
    "rediss": _redis,
    "nats": _nats,
    "tls": _nats,
    "amqp": _rabbitmq,
    "amqps": _rabbitmq,
    "kafka": _kafka,
    "kafkas": _kafka,
}


class StandardReplies:
    """Answers as JSON lines on stdout."""

    async def send(self, answers: Sequence[tuple[str | None, bytes]]) -> None:
        try:
            put("".join(f"{body.decode()}\n" for _, body in answers))
        except CommandFailed as error:
            raise InputAway(str(error)) from None

    async def close(self) -> None:
        """Everything was flushed."""


def make_replies(text: str | None) -> Replies | None:
    """Raises CommandFailed."""
    if text is None:
        return None
    if text == STDIN:
        return StandardReplies()
    scheme = text.partition("://")[0]
    maker = _REPLY_MAKERS.get(scheme)
    if maker is None:
        raise CommandFailed(
            f"{scheme[:20]!r}: answers go to -, {', '.join(f'{one}://' for one in _REPLY_MAKERS)}", USAGE
        )
    return maker(text)


def _redis_replies(text: str) -> Replies:
    from zerosum.adapters.streams.redis_replies import RedisStreamReplies  # noqa: PLC0415 - as above

    address = Address.parse(text, ("stream",))
    return RedisStreamReplies(address.url.geturl(), address.required("stream"))


def _nats_replies(text: str) -> Replies:
    need("nats", "nats", address := Address.parse(text, ("subject",)))
    from zerosum.adapters.streams.nats import NatsReplies  # noqa: PLC0415

    return NatsReplies(address.server, address.required("subject"))


def _rabbitmq_replies(text: str) -> Replies:
    need("aio_pika", "rabbitmq", address := Address.parse(text, ("queue",)))
    from zerosum.adapters.streams.rabbitmq import RabbitReplies  # noqa: PLC0415

    return RabbitReplies(address.url.geturl(), address.required("queue"))


def _kafka_replies(text: str) -> Replies:
    need("aiokafka", "kafka", address := Address.parse(text, OF_KAFKA))
    from zerosum.adapters.streams.kafka import KafkaReplies  # noqa: PLC0415

    if not address.path:
        raise CommandFailed(f"{address.shown}: say which topic: kafka://host:9092/answers", USAGE)
    return KafkaReplies(kafka_address(address), address.path)


_REPLY_MAKERS: dict[str, Callable[[str], Replies]] = {
    "amqp": _rabbitmq_replies,
    "amqps": _rabbitmq_replies,
    "kafka": _kafka_replies,
    "kafkas": _kafka_replies,
    "redis": _redis_replies,
    "rediss": _redis_replies,
    "nats": _nats_replies,
    "tls": _nats_replies,
}
