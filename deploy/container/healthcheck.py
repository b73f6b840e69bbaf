"""The health check of the container: exit 0 when /readyz says yes. It goes by the settings of the service beside it."""

from __future__ import annotations

import http.client
import os
import ssl
import sys

SECONDS_MAX = 4.0


def main() -> int:
    port = int(os.environ.get("ZEROSUM_PORT") or 8080)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
    if os.environ.get("ZEROSUM_TLS_CERTIFICATE"):
        # Our own service, on our own loopback address, for which no certificate is made.
        connection = http.client.HTTPSConnection(
            "127.0.0.1",
            port,
            timeout=SECONDS_MAX,
            context=ssl._create_unverified_context(),  # noqa: S323, SLF001
        )
    allowed_hosts = [name.strip() for name in os.environ.get("ZEROSUM_ALLOWED_HOSTS", "").split(",") if name.strip()]
    host = allowed_hosts[0].removeprefix("*.") if allowed_hosts else f"127.0.0.1:{port}"
    try:
        connection.request("GET", "/readyz", headers={"Host": host})
        answer = connection.getresponse()
        sys.stdout.write(f"{answer.status} {answer.read(500).decode(errors='replace')}\n")
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"{error or type(error).__name__}\n")
        return 1
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
