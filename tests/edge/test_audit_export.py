"""The security log on its way elsewhere: the feed without gaps, JSON lines, and syslog over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.reading import refused
from tests.api.serving import served
from tests.edge.certificates import Pair, certify
from tests.webhooks.conftest import until
from zerosum.adapters.clock import now
from zerosum.adapters.service_reader import ServiceReader
from zerosum.adapters.syslog_client import SyslogAddress, SyslogAway, SyslogClient
from zerosum.adapters.syslog_message import MESSAGE_BYTES_MAX, syslog_message
from zerosum.cli.audit import Deliver, Export, ExportOptions, NobodyReads, put_lines
from zerosum.db.engine import Database
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.main import Service
from zerosum.services.audit import audit_record, audited
from zerosum.services.requests.caller import Caller

HOSTILE = 'x"] [evil@1 a="b"]\n<0>1 - forged \x1b[2J \u202e\u2028 \\'


async def feed(client: Client, **parameters: Any) -> list[dict[str, Any]]:
    """All there is now, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        page = (await client.get("/v1/audit-log/feed", params=parameters)).json()
        found += page["data"]
        parameters["after"] = page["next_after"]
        if not page["has_more"]:
            return found


async def written(client: Client, times: int) -> None:
    account = await client.open_account()
    for number in range(times):
        action = "unfreeze" if number % 2 else "freeze"
        answer = await client.post(f"/v1/accounts/{account['id']}/{action}", {"reason": 'x"] [evil a="b"] \\'})
        assert answer.status_code == 200, answer.text


# --- The feed --------------------------------------------------------------------------------------------------------


async def test_a_record_that_is_committed_late_comes_behind_the_place_of_who_reads(
    admin: Client, database: Database
) -> None:
    """In the order of time it would have come before what the reader has passed."""
    caller = Caller(LedgerId(parse_id(Prefix.LEDGER, admin.ledger)), "late")
    # Transactions of other tests on the same server hold the feed up.
    assert len(await until(lambda: feed(admin), bool)) == 1
    async with database.work(caller.ledger_id) as late:
        record = audit_record(AuditType.ACCOUNT_FROZEN, caller, now(), resource=None)
        await audited(late, record)
        await written(admin, 1)
        page = (await admin.get("/v1/audit-log/feed")).json()
        assert [row["type"] for row in page["data"]] == ["api_key.created"], "what runs holds back what came after it"
    rest = await until(lambda: feed(admin, after=page["next_after"]), lambda found: len(found) == 2)
    assert [row["actor"] == "late" for row in rest] == [True, False]
    assert len({row["id"] for row in page["data"] + rest}) == 3


async def test_the_feed_is_read_in_pages_and_narrowed(admin: Client, operator: Client) -> None:
    await written(admin, 4)
    whole = await until(lambda: feed(admin, limit=2), lambda found: len(found) == 5)
    assert whole == await feed(admin, limit=200)
    assert await feed(admin, after=whole[1]["place"]) == whole[2:]
    assert await feed(admin, limit=1, **{"from": whole[3]["recorded_at"]}) == whole[3:]
    assert await feed(admin, to=whole[3]["recorded_at"]) == whole[:3]
    assert await feed(operator, ledger=admin.ledger) == whole
    seen = await feed(operator)
    assert [row for row in seen if row["ledger"] == admin.ledger] == whole
    for parameter, value in (("after", "x"), ("ledger", "led_x"), ("from", "yesterday")):
        answer = await admin.get("/v1/audit-log/feed", params={parameter: value})
        refused(answer, 422, "invalid_parameter", parameter, facts={})


# --- Syslog ----------------------------------------------------------------------------------------------------------

RECORD = {
    "id": "aud_1",
    "place": "7-1",
    "ledger": None,
    "recorded_at": "2026-11-30T03:00:00.123456Z",
    "type": "account.frozen",
    "actor": HOSTILE,
    "address": "192.0.2.7",
    "request_id": None,
    "resource": "acc_1",
    "reason": HOSTILE,
    "occurrences": 1,
    "facts": {"name": "Ärger\n"},
}
_MESSAGE = re.compile(
    rb'<(\d+)>1 (\S+) (\S+) zerosum - (\S+) \[zerosum@32473((?: [a-z_]+="(?:[^"\\\]]|\\["\\\]])*")+)\] (.*)', re.DOTALL
)


