"""The client of the mail server: encrypted unless told otherwise, logged in, and never to somebody else."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.notifications.mail_server import mail_server
from zerosum.adapters.mail_client import MailAnswer, MailClient, MailServerAway
from zerosum.adapters.mail_server import MailServer, MailServerWrong
from zerosum.cli.certificate import development_certificate
from zerosum.config import SettingsError, load_settings

MESSAGE = b"Subject: s\r\n\r\ntext\r\n"
LOGIN = ("zerosum", "s3cret")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return development_certificate(tmp_path_factory.mktemp("tls"), None)


def context(certificate: dict[str, Path]) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate["tls_certificate"], certificate["tls_key"])
    return made


async def sent(url: str, **options: Any) -> MailAnswer:
    client = MailClient(MailServer.parse(url, **options), "alerts@example.com")
    async with client.session() as session:
        return await session.send("ann@example.com", MESSAGE)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_it_encrypts_and_logs_in(certificate: dict[str, Path], scheme: str) -> None:
    async with mail_server(context(certificate), LOGIN, is_tls_at_once=scheme == "smtps") as server:
        url, ca = f"{scheme}://localhost:{server.port}", certificate["tls_certificate"]
        answer = await sent(url, user=LOGIN[0], password=LOGIN[1], ca=ca)
        assert answer == MailAnswer(250, "OK")
        for wrong in ({"ca": ca, "user": LOGIN[0], "password": "wrong"}, {"user": LOGIN[0], "password": LOGIN[1]}):
            with pytest.raises(MailServerAway) as away:
                await sent(url, **wrong)
            assert "s3cret" not in str(away.value)
    assert len(server.taken) == 1


async def test_where_nothing_is_encrypted_nothing_is_sent() -> None:
    async with mail_server() as server:
        with pytest.raises(MailServerAway):
            await sent(f"smtp://localhost:{server.port}", user=LOGIN[0], password=LOGIN[1])
        assert (await sent(f"smtp://localhost:{server.port}?tls=off")).code == 250
    assert len(server.taken) == 1


async def test_a_mail_that_is_too_large_keeps_no_other_from_being_sent() -> None:
    async with mail_server() as server:
        server.to_sender = "552 5.3.4 Too large"
        assert (await sent(server.url)).code == 552
        server.to_sender = "451 4.3.0 Later"
        with pytest.raises(MailServerAway):
            await sent(server.url)


@pytest.mark.parametrize(
    "url",
    ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://mail:0", "smtp://a:b@mail.example.com",
     "smtp://mail/x", "smtp://mail?tls=no", "smtps://mail?tls=off", "smtp://mail:port", "smtp://mail#x"],
)  # fmt: skip
def test_a_url_that_says_something_else_is_refused(url: str) -> None:
    with pytest.raises(MailServerWrong):
        MailServer.parse(url)


WRONG: list[dict[str, Any]] = [
    {"smtp_url": "http://mail", "mail_sender": "a@example.com"},
    {"smtp_url": "smtp://mail"},
    {"mail_sender": "a@example.com"},
    {"smtp_url": "smtp://mail", "mail_sender": "Ann <a@example.com>"},
    {"smtp_url": "smtp://mail", "mail_sender": "a@example.com\nBcc: b@example.com"},
    {"smtp_url": "smtp://mail", "mail_sender": "a@example.com", "smtp_password": "s3cret"},
    {"smtp_url": "smtp://mail?tls=off", "mail_sender": "a@example.com", "smtp_user": "a", "smtp_password": "s3cret"},
    {"smtp_url": "smtp://mail", "mail_sender": "a@example.com", "mail_recipient_domains": "example.com,@x"},
]


@pytest.mark.parametrize("given", WRONG)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(**given)
    assert str(refused.value).startswith("ZEROSUM_")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("domains", "allowed"), [("", {"example.com"}), ("Example.org, example.net", {"example.org", "example.net"})]
)
def test_mails_go_to_the_domain_of_the_sender_unless_others_are_named(domains: str, allowed: set[str]) -> None:
    settings = load_settings(smtp_url="smtp://m", mail_sender="a@Example.com", mail_recipient_domains=domains)
    limits = settings.mail_limits()
    assert limits is not None
    assert limits.recipient_domains == allowed
