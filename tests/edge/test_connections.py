"""Whoever only holds connections keeps nobody else out, and pins neither time nor memory."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.wire import HEALTH, READ, Connection, Impatient, Pages, Running, serving, until
from tests.gateway.raw_http import HOST, MONEY
from zerosum.gateway.server.arrivals import Arrivals
from zerosum.gateway.server.connection_register import (
    ARRIVING,
    IDLE,
    IN_VAIN_ARRIVALS,
    UNPROVED,
    ConnectionLimits,
    ConnectionRegister,
    Standing,
)
from zerosum.gateway.server.guarded_server import FILES_KEPT_FREE, fit_to_files
from zerosum.gateway.server.http_server import PIPELINED_MAX, REST_SECONDS_MAX, GuardedProtocol
from zerosum.gateway.server.listener import PAUSE_SECONDS
from zerosum.services.requests.networks import parse_network

SLACK_SECONDS = 2.0
"""For a machine that does something else meanwhile."""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving() as running:
        yield running


@pytest.fixture
def server(running: Running) -> Running:
    running.pages.calls.clear()
    until(lambda: len(running.register) == 0)
    return running


# --- No complete request yet -----------------------------------------------------------------------------------------

PAY = f"POST /pay HTTP/1.1\r\n{MONEY}"


@pytest.mark.parametrize(
    ("opening", "drip", "statuses"),
    [
        ("", "", []),
        ("\r\n", "", []),
        ("\r\n\r\n\r\n", "", []),
        ("", "\r\n", []),
        ("G", "", [408]),
        ("\r\nG", "", [408]),
        ("\r\nGET /health HTTP/1.1\r\n", "X: y\r\n", [408]),
        (f"{PAY}Content-Length: 500\r\n\r\n", " ", [408]),
        (f"{PAY}Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", [408]),
        (f"{PAY}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n", "X: y\r\n", [408]),
        (HEALTH.decode() + "\r\n", "", [200]),
        (HEALTH.decode(), "\r\n", [200]),
        (HEALTH.decode() + "GE", "", [200, 408]),
        (HEALTH.decode() + "\r\nGE", "", [200, 408]),
        (HEALTH.decode() * 2 + f"{PAY}Content-Length: 2\r\n\r\n{{", "", [200, 200, 408]),
        (f"DELETE /nothing HTTP/1.1\r\n{HOST}Content-Length: 60000\r\n\r\n", " ", [404]),
    ],
)
def test_time_runs_until_a_request_is_whole_whatever_comes_meanwhile(
    server: Running, opening: str, drip: str, statuses: list[int]
) -> None:
    with server.connect() as connection:
        began = time.monotonic()
        connection.send(opening)
        while server_waits(connection):
            assert time.monotonic() - began < Impatient.idle_seconds_max + Impatient.arrival_seconds_max + SLACK_SECONDS
            with contextlib.suppress(ConnectionError):
                connection.send(drip)
            time.sleep(0.05)
        assert [reply.status for reply in connection.replies()] == statuses
    assert server.pages.calls == [] or statuses[0] == 200


def server_waits(connection: Connection) -> bool:
    """Whether the connection still stands; what came meanwhile is kept to be read."""
    connection.socket.setblocking(False)
    try:
        while got := connection.socket.recv(65_536):
            connection.buffer += got
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        connection.socket.settimeout(8.0)
    return False


def test_a_pause_between_requests_is_longer_than_a_request_may_take(server: Running) -> None:
    with server.connect() as connection:
        assert connection.ask(HEALTH).status == 200
        time.sleep(Impatient.arrival_seconds_max + 0.1)
        assert connection.ask(HEALTH).status == 200


def test_a_flood_of_empty_lines_is_cut_off(server: Running) -> None:
    with server.connect() as connection, contextlib.suppress(ConnectionError):
        for _ in range(10):
            connection.send(b"\r\n" * 10_000)
        assert connection.reply() is None


# --- Too many --------------------------------------------------------------------------------------------------------


def test_newcomers_take_the_place_of_those_that_asked_nothing() -> None:
    with serving(protocol=GuardedProtocol, limits=ConnectionLimits(per_address_max=20)) as server:
        silent = [server.connect() for _ in range(20)]
        silent[3].send("\r\n")
        silent[4].send("GET /hea")
        for _ in range(5):
            with server.connect() as honest:
                assert honest.ask(HEALTH).status == 200
                assert len(server.register) <= 20
        assert silent[0].is_over()
        assert not silent[-1].is_over()
        assert server.register.ended >= 1
        assert server.register.refused == 0


def test_those_that_give_way_before_they_are_open_leave_nothing_behind() -> None:
    with serving(
        protocol=GuardedProtocol, limits=ConnectionLimits(per_address_max=3, per_address_and_second_max=10_000)
    ) as server:
        for _ in range(5):
            many = [server.connect() for _ in range(100)]
            close_all(many)
        with server.connect() as honest:
            assert honest.ask(HEALTH).status == 200
        until(lambda: len(server.register) == 0)
        until(lambda: len(server.server.server_state.connections) == 0)
        assert server.register.ended > 100


def test_who_has_been_idle_the_longest_goes_before_a_newcomer_is_refused() -> None:
    with serving(protocol=GuardedProtocol, limits=ConnectionLimits(connections_max=5)) as server:
        idle = []
        for _ in range(5):
            idle.append(server.connect())
            assert idle[-1].ask(HEALTH).status == 200
            time.sleep(0.05)
        assert idle[0].ask(HEALTH).status == 200  # Not the oldest any more.
        with server.connect() as newcomer:
            assert newcomer.ask(HEALTH).status == 200
            assert [connection.is_over() for connection in idle] == [False, True, False, False, False]


def test_where_all_are_busy_a_newcomer_is_told_so_and_other_addresses_are_served() -> None:
    pages = Pages(takes_forever=True)
    with serving(pages=pages, protocol=GuardedProtocol, limits=ConnectionLimits(per_address_max=3)) as server:
        busy = [server.connect() for _ in range(3)]
        for connection in busy:
            connection.send(READ)
        until(lambda: pages.admission.in_flight == 3)
        with server.connect() as newcomer:
            newcomer.send(HEALTH)
            reply = newcomer.reply()
            assert reply is not None
            assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "overloaded", "1")
            assert newcomer.reply() is None
        with server.connect("127.0.0.2") as other:
            assert other.ask(HEALTH).status == 200
        assert server.register.refused == 1
        close_all(busy)
        until(lambda: len(server.register) == 0)


def test_an_address_that_makes_connections_without_end_is_turned_away_and_others_are_not() -> None:
    proxy = parse_network("::ffff:127.0.0.3/128")
    limits = ConnectionLimits(per_address_max=20, per_address_and_second_max=1, trusted_proxies=(proxy,))
    with serving(limits=limits, protocol=GuardedProtocol) as server:
        for _ in range(20):
            with server.connect() as connection:
                assert connection.ask(HEALTH).status == 200
        with server.connect() as connection:
            until(connection.is_over)
        for address in ["127.0.0.2"] + 30 * ["127.0.0.3"]:
            with server.connect(address) as other:
                assert other.ask(HEALTH).status == 200
        assert server.register.refused >= 1

        def answers() -> bool:
            with server.connect() as connection, contextlib.suppress(ConnectionError):
                connection.send(HEALTH)
                return connection.reply() is not None
            return False

        until(answers)  # A second later it may come again.


@given(
    at_once=st.integers(1, 50),
    per_second=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 2, allow_nan=False), max_size=200),
)
def test_of_connections_no_more_come_than_at_once_and_by_the_second(
    at_once: int, per_second: int, pauses: list[float]
) -> None:
    arrivals = Arrivals(at_once, per_second)
    now = came = 0.0
    for pause in pauses:
        now += pause
        came += arrivals.may_come("192.0.2.1", now)
    assert came <= at_once + now * per_second + 1e-6
    assert came >= min(len(pauses), at_once)


def test_a_connection_that_ends_with_a_refusal_counts_for_several() -> None:
    limits = ConnectionLimits(per_address_max=2 * (1 + IN_VAIN_ARRIVALS), per_address_and_second_max=1)
    with serving(limits=limits, protocol=GuardedProtocol) as server:
        for _ in range(2):
            assert [reply.status for reply in server.ask("no HTTP\r\n\r\n")] == [400]
        with server.connect() as connection:
            until(connection.is_over)
        assert server.register.refused == 1


def test_addresses_that_have_not_come_for_long_are_forgotten() -> None:
    arrivals = Arrivals(2, 1)
    assert [arrivals.may_come("192.0.2.1", 0.0) for _ in range(3)] == [True, True, False]
    arrivals.forget_full(1.5)
    assert (len(arrivals), arrivals.may_come("192.0.2.1", 1.5), arrivals.may_come("192.0.2.1", 1.5)) == (1, True, False)
    arrivals.forget_full(10.0)
    assert len(arrivals) == 0


def test_a_trusted_proxy_may_have_more_than_others_from_one_address() -> None:
    limits = ConnectionLimits(per_address_max=2, trusted_proxies=(parse_network("::ffff:127.0.0.1/128"),))
    with serving(limits=limits, protocol=GuardedProtocol) as server:
        many = [server.connect() for _ in range(6)]
        assert [connection.ask(HEALTH).status for connection in many] == [200] * 6
        others = [server.connect("127.0.0.2") for _ in range(6)]
        until(lambda: len(server.register) == 8)
        close_all(many + others)


def close_all(connections: list[Connection]) -> None:
    for connection in connections:
        connection.socket.close()


@dataclass(eq=False)
class Member:
    """A connection that is nothing but its standing."""

    register: ConnectionRegister
    as_it_is: Standing | None
    address: str = ""
    number: int = 0
    is_gone: bool = field(default=False)

    def standing(self) -> Standing | None:
        return self.as_it_is

    def give_way(self) -> None:
        self.is_gone = True

    def check_time(self, now: float) -> None:
        """Has all the time there is."""


def entered(register: ConnectionRegister, peer: str, standing: Standing | None) -> Member:
    member = Member(register, standing)
    register.enter(member, peer)
    return member


@pytest.mark.parametrize(
    ("first", "others", "is_counted_together"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_addresses_are_counted_as_those_who_hold_them(first: str, others: str, is_counted_together: bool) -> None:
    register = ConnectionRegister(ConnectionLimits(per_address_max=1))
    entered(register, first, None)
    assert register.find_room(others) is not is_counted_together


def test_those_give_way_first_of_whom_nothing_is_lost() -> None:
    register = ConnectionRegister(ConnectionLimits(connections_max=6))
    standings: list[Standing | None] = [
        None,
        (ARRIVING, 1.0),
        (IDLE, 3.0),
        (IDLE, 2.0),
        (UNPROVED, 0.0),
        (UNPROVED, 0.0),
    ]
    members = [entered(register, f"192.0.2.{number}", standing) for number, standing in enumerate(standings)]
    gone = []
    for number in range(100, 105):
        assert register.find_room("198.51.100.1")
        (now,) = [index for index, member in enumerate(members) if member.is_gone and index not in gone]
        gone.append(now)
        entered(register, f"198.51.100.{number}", None)
    assert gone == [4, 5, 3, 2, 1]
    assert not register.find_room("198.51.100.1")
    assert (register.refused, register.ended) == (1, 5)


def test_looking_for_room_in_vain_is_not_repeated_at_once() -> None:
    class Watched(Member):
        looks = 0

        def standing(self) -> Standing | None:
            Watched.looks += 1
            return None

    register = ConnectionRegister(ConnectionLimits(connections_max=1))
    register.enter(Watched(register, None), "192.0.2.1")
    assert not any(register.find_room("192.0.2.2") for _ in range(1000))
    assert Watched.looks == 1


def test_what_has_left_takes_no_room() -> None:
    register = ConnectionRegister(ConnectionLimits(per_address_max=1))
    member = entered(register, "192.0.2.1", None)
    register.is_unread(member, 100)
    for _ in range(2):
        register.leave(member)
    assert register.find_room("192.0.2.1")
    assert len(register) == 0


# --- Files -----------------------------------------------------------------------------------------------------------


class Exhausted(socket.socket):
    """Accepts nobody for want of a file, until it is told that there are some."""

    is_out = True
    asked = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if self.is_out:
            self.asked += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_without_a_file_left_the_service_waits_and_goes_on() -> None:
    listening = Exhausted()
    with serving(listening=listening, protocol=GuardedProtocol) as server, server.connect() as waiting:
        waiting.send(HEALTH)
        until(lambda: listening.asked > 0)
        time.sleep(4 * PAUSE_SECONDS)
        assert 2 <= listening.asked <= 8, "neither given up nor asked without a pause"
        listening.is_out = False
        reply = waiting.reply()
        assert reply is not None
        assert reply.status == 200


def test_no_more_connections_are_promised_than_there_are_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 900), hard))
        assert fit_to_files(ConnectionLimits(connections_max=900)).connections_max == 900
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 900 + FILES_KEPT_FREE
        if hard != resource.RLIM_INFINITY:
            assert fit_to_files(ConnectionLimits(connections_max=hard)).connections_max == hard - FILES_KEPT_FREE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- Answers that nobody reads ---------------------------------------------------------------------------------------

PAGE_BYTES = 400_000


@pytest.fixture
def pages() -> Iterator[Running]:
    with serving(pages=Pages(answer_bytes=PAGE_BYTES), limits=ConnectionLimits(unread_bytes_max=2_000_000)) as server:
        yield server


def test_who_does_not_read_is_cut_off_and_given_no_more(pages: Running) -> None:
    with pages.connect(read_bytes=4096) as deaf:
        deaf.send(HEALTH * 50)
        until(lambda: len(pages.register) == 1)
        assert until(lambda: len(pages.register) == 0) < Impatient.unread_seconds_max + SLACK_SECONDS
        assert 1 <= len(pages.pages.calls) <= 2, "the next one is not begun before the last is read"


def test_a_last_answer_that_nobody_reads_ends_too(pages: Running) -> None:
    for last in (HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), HEALTH + b"\0"):
        with pages.connect(read_bytes=4096) as deaf:
            deaf.send(last)
            until(lambda: len(pages.register) == 1)
            until(lambda: len(pages.register) == 0)


def test_all_readers_together_leave_so_much_unread_and_no_more(pages: Running) -> None:
    deaf = [pages.connect(read_bytes=4096) for _ in range(30)]
    for connection in deaf:
        connection.send(HEALTH)
    until(lambda: len(pages.pages.calls) == 30)
    assert len(pages.register) * (PAGE_BYTES - 100_000) <= 2_000_000 + PAGE_BYTES
    assert pages.register.ended >= 20
    with pages.connect() as honest:
        assert len(honest.ask(HEALTH).body) == PAGE_BYTES


class PatientWithReaders(Impatient):
    drain_seconds_max = 60.0


def test_a_slow_reader_gets_all_its_answers() -> None:
    """Slower altogether than a deaf one is waited for, but never that long without reading."""
    pages = Pages(answer_bytes=PAGE_BYTES)
    with serving(pages=pages, protocol=PatientWithReaders) as server, server.connect(read_bytes=4096) as slow:
        slow.send(HEALTH * 2)
        began = time.monotonic()
        got = 0
        while got < 2 * PAGE_BYTES:
            part = slow.socket.recv(16_384)
            assert part, f"cut off after {got}"
            got += len(part)
            time.sleep(0.004)
        assert time.monotonic() - began > Impatient.unread_seconds_max


def test_one_that_reads_a_drop_now_and_then_does_not_hold_its_answer_for_ever() -> None:
    pages = Pages(answer_bytes=8_000_000)
    with serving(pages=pages) as server, server.connect(read_bytes=4096) as dripping:
        dripping.send(HEALTH)
        until(lambda: len(pages.calls) == 1)
        began = time.monotonic()
        while len(server.register):
            with contextlib.suppress(ConnectionError):
                dripping.socket.recv(8192)
            time.sleep(0.02)
            assert time.monotonic() - began < Impatient.drain_seconds_max + SLACK_SECONDS


# --- Rest ------------------------------------------------------------------------------------------------------------


def resting(seconds: float, times: list[float]) -> Callable[..., Any]:
    """An application that lets the connection rest after its first answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            scope["extensions"]["zerosum.rest"](seconds)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