def test_what_a_caller_wrote_ends_nothing_of_a_message() -> None:
    message = syslog_message(RECORD, "host name")
    found = _MESSAGE.fullmatch(message)
    assert found, message
    assert found.groups()[:4] == (b"109", b"2026-11-30T03:00:00.123456Z", b"host?name", b"account.frozen")
    assert b'id="aud_1" place="7-1"' in found[5]
    assert not re.search(rb"[\x00-\x1f\x7f]", message)
    assert "\u202e" not in message.decode()
    assert json.loads(found[6]) == {"reason": HOSTILE, "facts": {"name": "Ärger\n"}}


def test_a_message_that_is_too_long_is_cut_and_says_so() -> None:
    message = syslog_message(RECORD | {"facts": {"x": "ü" * 10_000}, "actor": "a" * 5_000}, "host")
    assert len(message) == MESSAGE_BYTES_MAX
    assert b' cut="' in message
    assert _MESSAGE.fullmatch(message)


def test_refusals_are_warnings() -> None:
    assert syslog_message(RECORD | {"type": "credential.refused"}, "h").startswith(b"<108>1 ")


@pytest.mark.parametrize(
    "text",
    ["tcp://", "http://x", "tcp://h?ca=x", "tls://h?cb=x", "tls://h?ca=", "unix://", "udp://h/x", "tcp://h:x", "x"],
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        SyslogAddress.parse(text)


@contextmanager
def exporting(client: Client, port: int, options: ExportOptions, deliver: Deliver) -> Iterator[Export]:
    token = client.http.headers["Authorization"].removeprefix("Bearer ")
    with ServiceReader(f"http://127.0.0.1:{port}", token) as reader:
        yield Export(reader, options, deliver, threading.Event())


async def test_over_tcp_none_is_lost_when_the_receiver_dies_and_what_comes_twice_has_one_id(
    service: Service, admin: Client, tmp_path: Path
) -> None:
    await written(admin, 3)
    expected = await until(lambda: feed(admin), lambda found: len(found) == 4)
    state = tmp_path / "place"
    options = ExportOptions(state=state, is_following=False)
    with socket.create_server(("127.0.0.1", 0)) as receiver:
        client = SyslogClient(SyslogAddress.parse(f"tcp://127.0.0.1:{receiver.getsockname()[1]}"))

        def deliver(records: Any) -> None:
            client.send([syslog_message(record, "h") for record in records])

        async with served(service) as port:
            with exporting(admin, port, options, deliver) as export:
                await asyncio.to_thread(export.run)
            connection, _ = receiver.accept()
            first = _frames(connection)
            assert [_id(one) for one in first] == [row["id"] for row in expected]
            assert state.read_text().strip() == expected[-1]["place"]
            # It goes away, and what is sent meanwhile is not counted as sent.
            connection.close()
            await written(admin, 1)
            await until(lambda: feed(admin, after=expected[-1]["place"]), lambda found: len(found) == 1)
            with exporting(admin, port, options, deliver) as export:
                with pytest.raises(SyslogAway):
                    await asyncio.to_thread(export.run)
                assert state.read_text().strip() == expected[-1]["place"]
                await asyncio.to_thread(export.run)
            connection, _ = receiver.accept()
            with connection:
                assert len(_frames(connection)) == 1
        client.close()


def _frames(connection: socket.socket) -> list[bytes]:
    """Those that have come, by their counted octets."""
    connection.settimeout(5)
    return _framed(connection.recv(1_000_000))


def _framed(data: bytes) -> list[bytes]:
    """Those that are whole."""
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        if not rest or len(rest) < int(length):
            break
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


def _id(message: bytes) -> str:
    found = re.search(rb' id="([^"]+)"', message)
    assert found
    return found[1].decode()


@pytest.mark.parametrize("kind", ["udp", "unix"])
def test_over_datagrams_each_record_is_one(kind: str, tmp_path: Path) -> None:
    family = socket.AF_INET if kind == "udp" else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0) if kind == "udp" else str(tmp_path / "log"))
        receiver.settimeout(5)
        name = receiver.getsockname()
        client = SyslogClient(SyslogAddress.parse(f"udp://127.0.0.1:{name[1]}" if kind == "udp" else f"unix://{name}"))
        sent = [syslog_message(RECORD | {"id": f"aud_{number}"}, "h") for number in range(3)]
        client.send(sent)
        client.close()
        assert [receiver.recv(65_536) for _ in sent] == sent


