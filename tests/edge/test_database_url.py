"""The URL of the database: what libpq knows works for every command, what cannot work is named in one line."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from sqlalchemy import text

from tests.cli.command import assert_one_clear_line, zerosum
from tests.conftest import Servers, TestDatabase
from tests.db.servers import OLDEST_BIN_PATH, connected, empty_database
from tests.edge.certificates import Authority
from tests.edge.database_ground import OwnPostgres, administer, deposit_status, paying
from tests.edge.test_databases import alembic, must_have_its_limits, must_have_lane_limits, unfit
from zerosum.db.batch import BatchConnection
from zerosum.db.database_url import DatabaseUrl, DatabaseUrlError
from zerosum.db.engine import Database, make_engine
from zerosum.db.schema.migrations import HEAD, current_revision, migrate
from zerosum.db.schema.startup_checks import check_fitness, check_lanes, check_reachable
from zerosum.domain.errors import Unavailable

SECRET = base64.b64encode(bytes(range(32))).decode()
SECRETS = {
    "ZEROSUM_API_KEY_PEPPER": SECRET,
    "ZEROSUM_CURSOR_SECRET": SECRET,
    "ZEROSUM_MASTER_KEYS": f"test:{SECRET}",
}
ODD_PASSWORD = "p@:/?#[]% %41\\\"'$&+=;ö"

COMMANDS = (
    ["serve", "--port", "0"], ["worker"], ["migrate"], ["verify"], ["ledgers", "create", "main"],
    ["keys", "rotate-signing"],
)  # fmt: skip


async def works(url: str) -> None:
    """For all that connects: the checks, the pool, the lanes, the migrations."""
    await check_fitness(url)
    await check_lanes(url, url)
    assert await current_revision(url) == HEAD
    await must_have_its_limits(url)
    await must_have_lane_limits(url)


# --- Parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "hosts", "login"),
    [
        ("postgresql://u:p@h/d", (("h", None),), ("u", "p", "d")),
        ("postgres://u@h:7/d", (("h", 7),), ("u", None, "d")),
        ("postgresql+asyncpg://u:p%40%2F@h/d", (("h", None),), ("u", "p@/", "d")),
        ("postgresql://u:a@b#c:d@h/d", (("h", None),), ("u", "a@b#c:d", "d")),
        ("postgresql://u:100%@h/d", (("h", None),), ("u", "100%", "d")),
        ("postgresql://a:1,[::1]:2,c/d", (("a", 1), ("::1", 2), ("c", None)), (None, None, "d")),
        ("postgresql:///d?host=/run/postgresql&port=7", (("/run/postgresql", 7),), (None, None, "d")),
        ("postgresql://%2Frun%2Fpostgresql/d", (("/run/postgresql", None),), (None, None, "d")),
        ("postgresql://?host=a,b&port=1,2&dbname=d&user=me@server&password=a+b", (("a", 1), ("b", 2)),
         ("me@server", "a+b", "d")),
    ],
)  # fmt: skip
def test_a_url_has_these_parts(url: str, hosts: object, login: tuple[str | None, ...]) -> None:
    parsed = DatabaseUrl.parse(url)
    assert (parsed.hosts, (parsed.user, parsed.password, parsed.database)) == (hosts, login)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://h/d?sslmod=require", "'sslmod' is unknown: is sslmode meant"),
        ("postgresql://h/d?statement_timeout=5s", "settings of the server go into options"),
        ("postgresql://h/d?sslmode=always", "sslmode can only be disable or allow or prefer"),
        ("postgresql://h/d?channel_binding=require", "channel_binding can only be"),
        ("postgresql://h/d?gssencmode=require", "gssencmode can only be"),
        ("postgresql://h/d?hostaddr=127.0.0.1", "hostaddr cannot be used here"),
        ("postgresql://h/d?client_encoding=LATIN1", "client_encoding can only be"),
        ("postgresql://h/d?connect_timeout=soon", "connect_timeout must be a whole number"),
        ("postgresql://h/d?target_session_attrs=master", "target_session_attrs can only be"),
        ("postgresql://h/d?sslmode", "has no value"),
        ("postgresql://h/d?options=-c%20search_path%3Dledger", "lives in the schema public"),
        ("postgresql://h/d?options=--search_path%3Dpg_temp%2Cpublic", "lives in the schema public"),
        ("postgresql://h/d?sslrootcert=system&sslmode=require", "needs sslmode=verify-full"),
        ("postgresql://h:port/d", "must be written like"),
        ("postgresql://u:secret/x@h/d", "must be written like"),
        ("postgresql://h:99999/d", "must be written like"),
        ("postgresql://a,b/d?port=1,2,3", "one port, or one for each host"),
        ("postgresql://u:%FF@h/d", "no UTF-8"),
        ("mysql://h/d", "must be written like"),
    ],
)
def test_what_cannot_work_is_named(url: str, words: str) -> None:
    with pytest.raises(DatabaseUrlError) as refusal:
        DatabaseUrl.parse(url)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_password_never_shows() -> None:
    assert "secret" not in repr(DatabaseUrl.parse("postgresql://u:secret@h/d?password=secret&sslpassword=secret"))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_names_an_unknown_parameter(command: list[str]) -> None:
    url = "postgresql://u:p@127.0.0.1:1/d?sslmod=require"
    names = ("ZEROSUM_DATABASE_URL", "ZEROSUM_MIGRATION_DATABASE_URL")
    said = zerosum(*command, environment={**SECRETS, **dict.fromkeys(names, url)})
    assert_one_clear_line(said, "DATABASE_URL", "'sslmod' is unknown")


# --- Parameters without TLS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=prefer", "sslmode=disable", "sslmode=allow", "ssl=prefer", "ssl=false", "connect_timeout=5",
        "application_name=ledger", "fallback_application_name=ledger", "options=-c%20search_path%3Dpublic",
        "options=-c%20work_mem%3D8MB", "target_session_attrs=read-write", "target_session_attrs=primary",
        "gssencmode=disable", "channel_binding=prefer", "client_encoding=utf8", "krbsrvname=postgres",
        "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3&tcp_user_timeout=20000",
        "sslmode=prefer&sslcompression=0&sslsni=1&load_balance_hosts=disable&ssl_min_protocol_version=TLSv1.2",
    ],
)  # fmt: skip
async def test_every_parameter_works_for_all_that_connects(test_database: TestDatabase, query: str) -> None:
    await works(f"{test_database.service_dsn}?{query}")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
async def test_every_scheme_works_for_all_that_connects(test_database: TestDatabase, scheme: str) -> None:
    await works(test_database.service_dsn.replace("postgresql", scheme, 1))


async def test_what_the_url_asks_of_a_session_is_so(test_database: TestDatabase) -> None:
    url = (
        f"{test_database.service_dsn}?application_name=my%20ledger&options=-c%20work_mem%3D8MB%20-c%20lock_timeout%3D0"
    )
    database = Database(make_engine(url, pool_size=1))
    async with database.work() as connection:
        shown = [
            (await connection.execute(text(f"show {name}"))).scalar_one() for name in ("application_name", "work_mem")
        ]
        assert shown == ["my ledger", "8MB"]
        assert (await connection.execute(text("show lock_timeout"))).scalar_one() == "2s"  # a limit is never lost
    await database.close()


async def test_of_several_hosts_the_first_that_fits_is_taken(test_database: TestDatabase) -> None:
    parsed = DatabaseUrl.parse(test_database.service_dsn)
    (host, port), login = parsed.hosts[0], f"{parsed.user}:{parsed.password}"
    await works(f"postgresql://{login}@127.0.0.1:1,{host}:{port}/{parsed.database}?target_session_attrs=primary")
    await works(f"postgresql://{login}@/{parsed.database}?host=127.0.0.1,{host}&port=1,{port}")


async def test_the_password_comes_from_a_password_file(test_database: TestDatabase, tmp_path: Path) -> None:
    parsed = DatabaseUrl.parse(test_database.service_dsn)
    (host, port), path = parsed.hosts[0], tmp_path / "passwords"
    path.write_text(f"{host}:{port}:*:{parsed.user}:{parsed.password}\n")
    path.chmod(0o600)
    await works(f"postgresql://{parsed.user}@{host}:{port}/{parsed.database}?passfile={path}")
    missing = f"postgresql://{parsed.user}@{host}:{port}/{parsed.database}?passfile={tmp_path}/none"
    assert f"passfile: {tmp_path}/none cannot be read" in await unfit(check_fitness(missing))


async def test_a_file_that_is_gone_while_running_means_unavailable(test_database: TestDatabase, tmp_path: Path) -> None:
    database = Database(make_engine(f"{test_database.service_dsn}?sslrootcert={tmp_path}/gone.pem", pool_size=1))
    with pytest.raises(Unavailable):
        async with database.work():
            pass
    await database.close()


async def test_a_password_of_any_characters_works_for_both_commands_that_migrate(
    servers: Servers, worker_id: str
) -> None:
    role = f"zerosum_odd_{worker_id}"
    literal = ODD_PASSWORD.replace("'", "''")
    await administer(servers, f"drop role if exists {role}", f"create role {role} superuser login password '{literal}'")
    async with empty_database(servers, f"zerosum_odd_{worker_id}") as dsn:
        place = dsn.rpartition("@")[2]
        url = f"postgres://{role}:{quote(ODD_PASSWORD, safe='')}@{place}?sslmode=prefer&application_name=100%25"
        await check_reachable(url)
        plain = alembic(url)
        told = plain.communicate()[0]
        assert plain.returncode == 0, told
        assert await current_revision(url) == HEAD
        said = zerosum("migrate", environment={"ZEROSUM_MIGRATION_DATABASE_URL": url})
        assert said.code == 0, said.err
        async with connected(dsn) as connection:
            await connection.execute(f"reassign owned by {role} to current_user; drop owned by {role}")
    await administer(servers, f"drop role {role}")


# --- TLS -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TlsServer:
    """`urls` name its database by a role that must use TLS, one that must have a certificate, and its superuser."""

    own: OwnPostgres
    folder: Path
    authority: Authority
    secured: str
    certified: str
    superuser: str


async def _with_tls(own: OwnPostgres, folder: Path) -> TlsServer:
    authority = Authority(folder)
    certificate, key = authority.sign("server", host="localhost")
    paths = {
        "ssl_cert_file": own.give("server.crt", certificate.read_text()),
        "ssl_key_file": own.give("server.key", key.read_text()),
        "ssl_ca_file": own.give("root.crt", authority.path.read_text()),
    }
    access = own.server.folder / "pg_hba.conf"
    rules = "hostnossl all secured all reject\nhostssl all certified all cert\n"
    own.give("pg_hba.conf", rules + access.read_text())
    await own.migrated("zerosum")
    await administer(
        own.servers,
        *(f"alter system set {name} = '{path}'" for name, path in paths.items()),
        "alter system set ssl = on",
        "create role secured login password 'x' in role zerosum_app",
        "create role certified login in role zerosum_app",
        "select pg_reload_conf()",
    )
    port = own.server.address.rpartition(":")[2]
    place = f"localhost:{port}/zerosum"
    superuser = own.servers.dsn("zerosum", superuser=True).replace("127.0.0.1", "localhost")
    server = TlsServer(
        own, folder, authority, f"postgresql://secured:x@{place}", f"postgresql://certified@{place}", superuser
    )
    for _ in range(100):  # the reload comes when it comes
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            await (await asyncpg.connect(superuser, ssl="require")).close()
            return server
        await asyncio.sleep(0.05)
    raise AssertionError("TLS is not on")


@pytest.fixture(scope="module")
async def tls_server() -> AsyncIterator[TlsServer]:
    """PostgreSQL 15 of the system: the oldest that will do, and the embedded one is built without TLS."""
    if not OLDEST_BIN_PATH.is_dir():
        pytest.skip("PostgreSQL 15, which has TLS, is not installed here")
    own = await asyncio.to_thread(OwnPostgres, OLDEST_BIN_PATH)
    with tempfile.TemporaryDirectory() as folder:
        yield await _with_tls(own, Path(folder))
    own.close()


@pytest.fixture
def no_files_of_this_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As libpq, the driver would take a certificate and roots from there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


async def is_encrypted(url: str) -> bool:
    """Of the pool and of a lane."""
    asked = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
    database = Database(make_engine(url, pool_size=1))
    lane = await BatchConnection.open(url, 5.0)
    async with database.work() as connection:
        answers = {(await connection.execute(text(asked))).scalar_one(), await lane._connection.fetchval(asked)}
    await lane.close()
    await database.close()
    assert len(answers) == 1
    return bool(answers.pop())


@pytest.mark.xdist_group("PostgreSQL with TLS")  # one of the test processes starts it, not all
@pytest.mark.usefixtures("no_files_of_this_account")
async def test_tls_can_be_demanded_and_is_then_used_by_pool_and_lanes(tls_server: TlsServer) -> None:
    root = f"sslrootcert={tls_server.authority.path}"
    full = f"sslmode=verify-full&{root}"
    for query in ("sslmode=require", f"sslmode=require&{root}", f"sslmode=verify-ca&{root}", full,
                  f"{full}&ssl_min_protocol_version=TLSv1.3", "ssl=true", "sslmode=prefer"):  # fmt: skip
        url = f"{tls_server.secured}?{query}"
        await works(url)
        assert await is_encrypted(url), query
    assert not await is_encrypted(f"{tls_server.own.servers.dsn('zerosum')}?sslmode=disable")


@pytest.mark.xdist_group("PostgreSQL with TLS")  # one of the test processes starts it, not all
@pytest.mark.usefixtures("no_files_of_this_account")
async def test_a_server_that_does_not_fit_is_refused_in_one_line(tls_server: TlsServer, servers: Servers) -> None:
    root = f"sslrootcert={tls_server.authority.path}"
    elsewhere = tls_server.secured.replace("localhost", "127.0.0.1")
    stranger = Authority(tls_server.folder, "another authority")
    assert "certificate verify failed" in await unfit(check_fitness(f"{elsewhere}?sslmode=verify-full&{root}"))
    await works(f"{elsewhere}?sslmode=verify-ca&{root}")
    for mode in ("verify-ca", "verify-full"):
        url = f"{tls_server.secured}?sslmode={mode}&sslrootcert={stranger.path}"
        assert "certificate verify failed" in await unfit(check_fitness(url))
    assert "certificate verify failed" in await unfit(
        check_fitness(f"{tls_server.secured}?sslmode=verify-full&sslrootcert=system")
    )
    assert "root.crt" in await unfit(check_fitness(f"{tls_server.secured}?sslmode=verify-full"))
    assert "/none cannot be read" in await unfit(
        check_fitness(f"{tls_server.secured}?sslmode=require&sslrootcert=/none")
    )
    # No mode that demands TLS ever goes on without it.
    plain = servers.dsn("postgres")
    for mode in ("require", f"verify-ca&{root}", f"verify-full&{root}"):
        assert "rejected SSL upgrade" in await unfit(check_fitness(f"{plain}?sslmode={mode}"))
    assert "cannot be reached" in await unfit(check_fitness(f"{tls_server.secured}?sslmode=disable"))


@pytest.mark.xdist_group("PostgreSQL with TLS")  # one of the test processes starts it, not all
@pytest.mark.usefixtures("no_files_of_this_account")
async def test_a_client_certificate_lets_the_service_in(tls_server: TlsServer) -> None:
    certificate, key = tls_server.authority.sign("certified", password="se cret%")
    without = f"{tls_server.certified}?sslmode=verify-full&sslrootcert={tls_server.authority.path}"
    url = f"{without}&sslcert={certificate}&sslkey={key}"
    await works(f"{url}&sslpassword=se%20cret%25")
    assert await is_encrypted(f"{url}&sslpassword=se%20cret%25")
    await unfit(check_fitness(url))
    assert "certificate" in await unfit(check_fitness(without))


@pytest.mark.xdist_group("PostgreSQL with TLS")  # one of the test processes starts it, not all
@pytest.mark.usefixtures("no_files_of_this_account")
async def test_the_commands_work_over_verified_tls(tls_server: TlsServer) -> None:
    tls = f"?sslmode=verify-full&sslrootcert={tls_server.authority.path}"
    environment = {
        **SECRETS,
        "ZEROSUM_DATABASE_URL": f"{tls_server.secured}{tls}",
        "ZEROSUM_MIGRATION_DATABASE_URL": f"{tls_server.superuser}{tls}",
    }
    for command in (["migrate"], ["ledgers", "create", "main"], ["keys", "rotate-signing"], ["verify"]):
        said = zerosum(*command, environment=environment)
        assert said.code == 0, said
    async with paying(tls_server.own.servers, environment["ZEROSUM_DATABASE_URL"]) as (_, client):
        assert await deposit_status(client) == 201


async def test_migrations_need_no_rights_beyond_the_owners(servers: Servers, worker_id: str) -> None:
    """An owner that is no superuser migrates, and the application role is there already."""
    role = f"zerosum_plain_{worker_id}"
    await administer(servers, f"drop role if exists {role}", f"create role {role} login password 'x'")
    async with empty_database(servers, f"zerosum_plain_{worker_id}") as dsn:
        await administer(servers, f"alter database zerosum_plain_{worker_id} owner to {role}")
        await migrate(f"postgresql://{role}:x@{dsn.rpartition('@')[2]}")
        assert await current_revision(dsn) == HEAD
        await administer(servers, f"drop owned by {role}", database=f"zerosum_plain_{worker_id}")
        await administer(servers, f"reassign owned by {role} to postgres")
    await administer(servers, f"drop role {role}")
