"""Sends syslog messages over TCP, TLS (RFC 5425), UDP or a local socket.

Nobody confirms a syslog message. Over TCP and TLS a message counts as sent when the receiver's machine has confirmed
all bytes up to it: what lies in our own buffers dies with the connection.
"""

from __future__ import annotations

import fcntl
import select
import socket
import ssl
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from zerosum.adapters.syslog_message import framed

CONNECT_SECONDS_MAX = 5.0
CONFIRM_SECONDS_MAX = 10.0
LOOK_EVERY_SECONDS = 0.005
PORT = 514
TLS_PORT = 6514

_UNSENT = 0x5411
"""TIOCOUTQ of Linux: bytes that the other side has not confirmed."""


class SyslogAway(Exception):
    """The receiver does not take it. The message is one clear line."""


@dataclass(frozen=True, slots=True)
class SyslogAddress:
    """`scheme` is tcp, tls, udp or unix; `path` is that of a local socket.

    `ca` is a file of those who may have signed for the receiver; without it, those whom this machine believes.
    """

    scheme: str
    host: str = ""
    port: int = PORT
    path: str = ""
    ca: str = ""

    @classmethod
    def parse(cls, text: str) -> SyslogAddress:
        """Raises ValueError, in one clear line."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError(f"{text!r} is no address of a syslog receiver") from None
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            return cls("unix", path=parts.path)
        if parts.hostname and not parts.path.strip("/"):
            if parts.scheme in ("tcp", "udp") and not parts.query:
                return cls(parts.scheme, parts.hostname, port or PORT)
            name, _, ca = parts.query.partition("=")
            if parts.scheme == "tls" and (not parts.query or (name == "ca" and ca and "&" not in ca)):
                return cls("tls", parts.hostname, port or TLS_PORT, ca=unquote(ca))
        known = "tcp://HOST:PORT, tls://HOST:PORT?ca=FILE, udp://HOST:PORT and unix:///PATH"
        raise ValueError(f"{text!r} is none of {known}")

    def __str__(self) -> str:
        return f"unix://{self.path}" if self.scheme == "unix" else f"{self.scheme}://{self.host}:{self.port}"


class SyslogClient:
    """Connects when there is something to send, and anew after a failure."""

    def __init__(self, address: SyslogAddress) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def send(self, messages: Sequence[bytes]) -> None:
        """All of them. After SyslogAway nobody knows how many have arrived: they are to be sent again."""
        try:
            connection = self._socket or self._connect()
            self._socket = connection
            if connection.type is socket.SOCK_STREAM:
                _check_open(connection)
                connection.sendall(b"".join(map(framed, messages)))
                _confirm(connection)
            else:
                for message in messages:
                    connection.send(message)
        except OSError as error:
            self.close()
            raise SyslogAway(f"{self._address} takes nothing: {error.strerror or error}") from None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _secured(self, connection: socket.socket) -> socket.socket:
        """The receiver must show a certificate of its name. Raises OSError, also for a file that holds none."""
        try:
            context = ssl.create_default_context(cafile=self._address.ca or None)
            return context.wrap_socket(connection, server_hostname=self._address.host)
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> socket.socket:
        address = self._address
        if address.scheme == "tcp":
            return socket.create_connection((address.host, address.port), CONNECT_SECONDS_MAX)
        if address.scheme == "tls":
            return self._secured(socket.create_connection((address.host, address.port), CONNECT_SECONDS_MAX))
        place: Any = address.path
        if address.scheme == "udp":
            family, _, _, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
            made = socket.socket(family, socket.SOCK_DGRAM)
        else:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.settimeout(CONNECT_SECONDS_MAX)
        try:
            made.connect(place)
        except OSError:
            made.close()
            raise
        return made


def _check_open(connection: socket.socket) -> None:
    """A receiver sends nothing: what can be read is the end of the connection."""
    readable, _, _ = select.select([connection], [], [], 0)
    if not readable:
        return
    seconds = connection.gettimeout()
    connection.settimeout(0)
    try:
        if not connection.recv(1_024):
            raise ConnectionResetError("it has closed the connection")
    except (BlockingIOError, ssl.SSLWantReadError):
        pass  # Of TLS itself, as its tickets are.
    finally:
        connection.settimeout(seconds)


def _confirm(connection: socket.socket) -> None:
    if sys.platform != "linux":
        return
    until = time.monotonic() + CONFIRM_SECONDS_MAX
    while struct.unpack("i", fcntl.ioctl(connection, _UNSENT, b"\0" * 4))[0]:
        if time.monotonic() > until:
            raise TimeoutError("it does not confirm what it was sent")
        time.sleep(LOOK_EVERY_SECONDS)
    _check_open(connection)
