"""The secrets of an installation: a wrong one is noticed before it is used, a stolen signing key goes at once."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from tests.api.conftest import service_settings
from tests.cli.command import Said, assert_one_clear_line, zerosum
from tests.conftest import Servers, TestDatabase, clone_database
from tests.gateway.test_authentication import Service as Parts
from tests.services.fresh_database import make_ledger
from zerosum.adapters.clock import now
from zerosum.db.engine import Database, make_engine
from zerosum.db.identifiers import new_uuid
from zerosum.domain.errors import Unauthenticated
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, render_id
from zerosum.gateway.identity.authentication import REMEMBERED_SECONDS_MAX
from zerosum.gateway.identity.key_sets import FRESH_SECONDS_OF_OURS
from zerosum.main import Service
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.installation_secrets import InstallationSecrets, WrongSecret
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.credentials.secret_checks import SecretChecks
from zerosum.services.credentials.signing_keys import READ_AGAIN_AFTER

ONE, OTHER = bytes(range(32)), bytes(range(1, 33))

VARIABLES = {
    "ZEROSUM_API_KEY_PEPPER": "",
    "ZEROSUM_CURSOR_SECRET": "",
    "ZEROSUM_MASTER_KEYS": "a:",
}
"""With what stands before the secret in each."""


def text(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


@pytest.fixture(scope="module")
async def settled(servers: Servers) -> AsyncIterator[dict[str, str]]:
    """The environment of an installation that has begun with the secret ONE."""
    async with _cloned(servers) as cloned:
        opened = Database(make_engine(cloned.service_dsn, pool_size=1))
        assert await told(opened, secrets()) is None
        await opened.close()
        yield _environment(cloned)


@pytest.fixture
async def fresh(servers: Servers) -> AsyncIterator[TestDatabase]:
    async with _cloned(servers) as cloned:
        yield cloned


@asynccontextmanager
async def _cloned(servers: Servers) -> AsyncIterator[TestDatabase]:
    cloned = await clone_database(servers, f"zerosum_{new_uuid().hex}")
    yield cloned
    connection = await asyncpg.connect(servers.superuser_dsn)
    await connection.execute(f'drop database "{cloned.name}" with (force)')
    await connection.close()


@pytest.fixture
async def database(fresh: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(make_engine(fresh.service_dsn, pool_size=5))
    yield opened
    await opened.close()


@pytest.fixture
def environment(fresh: TestDatabase) -> dict[str, str]:
    return _environment(fresh)


def _environment(database: TestDatabase) -> dict[str, str]:
    given = {name: prefix + text(ONE) for name, prefix in VARIABLES.items()}
    return {"ZEROSUM_DATABASE_URL": database.service_dsn, **given}


def secrets(pepper: bytes = ONE, cursor: bytes = ONE, **master_keys: bytes) -> InstallationSecrets:
    return InstallationSecrets(pepper=pepper, cursor_secret=cursor, master_keys=master_keys or {"a": ONE})


async def told(database: Database, given: InstallationSecrets) -> str | None:
    """What is wrong with them, if anything is."""
    try:
        await SecretChecks(database, given, now).confirm()
    except WrongSecret as error:
        return str(error)
    return None


async def command(*arguments: str, environment: dict[str, str]) -> Said:
    return await asyncio.to_thread(zerosum, *arguments, environment=environment)


# --- Noticed ---------------------------------------------------------------------------------------------------------


PEPPER, CURSOR, MASTERS = VARIABLES


@pytest.mark.parametrize(
    ("words", "variable"),
    [
        ("serve", PEPPER),
        ("serve", CURSOR),
        ("serve", MASTERS),
        ("worker", MASTERS),
        ("ledgers create main", PEPPER),
        ("operators create ann", PEPPER),
        ("keys rotate-signing", MASTERS),
        ("keys withdraw x", PEPPER),
        ("keys rewrap", CURSOR),
        ("keys rotate-data", MASTERS),
        ("keys list", MASTERS),
    ],
)
async def test_a_wrong_secret_is_named_by_every_command_in_one_line(
    settled: dict[str, str], words: str, variable: str
) -> None:
    said = await command(*words.split(), environment={**settled, variable: VARIABLES[variable] + text(OTHER)})
    assert_one_clear_line(said, variable)
    assert text(OTHER) not in said.err
    assert text(ONE) not in said.err


async def test_the_first_start_leaves_check_values_and_no_secret(database: Database, fresh: TestDatabase) -> None:
    assert await told(database, secrets()) is None
    connection = await asyncpg.connect(fresh.superuser_dsn)
    rows = await connection.fetch("select name, check_value from secret_checks")
    await connection.close()
    assert {row["name"] for row in rows} == {"api-key-pepper", "cursor-secret", "master-key:a"}
    assert len({row["check_value"] for row in rows}) == 3
    assert ONE not in {row["check_value"] for row in rows}


async def test_two_that_start_at_once_with_other_secrets_do_not_both_win(database: Database) -> None:
    found = await asyncio.gather(told(database, secrets()), told(database, secrets(pepper=OTHER)))
    assert sorted(each is None for each in found) == [False, True]


async def test_a_process_that_was_not_given_a_secret_is_not_asked_for_it(database: Database) -> None:
    assert await told(database, secrets()) is None
    assert await told(database, InstallationSecrets(master_keys={"a": ONE})) is None
    assert "ZEROSUM_MASTER_KEYS" in (await told(database, InstallationSecrets(master_keys={"a": OTHER})) or "")


async def test_what_is_sealed_tells_on_a_wrong_master_key_where_there_is_no_check_value_yet(database: Database) -> None:
    sealer = Sealer(database, MasterKeys("a", {"a": ONE}), now)
    await sealer.seal(SERVICE_LEDGER, b"x", table="t", column="c", row_id="r")
    assert "`a` is not the one" in (await told(database, secrets(a=OTHER)) or "")
    assert "lacks the key `a`" in (await told(database, secrets(b=OTHER)) or "")
    assert await told(database, secrets(b=OTHER, a=ONE)) is None


async def test_a_master_key_may_take_over_and_the_old_one_go(database: Database) -> None:
    both = {"b": OTHER, "a": ONE}
    await Sealer(database, MasterKeys("a", {"a": ONE}), now).seal(
        SERVICE_LEDGER, b"x", table="t", column="c", row_id="r"
    )
    assert await told(database, secrets()) is None
    assert await told(database, secrets(**both)) is None
    assert "lacks the key `a`" in (await told(database, secrets(b=OTHER)) or "")
    await Sealer(database, MasterKeys("b", both), now).rewrap()
    assert await told(database, secrets(b=OTHER)) is None


async def test_a_running_process_is_not_ready_while_its_secrets_do_not_fit(
    fresh: TestDatabase, servers: Servers, database: Database
) -> None:
    right = Service(service_settings(fresh, servers))
    await right.start()
    wrong = Service(service_settings(fresh, servers, api_key_pepper=text(OTHER)))
    await wrong.start()
    assert [(await ready(each)).status_code for each in (right, wrong)] == [200, 503]
    for each in (right, wrong):
        await each.stop()


async def ready(service: Service) -> httpx.Response:
    transport = httpx.ASGITransport(app=service.app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test") as http:
        return await http.get("/readyz")


# --- Changed on purpose ----------------------------------------------------------------------------------------------


async def test_a_new_cursor_secret_is_accepted_by_a_command(environment: dict[str, str], database: Database) -> None:
    assert await told(database, secrets()) is None
    new = {**environment, "ZEROSUM_CURSOR_SECRET": text(OTHER)}
    said = await command("keys", "accept-secrets", environment=new)
    assert (said.code, "cursor-secret" in said.err) == (0, True)
    assert await told(database, secrets(cursor=OTHER)) is None
    assert "ZEROSUM_CURSOR_SECRET" in (await told(database, secrets()) or "")


async def test_a_new_pepper_is_accepted_only_by_who_says_what_that_ends(
    environment: dict[str, str], database: Database
) -> None:
    assert await told(database, secrets()) is None
    new = {**environment, "ZEROSUM_API_KEY_PEPPER": text(OTHER)}
    assert_one_clear_line(
        await command("keys", "accept-secrets", environment=new), "--invalidate-api-keys", "every API"
    )
    assert "ZEROSUM_API_KEY_PEPPER" in (await told(database, secrets(pepper=OTHER)) or "")
    assert (await command("keys", "accept-secrets", "--invalidate-api-keys", environment=new)).code == 0
    assert await told(database, secrets(pepper=OTHER)) is None


async def test_lost_master_keys_are_given_up_only_by_who_says_so_and_then_all_goes_on(
    environment: dict[str, str], database: Database, fresh: TestDatabase, servers: Servers
) -> None:
    assert await told(database, secrets()) is None
    assert (await command("keys", "rotate-signing", environment=environment)).code == 0
    new = {**environment, "ZEROSUM_MASTER_KEYS": f"z:{text(OTHER)}"}
    assert_one_clear_line(await command("keys", "accept-secrets", environment=new), "--lost-master-keys", "`a`")
    assert (await command("keys", "accept-secrets", "--lost-master-keys", environment=new)).code == 0
    running = Service(service_settings(fresh, servers, master_keys=f"z:{text(OTHER)}"))
    await running.start()
    assert (await running.signing_keys.current(now())).kid
    assert (await ready(running)).status_code == 200
    await running.stop()


# --- Never a traceback -----------------------------------------------------------------------------------------------

STANDS_IN_THE_WAY: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "no master keys": lambda good: {**good, "ZEROSUM_MASTER_KEYS": ""},
    "master keys that are none": lambda good: {**good, "ZEROSUM_MASTER_KEYS": "a:b"},
    "nobody at the address": lambda good: {
        **good,
        "ZEROSUM_DATABASE_URL": "postgresql://zerosum_service:x@127.0.0.1:1/zerosum",
    },
    "a database that was never migrated": lambda good: {
        **good,
        "ZEROSUM_DATABASE_URL": good["ZEROSUM_DATABASE_URL"].rsplit("/", 1)[0] + "/postgres",
    },
    "no database and no data folder": lambda good: {
        **good,
        "ZEROSUM_DATABASE_URL": "",
        "ZEROSUM_DATA_DIR": "/nonexistent/folder",
    },
}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("no master keys", "rotate-signing"),
        ("master keys that are none", "list"),
        ("nobody at the address", "withdraw x"),
        ("a database that was never migrated", "accept-secrets"),
        ("a database that was never migrated", "rewrap"),
        ("no database and no data folder", "rotate-data"),
    ],
)
async def test_whatever_stands_in_the_way_of_keys_is_told_in_one_line(
    settled: dict[str, str], words: str, case: str
) -> None:
    said = await command("keys", *words.split(), environment=STANDS_IN_THE_WAY[case](settled))
    assert_one_clear_line(said, "/nonexistent/folder" if "folder" in case else "ZEROSUM_")


async def test_a_signing_key_that_is_not_there_is_told_in_one_line(settled: dict[str, str]) -> None:
    for kid in ("x", "-x"):
        said = await command("keys", "withdraw", kid, environment=settled)
        assert (said.code, said.err.count("\n"), "no such signing key" in said.err) == (1, 1, True), said


# --- A signing key that was stolen -----------------------------------------------------------------------------------


async def test_a_withdrawn_signing_key_is_refused_by_every_process_and_another_signs(database: Database) -> None:
    ledger_id = await make_ledger(database)
    first, second = Parts(database), Parts(database)
    key_id, _ = await first.key(ledger_id)
    old = await first.token(ledger_id, key_id)
    judges = [each.authenticator() for each in (first, second)]
    for judge in judges:
        assert await judge.authenticate([old], first.seconds)
    kid = (await first.signing_keys.current(first.now())).kid
    signing = await first.signing_keys.withdraw(kid, first.now())
    assert signing != kid
    within = max(READ_AGAIN_AFTER.total_seconds(), FRESH_SECONDS_OF_OURS) + REMEMBERED_SECONDS_MAX
    assert within <= 7
    for each in (first, second):
        each.seconds += within
        assert (await each.signing_keys.current(each.now())).kid == signing
        assert kid not in str(await each.signing_keys.public_jwks(each.now()))
    new = await second.token(ledger_id, key_id)
    for judge in judges:
        with pytest.raises(Unauthenticated):
            await judge.authenticate([old], first.seconds)
        principal = await judge.authenticate([new], first.seconds)
        assert principal.actor == render_id(Prefix.API_KEY, key_id)
    for judge in judges:
        await judge.close()
