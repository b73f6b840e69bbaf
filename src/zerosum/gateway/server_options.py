"""How our servers are set up: the options of `uvicorn.Config`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal

from zerosum.gateway.express.protocol import ExpressProtocol

ClientCertificates = Literal["off", "optional", "required"]

_CLIENT_CERTIFICATES: dict[ClientCertificates, ssl.VerifyMode] = {
    "off": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


def tls_options(
    certificate: Path | None,
    key: Path | None,
    *,
    client_ca: Path | None = None,
    client_certificates: ClientCertificates = "off",
) -> dict[str, Any]:
    """Certificate and key: both or neither. Callers' certificates are asked for only where there is a CA for them."""
    if certificate is None:
        return {}
    options: dict[str, Any] = {"ssl_certfile": certificate, "ssl_keyfile": key}
    if client_ca is not None and client_certificates != "off":
        options |= {"ssl_ca_certs": str(client_ca), "ssl_cert_reqs": _CLIENT_CERTIFICATES[client_certificates]}
    return options


def server_options(**options: Any) -> dict[str, Any]:
    """The options every server of ours has."""
    return {
        "http": ExpressProtocol,
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        # Whose X-Forwarded-For is believed is the gateway layer's to judge.
        "proxy_headers": False,
        "server_header": False,
        "date_header": False,
        "log_config": None,
        **options,
    }
