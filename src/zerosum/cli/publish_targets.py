"""Which publications a command or the worker was told of: one URL each, with what it publishes in its query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zerosum.cli.broker_addresses import NAME, OF_KAFKA, Address, kafka_address, need
from zerosum.cli.talk import USAGE, CommandFailed
from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.publications import DEFAULT_TOPIC, Publication, PublicationKey, PublicationUnfit, TopicTemplate

if TYPE_CHECKING:
    # The database takes a while to load, and what is refused needs none.
    from uuid import UUID

    from zerosum.services.publications.publisher import Destination, PublicationOrder

OURS = ("name", "topic", "key", "types", "ledger", "begin")
BEGINNINGS = ("beginning", "latest")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishWords:
    """What holds for a publication unless its URL says otherwise."""

    name: str | None = None
    topic: str = DEFAULT_TOPIC
    key: str = PublicationKey.ACCOUNT
    types: str = ""
    """Separated by commas."""
    ledger: str | None = None
    begin: str = BEGINNINGS[0]


def make_orders(texts: Sequence[str], words: PublishWords) -> list[PublicationOrder]:
    """Raises CommandFailed."""
    if not texts:
        raise CommandFailed("say where events are published: --to, or ZEROSUM_PUBLISH_TO", USAGE)
    orders = [_order(text, words) for text in texts]
    names = [order.publication.name for order in orders]
    for name in names:
        if names.count(name) > 1:
            raise CommandFailed(f"two publications are called {name}: give them names of their own (?name=…)", USAGE)
    return orders


def _order(text: str, words: PublishWords) -> PublicationOrder:
    from zerosum.services.publications.publisher import PublicationOrder  # noqa: PLC0415 - as above

    scheme = text.partition("://")[0]
    maker = _MAKERS.get(scheme)
    if maker is None:
        raise CommandFailed(
            f"{scheme[:20]!r}: events are published to {', '.join(f'{one}://' for one in _MAKERS)}", USAGE
        )
    make, of_broker = maker
    address = Address.parse(text, (*OURS, *of_broker))
    options = address.options
    begin = options.get("begin", words.begin)
    if begin not in BEGINNINGS:
        raise CommandFailed(f"{address.shown}: begin is {' or '.join(BEGINNINGS)}", USAGE)
    return PublicationOrder(
        publication=_publication(address, words),
        only=_ledger(options.get("ledger", words.ledger)),
        begins_latest=begin == BEGINNINGS[1],
        make=make(address),
    )


def _publication(address: Address, words: PublishWords) -> Publication:
    options = address.options
    key, types = options.get("key", words.key), options.get("types", words.types)
    name = options.get("name") or words.name or address.url.scheme
    if NAME.fullmatch(name) is None:
        raise CommandFailed(f"{address.shown}: a name has up to 64 letters, digits and _.-", USAGE)
    if key not in set(PublicationKey):
        raise CommandFailed(f"{address.shown}: events are keyed by {', '.join(PublicationKey)}", USAGE)
    exchange = f"?exchange={options['exchange']}" if "exchange" in options else ""
    try:
        return Publication(
            name=name,
            target=f"{address.shown.rstrip('/')}{exchange}",
            topic=TopicTemplate.parse(options.get("topic", words.topic)),
            key=PublicationKey(key),
            types=tuple(sorted({one.strip() for one in types.split(",") if one.strip()})),
        )
    except PublicationUnfit as error:
        raise CommandFailed(f"{address.shown}: {error}", USAGE) from None


def _ledger(text: str | None) -> UUID | None:
    try:
        return None if text is None else parse_id(Prefix.LEDGER, text)
    except InvalidId as error:
        raise CommandFailed(error.detail, USAGE) from None


def _redis(address: Address) -> Callable[[], Destination]:
    from zerosum.adapters.streams.redis_destination import RedisDestination  # noqa: PLC0415 - only what is used is loaded

    return lambda: RedisDestination(address.url.geturl(), address.shown)


def _nats(address: Address) -> Callable[[], Destination]:
    need("nats", "nats", address)
    from zerosum.adapters.streams.nats_destination import NatsDestination  # noqa: PLC0415

    if address.path:
        raise CommandFailed(f"{address.shown}: the topic alone says which stream takes it: nats://host:4222", USAGE)
    return lambda: NatsDestination(address.server)


def _rabbitmq(address: Address) -> Callable[[], Destination]:
    need("aio_pika", "rabbitmq", address)
    from zerosum.adapters.streams.rabbitmq_destination import RabbitDestination  # noqa: PLC0415

    return lambda: RabbitDestination(address.url.geturl(), address.options.get("exchange", ""))


def _kafka(address: Address) -> Callable[[], Destination]:
    need("aiokafka", "kafka", address)
    from zerosum.adapters.streams.kafka_destination import KafkaDestination  # noqa: PLC0415

    if address.path:
        raise CommandFailed(f"{address.shown}: the topic stands in --topic: kafka://host:9092", USAGE)
    kafka = kafka_address(address)
    return lambda: KafkaDestination(kafka)


_MAKERS: dict[str, tuple[Callable[[Address], Callable[[], Destination]], tuple[str, ...]]] = {
    "kafka": (_kafka, OF_KAFKA),
    "kafkas": (_kafka, OF_KAFKA),
    "amqp": (_rabbitmq, ("exchange",)),
    "amqps": (_rabbitmq, ("exchange",)),
    "nats": (_nats, ()),
    "tls": (_nats, ()),
    "redis": (_redis, ()),
    "rediss": (_redis, ()),
}
