"""Webhooks go to the open internet and nowhere else, whoever asks and however it is written: nothing is connected."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence

import pytest

from zerosum.adapters.address_guard import Address, AddressGuard, UrlNotAllowed
from zerosum.adapters.webhook_client import SendFailed, UrlCheck, WebhookClient
from zerosum.adapters.webhook_connection import WebhookConnection

HOSTILE = [
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "data:text/plain,x",
    "hooks.example.com/hook",
    "//hooks.example.com/hook",
    "https://",
    "https:///hook",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0.0.0.0/",
    "https://0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://1.0x7f/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::7f00:1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://192.0.0.8/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://168.63.129.16/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://user:pw@hooks.example.com/",
    "https://user@hooks.example.com/",
    "https://hooks.example.com@evil.example.com/",
    "https://hooks.example.com#@evil.example.com/",
    "https://hooks.example.com\\@evil.example.com/",
    "https://hooks.example.com%2eevil.example.com/",
    "https://hooks.exampl\u0435.com/",
    "https://127\u30020\u30020\u30021/",
    "https://xn--exmple-cua.com/",
    "https://hooks.example.com./",
    "https://localhost/",
    "https://localhost.localdomain/",
    "https://api.localhost/",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://intranet/",
    "https://pay.zerosum.example.com/hook",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:25/",
    "https://hooks.example.com:5432/",
    "https://hooks.example.com:6379/",
    "https://hooks.example.com:9092/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:65536/",
    "https://hooks.example.com:-1/",
    "https://hooks.example.com:/",
    "https://hooks.example.com:443a/",
    "https://hooks.example.com/" + "a" * 3000,
    "https://hooks.example.com/a\r\nHost: evil",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/\x00",
    " https://hooks.example.com/",
    "https://ho\toks.example.com/",
    "https://-hooks.example.com/",
    "https://ho_oks.example.com/",
    "https://a..example.com/",
]
GOOD = [
    "https://hooks.example.com/zerosum?tenant=7",
    "https://HOOKS.example.com",
    "https://hooks.example.com:443/",
    "https://hooks.example.com:8443/a/b",
    "https://93.184.215.14/hook",
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/hook",
    "https://[64:ff9b::5db8:d70e]/hook",
]
PUBLIC, PRIVATE = "93.184.215.14", "10.0.0.7"
GUARD = AddressGuard(own_hosts=frozenset({"pay.zerosum.example.com"}))


class Socket:
    """Where connections would be made: it says to whom, and makes none."""

    def __init__(self) -> None:
        self.connected: list[str] = []

    async def __call__(self, address: str, port: int, _: ssl.SSLContext | None, host: str) -> WebhookConnection:
        self.connected.append(f"{address} {port}")
        raise ConnectionRefusedError("nothing is connected here")


class Names:
    """A resolver whose answers are given, one list after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    async def __call__(self, _: str) -> list[Address]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [ipaddress.ip_address(text) for text in answer]


async def send(url: str, names: Names, guard: AddressGuard = GUARD) -> tuple[str, list[str]]:
    """Why it was not sent, and who was connected to."""
    network = Socket()
    client = WebhookClient(guard, resolve=names, connect=network)
    with pytest.raises(SendFailed) as failure:
        await client.post(url, {}, b"{}")
    await client.close()
    return failure.value.code, network.connected


@pytest.mark.parametrize("url", HOSTILE)
async def test_nothing_is_connected_for_a_hostile_url(url: str) -> None:
    """Wherever its name leads."""
    with pytest.raises(UrlNotAllowed):
        await UrlCheck(GUARD, Names([PUBLIC]))(url)
    assert await send(url, Names([PUBLIC])) == ("url_not_allowed", [])


@pytest.mark.parametrize("url", GOOD)
async def test_a_url_of_the_open_internet_is_allowed(url: str) -> None:
    await UrlCheck(GUARD, Names([PUBLIC]))(url)
    code, connected = await send(url, Names([PUBLIC]))
    assert code == "unreachable"
    assert len(connected) == 1


@pytest.mark.parametrize(
    "addresses", [[PRIVATE], [PUBLIC, PRIVATE], [PRIVATE, PUBLIC], ["::1"], [PUBLIC, "fe80::1"], ["::ffff:10.0.0.7"]]
)
async def test_a_name_with_one_closed_address_is_refused(addresses: list[str]) -> None:
    with pytest.raises(UrlNotAllowed):
        await UrlCheck(GUARD, Names(addresses))("https://hooks.example.com/")
    assert await send("https://hooks.example.com/", Names(addresses)) == ("url_not_allowed", [])


async def test_a_name_that_changes_after_it_was_judged_changes_nothing() -> None:
    """It is asked for once, and the connection goes to what was answered then."""
    names = Names([PUBLIC], [PRIVATE])
    await UrlCheck(GUARD, names)("https://hooks.example.com/")
    assert await send("https://hooks.example.com/", names) == ("url_not_allowed", [])
    names = Names([PUBLIC], [PRIVATE])
    assert await send("https://hooks.example.com/", names) == ("unreachable", [f"{PUBLIC} 443"])


async def test_a_name_that_nobody_knows_may_be_saved_and_is_not_connected_to() -> None:
    class NoNames(Names):
        async def __call__(self, _: str) -> list[Address]:
            raise OSError("no such name")

    await UrlCheck(GUARD, NoNames([]))("https://hooks.example.com/")
    assert await send("https://hooks.example.com/", NoNames([])) == ("unreachable", [])


async def test_an_allowed_network_is_open_and_its_neighbours_are_not() -> None:
    guard = AddressGuard(allowed_networks=[ipaddress.ip_network("10.0.0.0/29")])
    code, connected = await send("https://hooks.corp.internal/", Names([PRIVATE]), guard)
    assert (code, connected) == ("unreachable", [f"{PRIVATE} 443"])
    assert await send("https://hooks.corp.internal/", Names(["10.0.0.8"]), guard) == ("url_not_allowed", [])
    assert await send("http://hooks.corp.internal/", Names([PRIVATE]), guard) == ("url_not_allowed", [])


async def test_a_trial_may_reach_this_machine_and_not_the_metadata_of_a_cloud() -> None:
    guard = AddressGuard(allow_private=True)
    code, connected = await send("http://localhost:9000/hook", Names(["127.0.0.1"]), guard)
    assert (code, connected) == ("unreachable", ["127.0.0.1 9000"])
    for url in ("http://169.254.169.254/", "http://0.0.0.0/", "http://[::]/", "http://2130706433/"):
        assert await send(url, Names(["127.0.0.1"]), guard) == ("url_not_allowed", [])


async def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")
    assert await send("https://hooks.example.com/", Names([PUBLIC])) == ("unreachable", [f"{PUBLIC} 443"])


async def test_a_name_that_is_slow_does_not_keep_others_waiting() -> None:
    class SlowNames(Names):
        async def __call__(self, host: str) -> list[Address]:
            if host == "slow.example.com":
                await asyncio.Event().wait()
            return await super().__call__(host)

    network = Socket()
    client = WebhookClient(GUARD, resolve=SlowNames([PUBLIC]), connect=network, seconds_max=0.5)
    slow = asyncio.create_task(client.post("https://slow.example.com/", {}, b""))
    with pytest.raises(SendFailed, match="unreachable"):
        await client.post("https://hooks.example.com/", {}, b"")
    with pytest.raises(SendFailed, match="timeout"):
        await slow
    await client.close()