@pytest.mark.parametrize("is_pipelined", [False, True])
def test_a_connection_that_rests_is_not_read(is_pipelined: bool) -> None:
    times: list[float] = []
    with serving(resting(0.5, times)) as server, server.connect() as connection, server.connect() as other:
        connection.send(HEALTH * (3 if is_pipelined else 1))
        assert connection.reply() is not None
        if not is_pipelined:
            connection.send(HEALTH * 2)
        assert other.ask(HEALTH).status == 200
        assert [connection.reply() is not None for _ in range(2)] == [True, True]
    assert times[1] - times[0] < 0.4, "the other one is answered meanwhile"
    assert times[2] - times[0] >= 0.45


def test_a_rest_is_short_and_takes_no_memory() -> None:
    times: list[float] = []
    with serving(resting(1000.0, times), protocol=GuardedProtocol) as server, server.connect() as connection:
        assert connection.ask(HEALTH).status == 200
        connection.socket.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 50_000_000:
                sent += connection.socket.send(HEALTH * 1000)
        assert sent < 20_000_000, "all that waits is in the system's own buffers"
        connection.socket.settimeout(REST_SECONDS_MAX + SLACK_SECONDS)
        assert connection.reply() is not None
        assert len(times) <= 2 + 2 * PIPELINED_MAX
    assert times[1] - times[0] < REST_SECONDS_MAX + SLACK_SECONDS


def test_who_asks_too_often_rests() -> None:
    with serving(pages=Pages(address_limit="1/h")) as server, server.connect() as connection:
        connection.send(HEALTH * 3)
        began = time.monotonic()
        assert [reply.status for reply in (connection.reply(), connection.reply(), connection.reply()) if reply] == [
            200,
            429,
            429,
        ]
        assert time.monotonic() - began >= 0.45


def test_told_to_stop_a_resting_connection_is_still_answered_what_it_sent() -> None:
    times: list[float] = []
    with serving(resting(0.8, times)) as server, server.connect() as connection:
        connection.send(HEALTH * 2)
        assert connection.reply() is not None
        server.server.should_exit = True
        reply = connection.reply()
        assert reply is not None
        assert reply.headers["connection"] == "close"
        assert connection.reply() is None
