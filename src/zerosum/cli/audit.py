"""`zerosum audit export`: the security log on its way to a SIEM.

The place is kept behind what has arrived: after a crash some records come twice, by their id, and none is missed.
"""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zerosum.adapters.service_client import ServiceAway
from zerosum.adapters.service_reader import Refused, ServiceReader
from zerosum.adapters.syslog_client import SyslogAddress, SyslogAway, SyslogClient
from zerosum.adapters.syslog_message import syslog_message
from zerosum.cli.running_service import running_service
from zerosum.cli.talk import USAGE, CommandFailed, put, say, told_plainly
from zerosum.embedded.durable_files import write_durably

PAGE_RECORDS = 100
LOOK_EVERY_SECONDS = 1.0
PAUSE_SECONDS_MAX = 30.0


class NobodyReads(Exception):
    """Whoever read our stdout has gone: what was written last may not have arrived."""


Deliver = Callable[[Sequence[dict[str, Any]]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    ledger: str | None = None
    start: str | None = None
    end: str | None = None
    after: str | None = None
    state: Path | None = None
    is_following: bool = False
    syslog: str | None = None


@told_plainly
def run_export(data_dir: Path | None, url: str | None, token: str | None, options: ExportOptions) -> int:
    if options.syslog is not None and options.state is None and options.after is None:
        raise CommandFailed("--syslog needs --state FILE, from which the next run goes on (or --after)", USAGE)
    service = running_service(data_dir, url, token)
    client = _syslog(options.syslog)
    stop = threading.Event()
    if options.is_following:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    try:
        with ServiceReader(service.url, service.token, service.tls) as reader:
            Export(reader, options, put_lines if client is None else _to_syslog(client), stop).run()
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None
    except (ServiceAway, SyslogAway) as error:
        raise CommandFailed(str(error)) from None
    except NobodyReads:
        return 0
    finally:
        if client is not None:
            client.close()
    return 0


class Export:
    """`deliver` raises SyslogAway, NobodyReads where what it was given may not have arrived."""

    def __init__(self, reader: ServiceReader, options: ExportOptions, deliver: Deliver, stop: threading.Event) -> None:
        self._reader = reader
        self._options = options
        self._deliver = deliver
        self._stop = stop
        self._after = options.after or _kept_place(options.state)
        self._pause = LOOK_EVERY_SECONDS

    def run(self) -> None:
        """To the end of the log, or until told to stop. Raises ServiceAway, SyslogAway, which a follower waits out."""
        while not self._stop.is_set():
            try:
                has_more = self._turn()
                self._pause = LOOK_EVERY_SECONDS
            except Refused:
                raise
            except (ServiceAway, SyslogAway) as error:
                if not self._options.is_following:
                    raise
                say(f"zerosum: {error}; trying again")
                has_more, self._pause = False, min(2 * self._pause, PAUSE_SECONDS_MAX)
            if has_more:
                continue
            if not self._options.is_following:
                return
            self._stop.wait(self._pause)

    def _turn(self) -> bool:
        """Whether there may be more now."""
        page = self._reader.audit_feed(self._asked())
        if page["data"]:
            self._deliver(page["data"])
        # Only now: what was not delivered is read again from the place before it.
        if page["next_after"] != self._after:
            self._after = page["next_after"]
            if self._options.state is not None:
                write_durably(self._options.state, f"{self._after}\n")
        return bool(page["has_more"])

    def _asked(self) -> dict[str, str | int]:
        options = self._options
        given = {"after": self._after, "ledger": options.ledger, "from": options.start, "to": options.end}
        return {"limit": PAGE_RECORDS, **{name: value for name, value in given.items() if value is not None}}


def _kept_place(state: Path | None) -> str | None:
    if state is None:
        return None
    try:
        return state.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{state} cannot be read: {error}", USAGE) from None


def _syslog(address: str | None) -> SyslogClient | None:
    try:
        return None if address is None else SyslogClient(SyslogAddress.parse(address))
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None


def put_lines(records: Sequence[dict[str, Any]]) -> None:
    """Raises NobodyReads."""
    if not put("".join(f"{json.dumps(record, separators=(',', ':'))}\n" for record in records)):
        raise NobodyReads


def _to_syslog(client: SyslogClient) -> Deliver:
    hostname = socket.gethostname()
    return lambda records: client.send([syslog_message(record, hostname) for record in records])
