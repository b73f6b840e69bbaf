"""What a run consists of: its options, what it stands on, and its cases in the order in which they take turns."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
import uvloop

from benchmarks.bare import APPS, BareServer, running_bare_server
from benchmarks.ceiling import CeilingCase
from benchmarks.ceiling_rows import Rows, make_rows
from benchmarks.committer_cases import CommitterCase
from benchmarks.databases import make_template
from benchmarks.ground import Ground
from benchmarks.http_cases import BULK_ITEMS, SEED, Acknowledgements, HttpGround
from benchmarks.pgbench import PgbenchCase
from benchmarks.readings import Case, Results
from benchmarks.service import Service
from benchmarks.verb_cases import verb_cases
from zerosum.cli.load import Plan
from zerosum.cli.load.ledger import BenchLedger
from zerosum.cli.load.payments import Target, hot_pairs, uniform_pairs

PARTS = ("single", "verbs", "bare", "bulk", "committer", "ceiling", "pgbench", "memory", "profile")
BELOW_HTTP = frozenset({"committer", "ceiling"})
CONNECTIONS = (1, 16, 64, 256)
HALF_LOAD_CONNECTIONS = 64
VERBS_CONNECTIONS = 64
ATTEMPTS_MAX = 4
WARM_UP_SHARE = 0.25
ADMIN_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    parts: tuple[str, ...]
    seconds: float
    repeats: int
    accounts: int
    payments: int
    """For the memory of the API processes."""
    ceiling_payments: int
    """In each of two streams."""
    profile_seconds: float
    attempts: int
    """At each reading, as long as others disturb it."""
    output: Path

    @classmethod
    def of(
        cls,
        *,
        is_quick: bool,
        parts: tuple[str, ...],
        seconds: float | None,
        repeats: int | None,
        is_million: bool,
        is_patient: bool,
        output: Path,
    ) -> Self:
        return cls(
            parts=parts,
            seconds=seconds or (1.0 if is_quick else 4.0),
            repeats=repeats or (1 if is_quick else 3),
            accounts=1000 if is_quick else 10_000,
            payments=1_000_000 if is_million else 10_000 if is_quick else 100_000,
            ceiling_payments=4000 if is_quick else 20_000,
            profile_seconds=3.0 if is_quick else 15.0,
            attempts=ATTEMPTS_MAX if is_patient else 1,
            output=output,
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """What the cases stand on. What was not asked for is not made."""

    ground: HttpGround
    folder: Path
    bare: tuple[BareServer, ...] = ()
    commands: Ground | None = None
    rows: Rows | None = None


def set_up(service: Service, folder: Path, options: Options, stack: ExitStack) -> Setting:
    """The bare servers run until the stack is left."""
    ground = open_accounts(service, options.accounts, options.seconds)
    commands = rows = None
    if BELOW_HTTP & set(options.parts):
        make_template(service)  # Before the first payment: every reading below HTTP begins there.
        commands = Ground.of(service)
    if "ceiling" in options.parts and commands is not None:
        rows = make_rows(service, commands, options.ceiling_payments)
    bare = tuple(stack.enter_context(running_bare_server(name)) for name in APPS) if "bare" in options.parts else ()
    ground.preheat(ground.plan.port)
    return Setting(ground, folder, bare, commands, rows)


def make_cases(setting: Setting, options: Options, results: Results) -> list[Case]:
    """Those that are compared with each other follow each other."""
    cases: list[Case] = []
    for connections in CONNECTIONS:
        if "single" in options.parts:
            cases.append(setting.ground.single(f"uniform @{connections}", connections, setting.ground.uniform))
        cases += [setting.ground.bare(server, connections) for server in setting.bare]
        if "single" in options.parts:
            cases.append(setting.ground.single(f"hot @{connections}", connections, setting.ground.hot))
        if "verbs" in options.parts and connections == VERBS_CONNECTIONS:
            cases += verb_cases(setting.ground, connections)
    if "single" in options.parts:
        cases.append(_at_half_load(setting.ground, results))
    if "pgbench" in options.parts:
        cases += _pgbench_cases(setting, options)
    if "bulk" in options.parts:
        cases += [setting.ground.bulk(callers) for callers in (2, 4)]
    if setting.rows is not None:
        cases += [
            CeilingCase(size=size, connections=connections, service=setting.ground.service, rows=setting.rows)
            for size, connections in ((1000, 1), (1000, 2), (64, 1), (64, 2))
        ]
    if "committer" in options.parts and setting.commands is not None:
        cases += _committer_cases(setting.ground.service, setting.commands, options)
    return cases


def _at_half_load(ground: HttpGround, results: Results) -> Case:
    full = f"uniform @{HALF_LOAD_CONNECTIONS}"
    return ground.single(
        f"{full} at half load",
        HALF_LOAD_CONNECTIONS,
        ground.uniform,
        rate=lambda: results.of("single", full)[-1].items_per_second / 2,
    )


def _pgbench_cases(setting: Setting, options: Options) -> list[Case]:
    return [
        PgbenchCase(
            form=form,
            clients=clients,
            service=setting.ground.service,
            folder=setting.folder,
            accounts=options.accounts,
            seconds=options.seconds,
        )
        for clients in (1, 16)
        for form in ("statements", "one function")
    ]


def _committer_cases(service: Service, commands: Ground, options: Options) -> list[Case]:
    def case(name: str, callers: int, items: int = 1, *, has_cache: bool = True) -> CommitterCase:
        return CommitterCase(
            name=name,
            service=service,
            ground=commands,
            callers=callers,
            items=items,
            seconds=options.seconds,
            has_cache=has_cache,
        )

    return [
        case("64 callers", 64),
        case("256 callers", 256),
        case("1000 callers", 1000),
        case("1000 callers, no cache", 1000, has_cache=False),
        case("commands of 1000", 4, BULK_ITEMS),
    ]


def open_accounts(service: Service, accounts: int, seconds: float) -> HttpGround:
    """A ledger with accounts that pay each other. `seconds` are those of each reading."""
    credentials = service.credentials
    parts = urlsplit(credentials.base_url)
    plan = Plan(
        host=parts.hostname or "",
        port=parts.port or 0,
        seconds=seconds,
        warm_up_seconds=seconds * WARM_UP_SHARE,
        seed=SEED,
    )
    target = Target(host=parts.netloc, token=credentials.api_key, key_prefix=secrets.token_hex(5))
    codes = uvloop.run(_open(plan, target, credentials.base_url, accounts))
    return HttpGround(
        service=service,
        plan=plan,
        target=target,
        uniform=uniform_pairs(codes, SEED),
        hot=hot_pairs(codes, SEED),
        acknowledgements=Acknowledgements(),
    )


async def _open(plan: Plan, target: Target, url: str, accounts: int) -> list[str]:
    async with httpx.AsyncClient(base_url=url, timeout=ADMIN_SECONDS_MAX, trust_env=False) as client:
        ledger = BenchLedger(plan, target, client, accounts)
        await ledger.open()
        return ledger.codes
