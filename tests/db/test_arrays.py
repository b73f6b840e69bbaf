"""What PostgreSQL gets when a lane sends arrays: exactly what the driver's own encoder would have sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.db.database_url import CONNECT_SECONDS_MAX
from zerosum.db.identifiers import new_uuid

TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["", "NULL", "{}", '"', "ä" * 300, "x" * 511, "x" * 512, "🙂"]),
)
MOMENTS = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 - the zone is drawn
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "uuid": st.one_of(st.uuids(), st.builds(new_uuid)),
    "text": TEXTS,
    "bytea": st.binary(max_size=600),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "xid": st.integers(0, 2**32 - 1),
    "timestamptz": MOMENTS,
    "jsonb": st.sampled_from(["{}", '{"a": "ä"}', "null", '"x"', "[1, 2]"]),
}


@pytest.fixture
async def lane(test_database: TestDatabase) -> Any:
    connection = await BatchConnection.open(test_database.service_dsn, CONNECT_SECONDS_MAX)
    yield connection
    await connection.close()


@pytest.fixture
async def driver(test_database: TestDatabase) -> Any:
    connection = await asyncpg.connect(test_database.service_dsn)
    yield connection
    await connection.close()


async def got(connection: Any, kind: str, values: Sequence[Any]) -> tuple[list[str | None], str]:
    """Each element as PostgreSQL writes it, and the array as a whole."""
    rows = await connection.fetch(
        f"select item::text, whole::text from (select $1::{kind}[] as whole) given "
        "left join lateral unnest(whole) with ordinality as one(item, place) on true order by place",
        values,
    )
    return [row[0] for row in rows], rows[0][1]


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_arrays_arrive_as_they_are(
    kind: str, data: st.DataObject, lane: BatchConnection, driver: asyncpg.Connection[asyncpg.Record]
) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=6))
    assert await got(lane, kind, values) == await got(driver, kind, values)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("uuid", "x"), ("text", 1), ("bytea", "x"), ("bigint", 2**63), ("bigint", "1"), ("text", "\ud800"), ("xid", -1)],
)
async def test_what_does_not_fit_is_refused_and_the_connection_lives(
    kind: str, value: Any, lane: BatchConnection
) -> None:
    with pytest.raises((TypeError, AttributeError, ValueError, asyncpg.DataError)):
        await got(lane, kind, [value])
    assert (await lane.fetch("select 1"))[0][0] == 1


async def test_a_text_that_postgresql_does_not_take_is_refused_by_it(lane: BatchConnection) -> None:
    with pytest.raises(asyncpg.CharacterNotInRepertoireError):
        await got(lane, "text", ["\0"])
