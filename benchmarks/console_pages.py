"""Who opens which pages of the console: all that a ledger has, each of things drawn from it by chance."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx

from benchmarks.service import Service

PATIENCE_SECONDS = 120.0
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True, slots=True)
class Things:
    """Some of each kind of a ledger, as addresses name them."""

    ledger: str
    accounts: list[str] = field(default_factory=list)
    long_accounts: list[str] = field(default_factory=list)
    payments: list[str] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)

    @classmethod
    async def drawn(cls, connection: asyncpg.Connection[asyncpg.Record], ledger: str, number: int) -> Things:
        own = ledger.removeprefix("led_")
        rows = await connection.fetch(
            "select id, reference, entry.posted_at from payments join journal_entries entry using (ledger_id, id) "
            "where ledger_id = $1 and hashint8(substr(reference, 5)::bigint) % $2 = 0 order by id limit 5000",
            own, max(1, (await connection.fetchval("select count(*) from payments")) // number),
        )  # fmt: skip
        accounts = await connection.fetch(
            "select code, version from accounts where ledger_id = $1 and (version > 5000 or hashtext(code) % 997 = 0)",
            own,
        )
        return cls(
            ledger,
            [row["code"] for row in accounts if row["version"] <= 256],
            [row["code"] for row in accounts if row["version"] > 256],
            [f"pay_{row['id']}" for row in rows],
            [f"je_{row['id']}" for row in rows],
            [row["reference"] for row in rows],
            [row["posted_at"] for row in rows],
        )


Address = Callable[[Things, random.Random], str]


def _at(path: str) -> Address:
    """`{account}` and the like are drawn anew each time."""

    def address(things: Things, chance: random.Random) -> str:
        moment = chance.choice(things.moments).astimezone(UTC)
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        named = {
            "account": chance.choice(things.accounts),
            "long": chance.choice(things.long_accounts),
            "payment": chance.choice(things.payments),
            "entry": chance.choice(things.entries),
            "reference": chance.choice(things.references),
            "moment": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "later": (moment + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "day": day.strftime("%Y-%m-%d"),
            "next_day": (day + timedelta(days=1)).strftime("%Y-%m-%d"),
        }
        return f"/console/{things.ledger}{path.format(**named)}"

    return address


PAGES: dict[str, Address] = {
    "overview": _at(""),
    "overview, live figures": _at("/overview/live"),
    "overview, series": _at("/overview/series"),
    "payments": _at("/payments"),
    "payments, by type": _at("/payments?type=deposit"),
    "payments, of an account": _at("/payments?account={account}"),
    "payments, of a busy account": _at("/payments?account={long}"),
    "payments, by reference": _at("/payments?reference={reference}"),
    "payments, of an hour": _at("/payments?effective_from={moment}&effective_to={later}"),
    "payment": _at("/payments/{payment}"),
    "search, reference": _at("/search?q={reference}"),
    "search, nothing": _at("/search?q=nowhere-{reference}"),
    "accounts": _at("/accounts"),
    "accounts, by prefix": _at("/accounts?code_prefix=customers%3A00001"),
    "accounts, by type and currency": _at("/accounts?type=asset&currency=USD"),
    "accounts, in debt": _at("/accounts?in_debt=true"),
    "account": _at("/accounts/{account}"),
    "account, busy": _at("/accounts/{long}"),
    "account, statements": _at("/accounts/{long}/statements"),
    "account tree": _at("/account-tree"),
    "account tree, small branch": _at("/account-tree?prefix=assets%3A"),
    "account tree, large branch": _at("/account-tree?prefix=customers%3A"),
    "account tree, as of": _at("/account-tree?as_of={moment}"),
    "account tree, as recorded": _at("/account-tree?recorded_as_of={moment}"),
    "trial balance": _at("/trial-balance"),
    "trial balance, as of": _at("/trial-balance?as_of={moment}"),
    "trial balance, as recorded": _at("/trial-balance?recorded_as_of={moment}"),
    "balance sheet": _at("/reports"),
    "balance sheet, as of": _at("/reports?as_of={moment}"),
    "income statement": _at("/reports/income"),
    "income statement, of a day": _at("/reports/income?from={day}&to={next_day}"),
    "cash movements": _at("/reports/cash"),
    "cash movements, of a day": _at("/reports/cash?from={day}&to={next_day}"),
    "journal": _at("/journal"),
    "journal, of an account": _at("/journal?account={long}"),
    "journal, of an hour": _at("/journal?effective_from={moment}&effective_to={later}"),
    "journal entry": _at("/journal/{entry}"),
    "periods": _at("/periods"),
    "events": _at("/events"),
    "events, of a type": _at("/events?type=payment.refunded"),
    "events, of an account": _at("/events?account={account}"),
    **{
        place.replace("-", " "): _at(f"/{place}")
        for place in (
            "clients", "integrity", "messages", "webhooks", "dead-letters", "reviews", "reconciliation",
            "reconciliation/files", "reconciliation/sources", "breaks", "holds", "disputes", "scheduled-payments",
            "processor-calls", "routing", "rules", "house-rules", "api-keys", "audit-log", "currencies", "chart",
            "new-webhook",
        )
    },
}  # fmt: skip


@contextmanager
def signed_in(service: Service, folder: Path) -> Iterator[httpx.Client]:
    """By a link, as an administrator of every ledger."""
    url = service.credentials.base_url
    command = [sys.executable, "-m", "zerosum", "console-link", "--data-dir", str(service.data_dir)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZEROSUM_")}
    said = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True)
    found = re.search(r"\S+/console/sign-in\?\S+", said.stdout)
    if found is None:
        raise RuntimeError(f"no link: {said.stdout}{said.stderr}")
    (link,) = parse_qs(urlsplit(found[0]).query)["link"]
    with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_SECONDS) as http:
        answer = http.post("/console/sign-in/link", data={"link": link}, headers=OWN_PAGE)
        if answer.status_code != 303:
            raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")
        yield http
