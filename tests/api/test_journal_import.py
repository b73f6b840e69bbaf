"""What an import of a journal does to a ledger, and what stands in its way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.api.conftest import Client, make_client
from zerosum.cli.journal_targets import LedgerJournal
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.ingest.journal_files import sending
from zerosum.ingest.journal_files.choices import JournalFormat
from zerosum.ingest.journal_files.codes import Commodities
from zerosum.ingest.journal_files.file import EXPORTED, read_journal
from zerosum.ingest.journal_files.planning import PlanOptions, plan
from zerosum.ingest.journal_files.read import JournalRefused
from zerosum.ingest.journal_files.sending import JournalImport, JournalTally
from zerosum.main import Service
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.time_zones import parse_time_zone

ONE = "2024-01-01 one\n  assets:bank  1.00 USD\n  equity:opening\n"


async def brought(text: str, service: Service, client: Client, advance: Any = None, **chosen: Any) -> JournalTally:
    """As the command does it. `chosen` are options of the plan."""
    target = LedgerJournal(service, Caller(LedgerId(parse_id(Prefix.LEDGER, client.ledger)), "test"))
    journal = read_journal(text.encode(), JournalFormat.HLEDGER, Commodities({}), None)
    options = PlanOptions(zone=parse_time_zone(await target.time_zone()), exported=EXPORTED[JournalFormat.HLEDGER])
    made, tally = plan(journal, replace(options, **chosen)), JournalTally()
    await JournalImport(plan=made, target=target, advance=advance or (lambda _: None)).run(tally, is_dry=False)
    return tally


async def refused_lines(text: str, service: Service, client: Client, **chosen: Any) -> list[str]:
    with pytest.raises(JournalRefused) as refused:
        await brought(text, service, client, **chosen)
    return [str(fault) for fault in refused.value.faults]


async def posted(client: Client) -> list[str]:
    entries = (await client.get("/v1/journal-entries", params={"limit": 100, "order": "asc"})).json()["data"]
    return [entry["reason"] for entry in entries]


class CutShort(Exception):
    pass


async def test_cut_short_and_run_again_it_goes_on(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "ENTRIES_AT_ONCE", 3)
    text = "\n".join(ONE.replace("one", f"number {number % 4}") for number in range(10))

    def stop(_: int) -> None:
        raise CutShort

    with pytest.raises(CutShort):
        await brought(text, service, client, stop)
    assert len(await posted(client)) == 3
    tally = await brought(text, service, client)
    assert (tally.posted, tally.replayed) == (7, 3)
    assert await posted(client) == [f"number {number % 4}" for number in range(10)]
    grown = await brought(text + "\n" + ONE, service, client)
    assert (grown.posted, grown.replayed) == (1, 10)


async def test_what_was_imported_stays_as_it_was(client: Client, service: Service) -> None:
    await brought(ONE, service, client)
    assert await refused_lines(ONE.replace("one", "* one"), service, client) == [
        "line 1: it was imported before, and the file says something else of it now; what was posted stays"
    ]
    named = await brought(ONE, service, client, name="another")
    assert (named.posted, len(await posted(client))) == (1, 2)


async def test_nothing_is_written_of_what_does_not_fit_the_ledger(client: Client, service: Service) -> None:
    await client.open_account("assets:bank", type="liability")
    second = "\n2024-01-02 two\n  equity:x  0.001 USD\n  equity:y\n"
    assert await refused_lines(ONE, service, client) == [
        "line 2: the ledger's account assets:bank is of type liability in USD, and this is asset"
    ]
    assert await refused_lines(second, service, client) == ["line 3: USD has 2 decimal places."]
    assert await refused_lines(ONE.replace("USD", "HOURS"), service, client) == [
        "line 2: the ledger knows no currency HOURS: define it, or declare its places by a commodity line"
    ]
    reserved = ONE.replace("assets:bank", "clients:5").replace("equity:opening", "holds:1")
    types = "account clients:5  ; type:L\naccount holds:1  ; type:L\n"
    told = await refused_lines(types + reserved, service, client)
    assert told[0].startswith("line 4: clients:5 is the code of an account that the service opens")
    renamed = await brought(types + reserved, service, client, renamed=[("clients:", "old:"), ("holds:", "old:")])
    assert renamed.accounts == ["old:5", "old:1"]
    assert await posted(client) == ["one"]


async def test_what_the_ledger_refuses_is_told_with_its_line(client: Client, service: Service) -> None:
    await client.open_account("assets:poor", type="asset", min_available="0")
    text = f"{ONE}\n2024-01-02 two\n  equity:opening  1 USD\n  assets:poor\n\n{ONE.replace('2024', '1969')}"
    told = await refused_lines(text, service, client)
    assert [line.partition(" refuses it ")[2].partition(":")[0] for line in told] == [
        "(insufficient_funds)",
        "(validation_error)",
    ]
    assert [line.partition(":")[0] for line in told] == ["line 5", "line 9"]
    assert await posted(client) == ["one"]


async def test_currencies_are_accounts_of_their_own_also_over_several_files(client: Client, service: Service) -> None:
    euros = ONE.replace("USD", "EUR")
    first = await brought(ONE, service, client)
    second = await brought(euros, service, client)
    both = await brought(f"{ONE.replace('one', 'two')}\n{euros.replace('one', 'two')}", service, client)
    assert first.accounts == ["assets:bank", "equity:opening"]
    assert second.accounts == ["assets:bank:EUR", "equity:opening:EUR"]
    assert both.accounts == []
    assert (await client.balance("assets:bank:EUR"))["posted"] == "2.00"


async def test_a_currency_is_defined_where_the_file_declares_it(client: Client, service: Service) -> None:
    tally = await brought(f"commodity 1000.000 HOURS\n{ONE.replace('USD', 'HOURS')}", service, client)
    assert tally.currencies == ["HOURS"]
    assert (await client.balance("assets:bank"))["posted"] == "1.000"


async def test_a_day_begins_in_the_time_zone_of_the_ledger(client: Client, service: Service) -> None:
    changed = await client.http.patch(f"/v1/ledgers/{client.ledger}", json={"time_zone": "Europe/Berlin"})
    assert changed.status_code == 200, changed.text
    await brought(ONE, service, client)
    entry = (await client.get("/v1/journal-entries")).json()["data"][0]
    assert entry["effective_at"] == "2023-12-31T23:00:00.000000Z"
    for program, day in (("hledger", "2024-01-01 ("), ("beancount", "2024-01-01 *")):
        text = (await client.get("/v1/journal-export", params={"format": program})).text
        assert f"\n{day}" in text


async def test_a_name_that_is_no_code_is_kept_as_the_name(client: Client, service: Service) -> None:
    await brought(ONE.replace("assets:bank", "assets:Büro Kasse"), service, client)
    account = (await client.get("/v1/accounts/assets:B-c3-bcro_Kasse")).json()
    assert (account["name"], account["min_available"]) == ("assets:Büro Kasse", None)


async def test_the_books_are_right_afterwards(client: Client, service: Service) -> None:
    await brought("\n".join(ONE for _ in range(20)), service, client)
    whole = (await client.get("/v1/integrity")).json()
    assert whole["is_intact"] is True, whole
    other = await make_client(service, LedgerId(parse_id(Prefix.LEDGER, client.ledger)))
    assert (await other.balance("assets:bank"))["posted"] == "20.00"


async def test_card_numbers_are_refused_where_the_installation_wants_them_so(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ONE.replace("one", "paid by 4111 1111 1111 1111")
    assert (await brought(ONE, service, client)).posted == 1
    monkeypatch.setattr(service, "settings", service.settings.model_copy(update={"refuse_card_numbers": True}))
    (told,) = await refused_lines(text, service, client)
    assert "pan_not_allowed" in told
