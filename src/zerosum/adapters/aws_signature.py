"""Signs requests to an object store as S3 wants it (AWS Signature Version 4, header form, the payload hashed).

Of the libraries that others use for it this is one function of many thousand lines, and botocore takes no dateutil as
new as ours. Tests hold it against the examples of the protocol and against a client of others.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

from pydantic import SecretStr

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"


@dataclass(frozen=True, slots=True)
class StoreCredentials:
    key_id: str
    secret: SecretStr
    region: str


def signed_headers(
    credentials: StoreCredentials,
    method: str,
    host: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    at: datetime,
) -> dict[str, str]:
    """`headers` and those that sign them.

    `host` is as it is sent, with a port that is not usual; `path` is as it was named, not encoded yet.
    """
    moment = f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    given = {
        **{name.lower(): " ".join(value.split()) for name, value in headers.items()},
        "host": host,
        "x-amz-content-sha256": sha256(body).hexdigest(),
        "x-amz-date": moment,
    }
    names = ";".join(sorted(given))
    canonical = "\n".join(
        (
            method,
            encoded_path(path),
            encoded_query(query),
            *(f"{name}:{given[name]}" for name in sorted(given)),
            "",
            names,
            given["x-amz-content-sha256"],
        )
    )
    scope = f"{moment[:8]}/{credentials.region}/{SERVICE}/aws4_request"
    to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret.get_secret_value()}".encode()
    for part in (moment[:8], credentials.region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    said = f"{ALGORITHM} Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**given, "authorization": said}


def encoded_path(path: str) -> str:
    """As it is signed and as it is sent: S3 encodes a path once, and normalizes none."""
    return quote(path, safe="/-_.~")


def encoded_query(query: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)
