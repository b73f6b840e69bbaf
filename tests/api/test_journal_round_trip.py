"""What a ledger exports, imported into an empty one: the same accounts, balances and entries."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.test_journal_export import a_journal, export
from zerosum.api.journal_texts.beancount import BeancountText
from zerosum.api.journal_texts.hledger import HledgerText
from zerosum.api.journal_texts.said import JournalText
from zerosum.cli.journal_targets import LedgerJournal
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.journal import RecordedEntry, RecordedPosting
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.domain.ledger.account import Account, AccountState, AccountStatus, AccountType, Layer, Side
from zerosum.domain.ledger.subjects import COMMITMENT_MEMBER
from zerosum.domain.money import CurrencyTable
from zerosum.ingest.journal_files.choices import JournalFormat
from zerosum.ingest.journal_files.codes import Commodities
from zerosum.ingest.journal_files.file import EXPORTED, read_journal
from zerosum.ingest.journal_files.planning import Plan, PlanOptions, plan
from zerosum.ingest.journal_files.sending import JournalImport, JournalTally
from zerosum.main import Service
from zerosum.services.journal_export import ExportedPage
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.requests.caller import Caller

FORMATS = [JournalFormat.HLEDGER, JournalFormat.BEANCOUNT]
USD = CurrencyTable()["USD"]


def planned(text: str, program: JournalFormat) -> Plan:
    journal = read_journal(text.encode(), program, Commodities({}), None)
    return plan(journal, PlanOptions(zone=UTC, exported=EXPORTED[program], is_real_only=True))


async def brought(text: str, program: JournalFormat, service: Service, client: Client) -> JournalTally:
    tally = JournalTally()
    target = LedgerJournal(service, Caller(LedgerId(parse_id(Prefix.LEDGER, client.ledger)), "test"))
    importing = JournalImport(plan=planned(text, program), target=target, advance=lambda _: None)
    await importing.run(tally, is_dry=False)
    return tally


@pytest.fixture
async def empty(service: Service) -> Client:
    return await empty_ledger(service)


async def empty_ledger(service: Service) -> Client:
    made = (await service.services.ledgers.create("empty", Caller(LedgerId(new_uuid()), "test"))).id
    return await make_client(service, LedgerId(made))


ORIGINS = ("imported_id", "imported_reverses")


async def all_entries(client: Client, origins: Sequence[str] = ORIGINS) -> list[dict[str, Any]]:
    """Oldest first, without what is of their own ledger; those that post nothing real are left out."""
    found: list[dict[str, Any]] = []
    parameters: dict[str, Any] = {"limit": 100, "order": "asc"}
    while True:
        page = (await client.get("/v1/journal-entries", params=parameters)).json()
        for entry in page["data"]:
            lines = [
                (line["account_code"], line["side"], line["amount"], line["currency"])
                for line in entry["postings"]
                if line["layer"] == "posted"
            ]
            told = {name: value for name, value in entry["metadata"].items() if name not in origins}
            if lines:
                found.append({"reason": entry["reason"], "at": entry["effective_at"], "metadata": told, "lines": lines})
        if page["next_cursor"] is None:
            return found
        parameters["cursor"] = page["next_cursor"]


async def trial_balance(client: Client) -> list[tuple[Any, ...]]:
    answer = (await client.get("/v1/trial-balance")).json()
    return [
        (line["code"], line["type"], line["currency"], line["debits"], line["credits"]) for line in answer["accounts"]
    ]


@pytest.mark.parametrize("program", FORMATS)
async def test_a_ledger_goes_into_another_with_all_that_was_posted(
    client: Client, empty: Client, service: Service, program: JournalFormat
) -> None:
    await a_journal(client)
    await client.deposit("customers:ann", "12.34")
    entry = (await client.get("/v1/journal-entries", params={"limit": 1})).json()["data"][0]
    lines = [
        {"account": code, "side": side, "amount": "2.5", "currency": "USD"}
        for code, side in (("bank:main", "debit"), ("customers:ann", "credit"))
    ]
    body = {"reason": "dated", "postings": lines, "effective_at": "2020-02-29T23:59:59.999999Z"}
    entry = (await client.post("/v1/journal-entries", body, key=fresh_key())).json()
    reversal = await client.post(f"/v1/journal-entries/{entry['id']}/reverse", {"reason": "wrong"}, key=fresh_key())
    assert reversal.status_code == 201, reversal.text
    text = await export(client, program.value)
    first = await brought(text, program, service, empty)
    wanted = await all_entries(client)
    assert first.posted == len(wanted) == 8
    assert await all_entries(empty) == wanted
    moved = [line for line in await trial_balance(client) if line[3:] != ("0.00", "0.00")]
    assert await trial_balance(empty) == moved
    assert first.currencies == ["P2P"]
    again = await brought(text, program, service, empty)
    assert (again.posted, again.replayed, again.accounts) == (0, len(wanted), [])
    third = await empty_ledger(service)
    await brought(await export(empty, program.value), program, service, third)
    assert await all_entries(third, origins=()) == await all_entries(empty, origins=())


@pytest.mark.parametrize("program", FORMATS)
async def test_what_was_said_about_a_person_is_known_by_where_it_comes_from(
    client: Client, empty: Client, service: Service, program: JournalFormat
) -> None:
    """The sealed text stays behind, so the entry may not look as if this ledger had it."""
    await client.open_account("alice")
    personal = {"subject": "person-1", "members": {"name": "Ada"}}
    body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": "alice", "personal": personal}
    told = (await client.pay(body)).json()["metadata"]
    first = await brought(await export(client, program.value), program, service, empty)
    assert first.posted == 1
    [entry] = (await empty.get("/v1/journal-entries")).json()["data"]
    entry["metadata"].pop("imported_id")
    assert entry["metadata"] == {
        "imported_subject": "person-1",
        "imported_commitment": told[COMMITMENT_MEMBER],
    }
    ledger_id = parse_id(Prefix.LEDGER, empty.ledger)
    report = await verify_ledger(service.database, ledger_id, lambda _done, _total: None)
    assert [one.what for one in report.breaks] == []


@pytest.mark.parametrize("program", FORMATS)
@pytest.mark.parametrize("seed", range(3))
async def test_random_books_go_through(
    client: Client, empty: Client, service: Service, program: JournalFormat, seed: int
) -> None:
    chance = random.Random(seed)
    codes: dict[str, list[str]] = {"USD": [], "JPY": [], "KWD": []}
    letters = string.ascii_letters + string.digits + "_.:@/-"
    for number in range(18):
        currency = chance.choice(list(codes))
        code = f"c{number}" + "".join(chance.choice(letters) for _ in range(chance.randrange(20)))
        type_ = chance.choice([type_.value for type_ in AccountType])
        await client.open_account(code, type=type_, currency=currency, min_available=None)
        codes[currency].append(code)
    items = [random_entry(chance, codes) for _ in range(60)]
    answer = await client.post("/v1/journal-entries/bulk", {"items": items})
    assert {result["status"] for result in answer.json()["results"]} == {201}, answer.text
    await brought(await export(client, program.value), program, service, empty)
    assert await all_entries(empty) == await all_entries(client)
    assert await trial_balance(empty) == [line for line in await trial_balance(client) if set(line[3:]) - ZEROS]


ZEROS = {"0", "0.00", "0.000"}


def random_entry(chance: random.Random, codes: Mapping[str, list[str]]) -> dict[str, Any]:
    places = {"USD": 2, "JPY": 0, "KWD": 3}
    postings = []
    for currency in chance.sample([one for one in codes if len(codes[one]) > 1], chance.randrange(1, 3)):
        rest = units = chance.randrange(1, 10**9)
        debited, *credited = chance.sample(codes[currency], min(len(codes[currency]), chance.randrange(2, 5)))
        parts = []
        for code in credited[:-1]:
            part = chance.randrange(1, max(2, rest // 2))
            parts.append(("credit", code, part))
            rest -= part
        for side, code, part in [("debit", debited, units), *parts, ("credit", credited[-1], rest)]:
            if part:
                amount = f"{part // 10 ** places[currency]}"
                amount += f".{part % 10 ** places[currency]:0{places[currency]}}" if places[currency] else ""
                postings.append({"account": code, "side": side, "amount": amount, "currency": currency})
    chance.shuffle(postings)
    signs = string.printable.replace("\x0b", "").replace("\x0c", "") + "äß€\u2028\u3000😀"

    def text(length: int) -> str:
        return "".join(chance.choice(signs) for _ in range(length))

    second = chance.randrange(0, 1_700_000_000)
    effective_at = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "idempotency_key": fresh_key(),
        "reason": text(chance.randrange(1, 40)),
        "postings": postings,
        "metadata": {text(chance.randrange(1, 20)): text(chance.randrange(0, 40)) for _ in range(chance.randrange(5))},
        **({"effective_at": effective_at} if chance.random() < 0.7 else {}),
    }


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


@given(reason=TEXTS, metadata=st.dictionaries(TEXTS.map(lambda text: text[:64]), TEXTS | st.just(""), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("program", FORMATS)
async def test_every_text_comes_through(program: JournalFormat, reason: str, metadata: dict[str, str]) -> None:
    """Without a database: what is written of one entry, and what is read of that."""
    entry, accounts = an_entry(reason, metadata)
    text: JournalText = (HledgerText if program is JournalFormat.HLEDGER else BeancountText)(UTC)
    written = text.head(None) + await text.page(ExportedPage(entries=[entry], accounts=accounts)) + text.end(1)
    (read,) = planned(written, program).entries
    assert read.reason == reason
    assert {name: value for name, value in read.metadata.items() if name != "imported_id"} == metadata
    assert read.effective_at == entry.effective_at
    assert [(line.amount, line.currency) for line in read.lines] == [(Decimal(10), "USD"), (Decimal(-10), "USD")]


def an_entry(reason: str, metadata: dict[str, str]) -> tuple[RecordedEntry, list[Account]]:
    at = datetime(2024, 2, 29, 23, 59, 59, 123456, UTC)
    accounts = [_account(code, type_) for code, type_ in (("a:b", AccountType.ASSET), ("c", AccountType.EQUITY))]
    lines = tuple(
        RecordedPosting(
            entry_id=new_uuid(),
            account_id=account.state.id,
            account_code=account.code,
            account_version=1,
            side=side,
            layer=Layer.POSTED,
            releases=False,
            currency="USD",
            amount=USD.scaled(Decimal(10)),
            balance_after=USD.scaled(Decimal(10)),
            held_after=USD.scaled(Decimal(0)),
            effective_at=at,
            posted_at=at,
            hash=bytes(32),
        )
        for account, side in zip(accounts, (Side.DEBIT, Side.CREDIT), strict=True)
    )
    entry = RecordedEntry(
        id=new_uuid(),
        reason=reason,
        effective_at=at,
        posted_at=at,
        actor="key",
        idempotency_key='key;"',
        fingerprint=bytes(32),
        resource_type=ResourceType.JOURNAL_ENTRY,
        resource_id=None,
        reverses=None,
        reversed_by=None,
        metadata=metadata,
        postings=lines,
    )
    return entry, accounts


def _account(code: str, type_: AccountType) -> Account:
    state = AccountState(
        ledger_id=LedgerId(new_uuid()),
        id=new_uuid(),  # type: ignore[arg-type]
        currency="USD",
        normal_side=type_.normal_side,
        status=AccountStatus.OPEN,
        min_available=None,
        max_available=None,
        posted_debits=USD.scaled(Decimal(0)),
        posted_credits=USD.scaled(Decimal(0)),
        held=USD.scaled(Decimal(0)),
        version=0,
        head=bytes(32),
    )
    return Account(
        code=code, name=None, type=type_, metadata={}, created_at=datetime(2024, 1, 1, tzinfo=UTC), state=state
    )
