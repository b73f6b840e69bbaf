"""Every session with PostgreSQL is opened here: for the pool, for the lanes, for checks and for migrations.

Nothing but what every pooler takes travels in the start-up message. The limits of a session are set by statements as
soon as it stands, so none is lost where a pooler drops what it does not know. A pooler is recognised by the number of
the server process: it tells its clients another one than the process that answers has.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import asyncpg

from zerosum.db.arrays import use_own_arrays
from zerosum.db.database_url import CONNECT_SECONDS_MAX, DatabaseUrl, DatabaseUrlError
from zerosum.db.errors import CommitOutcomeUnknown, CommitRefused

APPLICATION_NAME = "zerosum"

SEARCH_PATH = {"search_path": "public, pg_temp"}
"""Zerosum lives in the schema public, whatever the role, the database or the URL would look through first."""

LIMITS = {"lock_timeout": "2s", "idle_in_transaction_session_timeout": "2s"}

TRIALS = 3
"""So often two sessions are asked for their server processes: more than once, as the pooler has other clients too."""

STATEMENTS_KEPT = 100

CLOSE_SECONDS_MAX = 1.0


class SessionNotKept(ConnectionError):
    """A pooler gives each transaction to another server process: prepared statements and settings do not last."""


class Session(asyncpg.Connection[asyncpg.Record] if TYPE_CHECKING else asyncpg.Connection):  # type: ignore[misc]
    """A connection that knows what stands between it and the server, and takes no COMMIT for done that is not."""

    is_pooled = False
    settings: Mapping[str, str] = {}
    planned_for = 0
    """How much there was when its plans were thrown away last (`engine.renew_plans`)."""
    _has_lost_standby = False

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """As the driver does it, which commits its transactions by this too.

        Raises CommitOutcomeUnknown as `must_have_kept_standby` does. Raises CommitRefused where a transaction that had
        failed before is committed: PostgreSQL answers that with ROLLBACK, without an error.
        """
        tag: str = await super().execute(query, *arguments, timeout=timeout)
        self.must_have_kept_standby()
        if query.rstrip("; ").lower() == "commit" and tag != "COMMIT":
            raise CommitRefused(f"the COMMIT was answered with {tag}")
        return tag

    def must_have_kept_standby(self) -> None:
        """PostgreSQL reports a COMMIT whose wait for its standby was cancelled as a success with a warning.

        What it wrote may vanish at a fail-over, so it must not be acknowledged. Raises CommitOutcomeUnknown, once.
        """
        if self._has_lost_standby:
            self._has_lost_standby = False
            raise CommitOutcomeUnknown("the wait for the synchronous standby was cancelled")

    def use_own_arrays(self) -> None:
        """Encode the arrays that this session sends by ourselves (`arrays.py`). It cannot read any after that."""
        use_own_arrays(self._protocol.get_settings())

    def listen(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        if message.sqlstate == "01000" and "synchronous replication" in (message.message or ""):
            self._has_lost_standby = True


async def open_session(
    url: DatabaseUrl,
    settings: Mapping[str, str],
    *,
    seconds_max: float,
    application_name: str = APPLICATION_NAME,
    may_keep_statements: bool = False,
) -> Session:
    """Behind a pooler it has no settings, as others would find them there: transactions set them, see `set_locally`.

    A session that may keep statements prepares them under names, once. Behind a pooler it must name none.
    Raises OSError (TimeoutError among them) or asyncpg's errors.
    """
    try:
        url.check_files()
    except DatabaseUrlError as error:
        raise ConnectionError(str(error)) from None
    async with asyncio.timeout(url.connect_seconds(seconds_max)):
        session = await _connect(url, application_name, may_keep_statements=may_keep_statements)
        try:
            await _set_up(session, {**SEARCH_PATH, **settings})
        except BaseException:
            session.terminate()
            raise
    return session


async def open_kept_session(
    url: DatabaseUrl, settings: Mapping[str, str], *, seconds_max: float, application_name: str = APPLICATION_NAME
) -> Session:
    """With settings and named statements, behind any pooler too. Raises also SessionNotKept where they do not last."""
    session = await open_session(
        url, settings, seconds_max=seconds_max, application_name=application_name, may_keep_statements=True
    )
    if session.is_pooled:
        try:
            async with asyncio.timeout(url.connect_seconds(seconds_max)):
                await _must_keep_its_server(session, url)
                await session.execute(_setting(session.settings, is_local=False))
        except BaseException:
            session.terminate()
            raise
    return session


def set_locally(settings: Mapping[str, str]) -> str:
    """A statement that gives the transaction these settings: what holds behind every pooler."""
    return _setting(settings, is_local=True)


async def close_session(session: Session) -> None:
    """In bounded time, however the server is."""
    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await session.close(timeout=CLOSE_SECONDS_MAX)


async def _connect(url: DatabaseUrl, application_name: str, *, may_keep_statements: bool) -> Session:
    startup = {"application_name": url.application_name or application_name}
    if "options" in url.parameters:
        startup["options"] = url.parameters["options"]
    session = await asyncpg.connect(
        **url.arguments(),
        connection_class=Session,
        server_settings=startup,
        statement_cache_size=STATEMENTS_KEPT if may_keep_statements else 0,  # with 0 it names none by itself
        timeout=CONNECT_SECONDS_MAX,
    )
    session.add_log_listener(session.listen)
    _keep_alive(session, url.parameters)
    return session


async def _set_up(session: Session, settings: Mapping[str, str]) -> None:
    """Who answers is asked in one transaction, which is one server process whatever stands in between."""
    session.settings = settings
    await session.execute("begin")
    session.is_pooled = await _server_process(session) != session.get_server_pid()
    await session.execute("commit" if session.is_pooled else f"commit; {_setting(settings, is_local=False)}")


def _setting(settings: Mapping[str, str], *, is_local: bool) -> str:
    # Names and values are constants of this room; the quotes are doubled all the same.
    calls = (
        f"set_config('{name}', '{value.replace(chr(39), chr(39) * 2)}', {str(is_local).lower()})"
        for name, value in settings.items()
    )
    return f"select {', '.join(calls)}"


async def _must_keep_its_server(session: Session, url: DatabaseUrl) -> None:
    """A pooler that keeps sessions never shows one server process to two of them."""
    other = await _connect(url, APPLICATION_NAME, may_keep_statements=False)
    try:
        ours: set[int] = set()
        others: set[int] = set()
        for _ in range(TRIALS):
            for one, seen in ((session, ours), (other, others)):
                async with one.transaction():
                    seen.add(await _server_process(one))
    finally:
        other.terminate()
    if len(ours) > 1 or len(others) > 1 or ours & others:
        raise SessionNotKept("a pooler stands before the server and does not keep sessions")


async def _server_process(session: Session) -> int:
    """Asked in a transaction, by a statement without a name: the server may be another's next."""
    statement = await session.prepare("select pg_backend_pid()", name="")
    return int(await statement.fetchval())


def _keep_alive(session: Session, parameters: Mapping[str, str]) -> None:
    """As libpq does unless it is told otherwise: a server that vanished is noticed."""
    transport = cast(Any, session)._transport  # noqa: SLF001 - the driver has no other way to its socket
    connected = transport.get_extra_info("socket")
    if connected is None or connected.family not in (socket.AF_INET, socket.AF_INET6):
        return
    if parameters.get("keepalives", "1") == "1":
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    names = {
        "keepalives_idle": "TCP_KEEPIDLE",
        "keepalives_interval": "TCP_KEEPINTVL",
        "keepalives_count": "TCP_KEEPCNT",
        "tcp_user_timeout": "TCP_USER_TIMEOUT",
    }
    for name, option in names.items():
        number = getattr(socket, option, None)
        if number is not None and int(parameters.get(name, "0")):
            connected.setsockopt(socket.IPPROTO_TCP, number, int(parameters[name]))
