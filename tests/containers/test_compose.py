"""`docker compose up`, a first payment, and what becomes of it when containers go and come."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from tests.containers.images import TOP
from tests.containers.stack import OURS, PROJECT, Stack

pytestmark = pytest.mark.containers

SECRETS = {
    "postgres": {"POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "POSTGRES_SERVICE_PASSWORD"},
    "valkey": {"VALKEY_PASSWORD"},
    "api": {
        *("PGPASSWORD", "ZEROSUM_REDIS_URL"),
        *("ZEROSUM_API_KEY_PEPPER", "ZEROSUM_CURSOR_SECRET", "ZEROSUM_MASTER_KEYS", "ZEROSUM_METRICS_TOKEN"),
    },
    "worker": {"PGPASSWORD", "ZEROSUM_MASTER_KEYS", "ZEROSUM_REDIS_URL"},
    "prometheus": {"ZEROSUM_METRICS_TOKEN"},
    "alertmanager": set(),
}
ALL_SECRETS = set[str]().union(*SECRETS.values())


PAGE = (TOP / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def paid(stack: Stack) -> Stack:
    """With a first payment in it, as the page shows it: 100 US dollars for Alice."""
    section = PAGE.partition("A first payment with them:\n\n```sh\n")[2].partition("```")[0]
    answers = stack.paste(section)
    assert '"type":"deposit","status":"succeeded","amount":"100.00"' in answers, answers
    assert (stack.folder / "credentials.json").stat().st_mode & 0o777 == 0o600
    return stack


def test_the_credentials_are_for_their_owner_only(stack: Stack) -> None:
    listed = stack.compose(
        *("run", "--rm", "--no-deps", "--entrypoint", "stat"),
        *("first-ledger", "--format=%a %u", "/var/lib/zerosum/credentials.json"),
    )
    assert listed.stdout.split() == ["600", "10001"]
    assert stack.credentials["base_url"] == stack.url


def test_the_first_payment_is_made_with_the_credentials_that_were_made(paid: Stack) -> None:
    assert paid.balance_of("customers:alice") == "100.00"


@pytest.mark.parametrize("service", SECRETS)
def test_a_service_knows_its_own_secrets_only(stack: Stack, service: str) -> None:
    given = {line.partition("=")[0] for line in stack.inspect(service)["Config"]["Env"]}
    assert given & ALL_SECRETS == SECRETS[service]


@pytest.mark.parametrize(
    ("service", "user"), [("api", 10001), ("worker", 10001), ("prometheus", 65534), ("alertmanager", 65534)]
)
def test_a_service_may_do_next_to_nothing(stack: Stack, service: str, user: int) -> None:
    status = stack.engine.run("exec", stack.container(service), "cat", "/proc/1/status").stdout
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(facts["CapEff"], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    assert facts["Uid"].split() == [str(user)] * 4
    written = stack.engine.run("exec", stack.container(service), "touch", "/usr/x", check=False)
    assert "Read-only" in written.stderr


def test_only_the_api_is_published_and_only_to_this_machine(stack: Stack) -> None:
    ports = {service: stack.inspect(service)["NetworkSettings"]["Ports"] or {} for service in SECRETS}
    published = {
        (service, bound["HostIp"]) for service, all_ in ports.items() for at in all_.values() for bound in at or ()
    }
    assert published == {("api", "127.0.0.1")}


def test_the_metrics_tell_of_the_api_and_the_worker(stack: Stack) -> None:
    token = re.search(r"^ZEROSUM_METRICS_TOKEN=(.+)$", (stack.folder / "compose.env").read_text(), re.MULTILINE)
    assert token is not None
    headers = {"Authorization": f"Bearer {token[1]}"}
    told = httpx.get(f"{stack.url}/metrics", headers=headers, trust_env=False).text
    assert {'zerosum_processes{process="api"}', 'zerosum_processes{process="worker"}'} <= set(re.split("[ \n]", told))


def test_a_restart_of_the_api_loses_nothing(paid: Stack) -> None:
    container = paid.container("api")
    paid.compose("stop", "api")
    state = json.loads(paid.engine.run("inspect", container).stdout)[0]["State"]
    assert state["ExitCode"] == 0, "it has not ended by itself within its time"
    paid.compose("start", "api")
    paid.wait_until_ready()
    assert paid.balance_of("customers:alice") == "100.00"


def test_a_wrong_password_is_told_and_nothing_starts_on_it(stack: Stack) -> None:
    wrong = ("env", "POSTGRES_OWNER_PASSWORD=wrong", *stack.engine.compose, "--project-name", PROJECT)
    said = stack.engine.call((*wrong, "up", "--detach", *OURS), cwd=stack.folder, check=False)
    assert said.returncode != 0
    assert "migrate" in said.stdout + said.stderr
    told = stack.compose("logs", "migrate")
    assert 'password authentication failed for user "zerosum_owner"' in told.stdout + told.stderr


def test_after_down_and_up_again_the_balance_is_there(paid: Stack) -> None:
    paid.down()
    paid.up()
    known = paid.credentials
    paid.read_credentials()
    assert paid.credentials == known
    assert paid.balance_of("customers:alice") == "100.00"
