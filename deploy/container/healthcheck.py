"""The health check of a container, by the settings of what runs in it: exit 0 if all is well, and one line.

Without an argument it asks the API, on its own port, for /readyz. With `database`, for the worker, which serves
nothing, it looks whether the database takes connections.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import sys
from urllib.parse import urlsplit

SECONDS_MAX = 4.0


def main(arguments: list[str]) -> int:
    try:
        said, is_well = _database() if arguments == ["database"] else _api()
    except (OSError, http.client.HTTPException) as error:
        said, is_well = str(error) or type(error).__name__, False
    sys.stdout.write(f"{said}\n")
    return 0 if is_well else 1


def _api() -> tuple[str, bool]:
    port = int(os.environ.get("ZEROSUM_PORT") or 8080)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
    if os.environ.get("ZEROSUM_TLS_CERTIFICATE"):
        # Our own service on our own loopback address, for which no certificate is made.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS_MAX, context=context)
    allowed_hosts = [name.strip() for name in os.environ.get("ZEROSUM_ALLOWED_HOSTS", "").split(",") if name.strip()]
    host = allowed_hosts[0].removeprefix("*.") if allowed_hosts else f"127.0.0.1:{port}"
    connection.request("GET", "/readyz", headers={"Host": host})
    answer = connection.getresponse()
    return f"{answer.status} {answer.read(500).decode(errors='replace')}", answer.status == http.client.OK


def _database() -> tuple[str, bool]:
    """The first host that the URL names; its port where that is given by itself."""
    url = urlsplit(os.environ.get("ZEROSUM_DATABASE_URL", ""))
    host, _, port = url.netloc.rpartition("@")[2].split(",")[0].rpartition(":")
    if not host:
        host, port = port, ""
    with socket.create_connection((host.strip("[]") or "localhost", int(port or 5432)), timeout=SECONDS_MAX):
        return "the database takes connections", True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
