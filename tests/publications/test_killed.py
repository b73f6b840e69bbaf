"""`zerosum publish` as whole processes, two at once, killed and stopped in the middle, the broker cut off and hung.

Every committed event arrives, duplicates carry the same id, and those of a key first come in the order of the feed.
With a hundred kills, and brokers that are killed too: `tests/campaigns/test_publication_storms.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.at_length import as_many_as
from tests.campaigns.installation import Installation, installed
from tests.ingest.ground import ONE_BROKER
from tests.publications.brokers import Broker, KafkaEvents
from tests.publications.storm import weathered

pytestmark = pytest.mark.xdist_group("publications")


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with installed("--no-demo", is_warm=True) as running:
        yield running


@ONE_BROKER
async def test_publishers_killed_and_stopped_and_a_broker_cut_off_and_hung_lose_nothing(
    installation: Installation, broker: Broker
) -> None:
    has_pipe = not isinstance(broker, KafkaEvents) or broker.mock is not None
    kills = as_many_as(1, at_length=2)
    await weathered(installation, broker, {"kill": kills, "stop": 1, "cut": int(has_pipe), "hang": int(has_pipe)})
