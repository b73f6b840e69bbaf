"""Imports into a ledger: the same accounts as `process` gives, resumed as often as one likes."""

from __future__ import annotations

import asyncio
import io
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.reading import refused
from tests.api.test_clients import GIVEN_ORDER, accounts_file
from tests.clients.naive_model import naive
from tests.clients.running import run as processed
from tests.clients.test_cases import options_of
from zerosum.adapters.transactions_client import TransactionsClient
from zerosum.cli.import_targets import ServiceTarget
from zerosum.cli.ledger_target import LedgerTarget
from zerosum.domain.errors import ImportDiffers, Unavailable
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.ingest.client_files.inputs import Source
from zerosum.ingest.client_files.rows import Row
from zerosum.ingest.importing import Content, Import, ImportFailed, ImportTally, Item, Result, Target, survey
from zerosum.main import Service
from zerosum.services.requests.caller import Caller


def straight(service: Service, client: Client, *, refuse_negative_total: bool = False) -> LedgerTarget:
    caller = Caller(LedgerId(parse_id(Prefix.LEDGER, client.ledger)), "test")
    return LedgerTarget(service, caller, refuse_negative_total)


def over_http(client: Client) -> ServiceTarget:
    """Every call goes through gateway and framework of the service in this process."""
    over = TransactionsClient("http://zerosum.test", client.api_key)
    over._http = client.http
    return ServiceTarget(over, refuse_negative_total=False)


async def imported(
    target: Target, content: str | bytes, name: str | None = None, lanes: int = 2
) -> tuple[ImportTally, list[tuple[int, str]]]:
    raw = content.encode() if isinstance(content, str) else content
    surveyed = survey(Source("input", lambda: io.BytesIO(raw)))
    return await imported_as(surveyed, target, raw, name, lanes)


async def imported_as(
    surveyed: Content, target: Target, raw: bytes, name: str | None = None, lanes: int = 2
) -> tuple[ImportTally, list[tuple[int, str]]]:
    digest = surveyed.sha256
    told: list[tuple[int, str]] = []

    def tell(_: str, row: Row, reason: str) -> None:
        told.append((row.line, reason))

    await target.begin(name or digest, digest)
    tally = ImportTally()
    source = Source("input", lambda: io.BytesIO(raw), len(raw))
    taking = Import(
        name=name or digest, source=source, content=surveyed, target=target, lanes=lanes, tell=tell,
        advance=lambda _: None,
    )  # fmt: skip
    await taking.run(tally)
    return tally, told


HEADER = "type,client,tx,amount\n"
CLIENTS = 12


def a_file(rows: int, seed: int) -> str:
    """Rows that meet often: few clients, few tx ids, amounts that are often too much."""
    chance = random.Random(seed)
    lines = []
    for _ in range(rows):
        type_ = chance.choices(("deposit", "withdrawal", "dispute", "resolve", "chargeback"), (50, 20, 15, 10, 1))[0]
        amount = f"{chance.randrange(1, 99_999) / 10_000:.4f}" if type_ in ("deposit", "withdrawal") else ""
        lines.append(f"{type_},{chance.randrange(CLIENTS)},{chance.randrange(rows)},{amount}")
    return HEADER + "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", GIVEN_ORDER, ids=lambda case: case.name)
async def test_the_case_comes_out_as_from_process(service: Service, client: Client, case: Path) -> None:
    target = straight(service, client, refuse_negative_total="--refuse-negative-total" in options_of(case))
    told: list[tuple[int, str]] = []
    for path in sorted(case.glob("input*.csv")):
        told += (await imported(target, path.read_bytes(), path.name))[1]
    assert await accounts_file(client) == (case / "expected.csv").read_text()
    rejects = case / "rejects.csv"
    lines = [line.split(",") for line in rejects.read_text().splitlines()[1:]] if rejects.exists() else []
    assert [reason for _, reason in told] == [line[-1] for line in lines]


@pytest.mark.parametrize("way", ["straight", "over HTTP"])
@pytest.mark.parametrize("lanes", [1, 3])
async def test_a_random_file_gives_the_accounts_of_process_and_the_model(
    service: Service, client: Client, way: str, lanes: int
) -> None:
    content = a_file(2500, seed=lanes)
    target = straight(service, client) if way == "straight" else over_http(client)
    tally, told = await imported(target, content, lanes=lanes)
    in_memory = processed([content], "book")
    assert await accounts_file(client) == in_memory.accounts == naive([content]).accounts()
    assert told == in_memory.reasons
    assert (tally.carried_out, tally.refused) == (in_memory.tally.carried_out, in_memory.tally.refused)
    assert (await client.get("/v1/integrity")).json()["is_intact"] is True