def test_over_tls_only_to_a_receiver_with_a_certificate_of_its_name(tmp_path: Path) -> None:
    authority, other = certify(tmp_path, "authority"), certify(tmp_path, "another authority")
    good, elsewhere = (certify(tmp_path, name, authority, host=name) for name in ("localhost", "elsewhere"))
    sent = [syslog_message(RECORD | {"id": f"aud_{number}"}, "h") for number in range(3)]
    with ThreadPoolExecutor(1) as threads:
        for shown, believed in ((good, authority), (elsewhere, authority), (good, other)):
            with socket.create_server(("127.0.0.1", 0)) as receiver:
                taken = threads.submit(_taken_over_tls, receiver, shown, len(sent), may_close := threading.Event())
                address = f"tls://localhost:{receiver.getsockname()[1]}?ca={believed.certificate}"
                client = SyslogClient(SyslogAddress.parse(address))
                if shown is good and believed is authority:
                    client.send(sent[:1])
                    client.send(sent[1:])  # The tickets of TLS 1.3 have come meanwhile.
                    may_close.set()
                    assert taken.result(10) == sent
                    with pytest.raises(SyslogAway, match="closed the connection"):
                        client.send(sent)
                else:
                    with pytest.raises(SyslogAway, match="certificate verify failed"):
                        client.send(sent)
                client.close()
    with pytest.raises(SyslogAway, match="takes nothing"):
        SyslogClient(SyslogAddress.parse(f"tls://localhost:1?ca={tmp_path / 'none'}")).send(sent)


def _taken_over_tls(receiver: socket.socket, pair: Pair, wanted: int, may_close: threading.Event) -> list[bytes]:
    """Until it has so many, and may close."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    connection, _ = receiver.accept()
    with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
        secured.settimeout(5)
        data = b""
        while len(frames := _framed(data)) < wanted:
            data += secured.recv(65_536)
        may_close.wait(10)
        return frames
    return []


def test_a_receiver_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SyslogAway, match="takes nothing: No such file"):
        SyslogClient(SyslogAddress.parse(f"unix://{tmp_path / 'none'}")).send([b"x"])


# --- The command -----------------------------------------------------------------------------------------------------


async def test_a_follower_goes_on_as_more_is_written(service: Service, admin: Client, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    enough, stop = threading.Event(), threading.Event()

    def deliver(records: Any) -> None:
        told.extend(records)
        if len(told) >= 3:
            enough.set()
            stop.set()

    async with served(service) as port:
        token = admin.http.headers["Authorization"].removeprefix("Bearer ")
        with ServiceReader(f"http://127.0.0.1:{port}", token) as reader:
            export = Export(reader, ExportOptions(state=tmp_path / "place", is_following=True), deliver, stop)
            following = asyncio.create_task(asyncio.to_thread(export.run))
            await written(admin, 2)
            await asyncio.to_thread(enough.wait, 20)
            await following
    assert [row["type"] for row in told] == ["api_key.created", "account.frozen", "account.unfrozen"]
    assert (tmp_path / "place").read_text().strip() == told[-1]["place"]


async def test_what_nobody_reads_any_more_is_not_passed(
    service: Service, admin: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever carries the lines on has died: the next run begins with what it did not take."""
    await until(lambda: feed(admin), lambda found: len(found) == 1)
    reading, writing = os.pipe()
    os.close(reading)
    async with served(service) as port:
        with os.fdopen(writing, "w") as pipe, monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", pipe)
            options = ExportOptions(state=tmp_path / "place", is_following=True)
            with exporting(admin, port, options, put_lines) as export, pytest.raises(NobodyReads):
                await asyncio.wait_for(asyncio.to_thread(export.run), 20)
    assert not (tmp_path / "place").exists()
