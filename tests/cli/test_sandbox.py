"""`zerosum sandbox` and `zerosum processors list` as they are run."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.cli.command import assert_one_clear_line, zerosum
from zerosum.adapters.clock import now
from zerosum.adapters.processors.signing import SIGNATURE_HEADER, sign


def test_the_sandbox_serves_until_it_is_stopped_and_treats_a_key_alike(tmp_path: Path) -> None:
    secret_file = tmp_path / "sandbox.secret"
    command = [sys.executable, "-m", "zerosum", "sandbox", "--port", "0", "--secret-file", str(secret_file)]
    process = subprocess.Popen([*command, "--by-amount"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        assert found is not None
        assert secret_file.stat().st_mode & 0o777 == 0o600
        secret = secret_file.read_text().strip().encode()
        statuses = []
        for key, amount in (("a", "10.00"), ("a", "10.00"), ("b", "10.01"), ("c", "10.02")):
            order = {"key": key, "payment_id": key, "type": "withdrawal", "amount": amount, "currency": "USD"}
            body = json.dumps(order).encode()
            headers = {"idempotency-key": key, SIGNATURE_HEADER: sign(secret, body, now())}
            answer = httpx.post(f"{found[0]}/payments", content=body, headers=headers, trust_env=False).json()
            statuses.append((answer["status"], answer.get("approved")))
        assert statuses == [("approved", "10.00"), ("approved", "10.00"), ("declined", None), ("approved", "5.01")]
        unsigned = httpx.post(f"{found[0]}/payments", content=b"{}", trust_env=False)
        assert unsigned.status_code == 401
        settlement = httpx.get(f"{found[0]}/settlement.csv", trust_env=False).text.splitlines()
        assert [line.split(",")[1:5] for line in settlement[1:]] == [
            ["a", "a", "withdrawal", "10.00"],
            ["c", "c", "withdrawal", "5.01"],
        ]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        if process.stderr is not None:
            process.stderr.close()


def test_shares_that_come_to_more_than_all_are_refused(tmp_path: Path) -> None:
    shares = ("--declined", "0.6", "--lost", "0.6")
    said = zerosum("sandbox", "--port", "0", "--secret-file", str(tmp_path / "s"), *shares)
    assert_one_clear_line(said, "shares")


def test_processors_are_listed_without_their_secrets(tmp_path: Path) -> None:
    file = tmp_path / "processors.toml"
    secret = "nobody may read this"
    file.write_text(
        f'[processors.acme]\nkind = "http"\nbase_url = "https://acme.example"\nsecret = "{secret}"\nat_once = 3\n'
    )
    environment = {"ZEROSUM_PROCESSORS_FILE": str(file)}
    said = zerosum("processors", "list", environment=environment)
    assert said.code == 0, said
    assert said.out.startswith("acme: kind http, timeout_seconds 10.0, at_once 3")
    [told] = json.loads(zerosum("processors", "list", "--json", environment=environment).out)
    assert (told["name"], told["at_once"], told["attempts_max"]) == ("acme", 3, 12)
    assert secret not in said.out + said.err


def test_a_file_that_is_wrong_ends_every_command_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "processors.toml"
    file.write_text('[processors.acme]\nkind = "htpp"\n')
    environment = {"ZEROSUM_PROCESSORS_FILE": str(file)}
    said = zerosum("processors", "list", environment=environment)
    assert_one_clear_line(said, "ZEROSUM_PROCESSORS_FILE", "processors.acme.kind is one of http, iso20022, sandbox")


def test_a_route_is_explained_before_anybody_pays_by_it(tmp_path: Path) -> None:
    file = tmp_path / "processors.toml"
    processor = 'kind = "http"\nbase_url = "https://acme.example"\nsecret = "nobody may read this"\n'
    routes = '[[routes]]\nname = "in yen"\ncurrencies = ["JPY"]\nprocessors = ["acme"]\n'
    routes += '[[routes]]\nname = "gold"\nmetadata = { tier = "gold" }\nprocessors = ["acme"]\n'
    file.write_text(f"[processors.acme]\n{processor}{routes}")
    environment = {"ZEROSUM_PROCESSORS_FILE": str(file)}
    asked = ("route", "--amount", "20", "--currency", "EUR", "--account", "customers:alice")
    said = zerosum(*asked, "--explain", "--metadata", "tier=gold", environment=environment)
    told = ["in yen: it is not for EUR", "gold: fits, acme"]
    assert (said.code, said.out.splitlines()[:2]) == (0, told)
    assert said.out.splitlines()[2].startswith("acme by gold, of the file's version ")
    said = zerosum(*asked, environment=environment)
    assert (said.code, said.out) == (1, "")
    assert said.err == "no route leads to a processor for this payment\n"
    assert_one_clear_line(zerosum(*asked[:2], "x", *asked[3:], environment=environment), "--amount")