@pytest.mark.parametrize("way", ["straight", "over HTTP"])
async def test_where_clearing_is_nearly_full_the_first_row_of_the_file_gets_the_room_that_is_left(
    service: Service, client: Client, way: str
) -> None:
    content = HEADER + "deposit,0,1,99999999999999999999\ndeposit,1,50,0.6\ndeposit,2,51,0.6\ndeposit,4,52,0.6\n"
    _, told = await imported(straight(service, client) if way == "straight" else over_http(client), content)
    in_memory = processed([content], "book")
    assert told == in_memory.reasons == [(4, "balance_overflow"), (5, "balance_overflow")]
    assert await accounts_file(client) == in_memory.accounts


async def test_amounts_go_out_without_zeros_that_mean_nothing() -> None:
    """A client currency with fewer than four places would refuse them."""
    sent: list[str | None] = []

    class Listening:
        async def begin(self, name: str, content_sha256: str) -> None: ...

        async def send(self, _: int, items: Sequence[Item]) -> Sequence[Result]:
            sent.extend(item.amount for item in items)
            return [Result(None, is_replay=False) for _ in items]

    rows = enumerate(("1.5000", "100", "0.0010", "10.05", "20.0"))
    await imported(Listening(), HEADER + "".join(f"deposit,1,{tx},{amount}\n" for tx, amount in rows))
    assert sent == ["1.5", "100", "0.001", "10.05", "20"]


async def test_the_same_file_again_changes_nothing(service: Service, client: Client) -> None:
    content = a_file(600, seed=7)
    first, told = await imported(straight(service, client), content)
    accounts = await accounts_file(client)
    again, told_again = await imported(over_http(client), content)
    assert await accounts_file(client) == accounts
    assert told_again == told
    assert (first.replayed, again.replayed) == (0, again.rows)


class Cut:
    """A target that goes away after so many batches, in the middle: one of them was carried out, nobody was told."""

    def __init__(self, target: Target, batches: int) -> None:
        self._target = target
        self._left = batches

    async def begin(self, name: str, content_sha256: str) -> None:
        await self._target.begin(name, content_sha256)

    async def send(self, lane: int, items: Sequence[Item]) -> Sequence[Result]:
        self._left -= 1
        if self._left < 0:
            raise ConnectionError("cut")
        results = await self._target.send(lane, items)
        if self._left == 0:
            raise ConnectionError("cut")
        return results


@pytest.mark.parametrize("batches", [1, 2, 3])
async def test_an_import_that_was_cut_short_is_gone_on_with(service: Service, client: Client, batches: int) -> None:
    content = a_file(2500, seed=batches)
    with pytest.raises(ConnectionError):
        await imported(Cut(straight(service, client), batches), content)
    tally, _ = await imported(straight(service, client), content)
    assert 0 < tally.replayed < tally.rows
    assert await accounts_file(client) == naive([content]).accounts()


async def test_a_ledger_that_is_away_for_a_moment_is_asked_again(service: Service, client: Client) -> None:
    class Flaky(Cut):
        async def send(self, lane: int, items: Sequence[Item]) -> Sequence[Result]:
            self._left -= 1
            if self._left >= 0:
                raise Unavailable("Not now.", retry_after=1)
            return await self._target.send(lane, items)

    content = a_file(50, seed=1)
    await imported(Flaky(straight(service, client), 2), content)
    assert await accounts_file(client) == naive([content]).accounts()


async def test_a_known_name_with_other_content_is_refused(service: Service, client: Client) -> None:
    target = straight(service, client)
    await imported(target, a_file(5, seed=1), "one")
    for other in (target, over_http(client)):
        with pytest.raises(ImportDiffers):
            await imported(other, a_file(5, seed=2), "one")
    body = {"name": "one", "sha256": "0" * 64}
    refused(await client.post("/v1/imports", body), 409, "import_differs", "/name")


async def test_a_row_under_a_key_of_another_row_stops_the_import(service: Service, client: Client) -> None:
    body = {"type": "deposit", "client": 1, "tx": 1, "amount": "9"}
    assert (await client.post("/v1/transactions", body, key="import:one:2")).status_code == 201
    with pytest.raises(ImportFailed, match="line 2"):
        await imported(straight(service, client), "type,client,tx,amount\ndeposit,1,1,8\n", "one")


