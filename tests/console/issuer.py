"""A small issuer of OpenID Connect on a local socket: real keys, real codes, and as wrong as a test wants it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jose import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.api.serving import listening_socket, running_server

CLIENT = "zerosum console"
SECRET = "a secret: with signs/"
KID = "tests-1"


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Issuer:
    """`claims` is what the next token says beside what every token says; `told` what the code was asked for."""

    address: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    told: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    signs_with: ec.EllipticCurvePrivateKey | None = None

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _configuration(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/keys",
            }
        )

    async def _keys(self, _: Request) -> Response:
        public = self.key.public_key().public_numbers()
        key = {
            "kty": "EC",
            "crv": "P-256",
            "kid": KID,
            "x": b64(public.x.to_bytes(32)),
            "y": b64(public.y.to_bytes(32)),
        }
        return JSONResponse({"keys": [key]})

    async def _authorize(self, request: Request) -> Response:
        """Whoever comes is signed in at once."""
        self.asked = dict(request.query_params)
        code = secrets.token_urlsafe(16)
        self.told[code] = self.asked
        back = urlencode({"code": code, "state": self.asked["state"], "iss": self.address})
        return RedirectResponse(f"{self.asked['redirect_uri']}?{back}", status_code=302)

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        told = self.told.pop(form["code"], None)
        wanted = "Basic " + base64.b64encode(b"zerosum%20console:a%20secret%3A%20with%20signs%2F").decode()
        challenge = b64(hashlib.sha256(form["code_verifier"].encode()).digest())
        is_good = told is not None and told["code_challenge"] == challenge and told["code_challenge_method"] == "S256"
        if told is None or not is_good or request.headers.get("authorization") != wanted:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = int(time.time())
        claims = {
            "iss": self.address,
            "aud": CLIENT,
            "sub": "ada",
            "iat": now,
            "exp": now + 300,
            "nonce": told["nonce"],
            **self.claims,
        }
        token = jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            pem(self.signs_with or self.key),
            algorithm="ES256",
            headers={"kid": KID},
        )
        return JSONResponse({"access_token": "unused", "token_type": "Bearer", "id_token": token})


@contextlib.asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    listening = listening_socket()
    issuer.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with running_server(uvicorn.Config(issuer.app(), lifespan="off", log_level="error"), listening):
        yield issuer


def place(address: str) -> str:
    """Path and query of an address."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"