SURVEYED = HEADER + "deposit,1,1,1\n"


def surveyed_before() -> Content:
    return survey(Source("input", lambda: io.BytesIO(SURVEYED.encode())))


@pytest.mark.parametrize("now", [HEADER + "deposit,1,1,2\n", SURVEYED[:-2], HEADER])
async def test_a_file_that_changes_while_it_is_imported_stops_the_import(
    service: Service, client: Client, now: str
) -> None:
    with pytest.raises(ImportFailed, match=r"^input changed while it was imported"):
        await imported_as(surveyed_before(), straight(service, client), now.encode())


async def test_what_is_written_behind_a_file_meanwhile_is_not_read(service: Service, client: Client) -> None:
    now = SURVEYED + "deposit,1,2,1\n"
    tally, _ = await imported_as(surveyed_before(), straight(service, client), now.encode())
    assert tally.carried_out == 1


class Odd(Cut):
    """One row gets an answer that is no refusal."""

    def __init__(self, target: Target, line: int, code: str) -> None:
        super().__init__(target, 0)
        self._key_end, self._code = f":{line}", code

    async def send(self, lane: int, items: Sequence[Item]) -> Sequence[Result]:
        taken = [item for item in items if not item.key.endswith(self._key_end)]
        answers = iter(await self._target.send(lane, taken) if taken else [])
        return [next(answers) if item in taken else Result(self._code, is_replay=False) for item in items]


@pytest.mark.parametrize("code", ["account_not_found", "currency_mismatch", "currency_exists", "unavailable", "new"])
async def test_an_answer_that_is_no_refusal_stops_the_import_and_another_run_goes_on(
    service: Service, client: Client, code: str
) -> None:
    content = HEADER + "".join(f"deposit,{tx},{tx},1\n" for tx in range(8))
    with pytest.raises(ImportFailed, match=rf"^input line 6: .*{code}"):
        await imported(Odd(straight(service, client), 6, code), content)
    tally, told = await imported(straight(service, client), content)
    assert (tally.carried_out, tally.replayed, told) == (8, 7, [])


async def test_two_files_at_once_end_as_some_order_in_which_each_kept_its_own(service: Service, client: Client) -> None:
    contents = {"a": a_file(1500, seed=11), "b": a_file(1500, seed=12)}
    await asyncio.gather(*(imported(straight(service, client), text, name) for name, text in contents.items()))
    rows = {name: text.splitlines() for name, text in contents.items()}
    carried_out = []
    for entry in await entries_of_clearing(client):
        _, name, line = (await key_of(service, client, entry)).split(":")
        carried_out.append((name, int(line)))
    one_after_the_other = HEADER + "".join(rows[name][line - 1] + "\n" for name, line in carried_out)
    replayed = processed([one_after_the_other], "book")
    assert replayed.tally.refused == 0
    expected, found = set(replayed.accounts.splitlines()), set((await accounts_file(client)).splitlines())
    assert expected <= found
    # Clients all of whose rows were refused are in the ledger, and in no row that was carried out.
    assert all(account.endswith(",0.0000,0.0000,0.0000,false") for account in found - expected)
    for name, client_number in itertools.product(rows, map(str, range(CLIENTS))):
        of_client = [
            line for each, line in carried_out if each == name and rows[name][line - 1].split(",")[1] == client_number
        ]
        assert of_client == sorted(of_client)


async def entries_of_clearing(client: Client) -> list[str]:
    """Every entry on the clearing account, in the order in which they were posted, once each."""
    found: dict[str, None] = {}
    cursor = None
    while True:
        parameters: dict[str, Any] = {"limit": 200, "order": "asc"} | ({"cursor": cursor} if cursor else {})
        answer = await client.get("/v1/accounts/clearing:internal:XTS/postings", params=parameters)
        page = answer.json()
        for posting in page["data"]:
            found[posting["journal_entry_id"]] = None
        cursor = page["next_cursor"]
        if cursor is None:
            return list(found)


async def key_of(service: Service, client: Client, entry: str) -> str:
    ledger_id = LedgerId(parse_id(Prefix.LEDGER, client.ledger))
    found = await service.services.journal.find(Caller(ledger_id, "test"), parse_id(Prefix.JOURNAL_ENTRY, entry))
    assert found is not None
    assert found.idempotency_key is not None
    return found.idempotency_key
