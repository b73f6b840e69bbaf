"""`zerosum bench`: measures a running service from outside, as its clients see it."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import uvloop

from zerosum.cli.bench_ledger import bench_place
from zerosum.cli.load import LoadFailed, Plan, run_load
from zerosum.cli.load.ledger import BenchLedger
from zerosum.cli.load.payments import Target, bulk_payments, count_bulk, hot_pairs, single_payments, uniform_pairs
from zerosum.cli.load.plan import one_if_successful
from zerosum.cli.load.result import BenchOptions, Result, complaints, mode_of, plain, table_rows
from zerosum.cli.running_service import Service, running_service
from zerosum.cli.talk import FAILED, CommandFailed, put, results, say, told_plainly

SEED = 1
WARM_UP_SHARE = 0.2
CONNECTIONS = 64
BULK_CONNECTIONS = 4
"""With a thousand payments in each call, so few keep the service busy."""

ADMIN_SECONDS_MAX = 60.0


@told_plainly
def run_bench(data_dir: Path | None, url: str | None, token: str | None, options: BenchOptions) -> int:
    service = running_service(data_dir, url, token)
    try:
        result = uvloop.run(_in_its_place(service, options))
    except LoadFailed as error:
        raise CommandFailed(f"{service.url}: {error}") from None
    if options.is_json:
        put(json.dumps(plain(result), indent=2) + "\n")
    else:
        _show(result)
    for line in complaints(result):
        say(f"zerosum: {line}")
    return 0 if result.is_right and result.load.window.acknowledged else FAILED


async def _in_its_place(service: Service, options: BenchOptions) -> Result:
    _check_address(service.url)
    async with _admin_client(service) as client, bench_place(client, service.token, is_sure=options.is_sure) as place:
        say(f"Opening {options.accounts} accounts in {place.name} of {service.url}; they stay there with their money …")
        return await measure(replace(service, token=place.token), options, _progress)


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise LoadFailed("the address of the service begins with http:// or https://")


Progress = Callable[[str], AbstractContextManager[Callable[[float], None] | None]]


async def measure(service: Service, options: BenchOptions, progress: Progress) -> Result:
    """Open accounts, warm up, measure, and look at the books. Raises LoadFailed."""
    _check_address(service.url)
    parts = urlsplit(service.url)
    connections = options.connections or (BULK_CONNECTIONS if options.bulk else CONNECTIONS)
    plan = Plan(
        host=parts.hostname or "",
        port=parts.port or (443 if parts.scheme == "https" else 80),
        tls=service.tls,
        connections=connections,
        seconds=options.seconds,
        warm_up_seconds=options.seconds * WARM_UP_SHARE,
        rate=options.rate,
        seed=SEED,
    )
    target = Target(host=parts.netloc, token=service.token, key_prefix=secrets.token_hex(5))
    async with _admin_client(service) as client:
        ledger = BenchLedger(replace(plan, rate=None), target, client, options.accounts)
        await ledger.open()
        pairs = (hot_pairs if options.is_hot else uniform_pairs)(ledger.codes, SEED)
        requests = (
            bulk_payments(target, pairs, options.bulk, SEED) if options.bulk else single_payments(target, pairs, SEED)
        )
        with progress("measuring") as on_progress:
            load = await run_load(
                plan,
                requests,
                acknowledged=count_bulk if options.bulk else one_if_successful,
                on_progress=on_progress,
            )
        return Result(options, service.url, connections, load, await ledger.books())


def _admin_client(service: Service) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=service.url,
        headers={"Authorization": f"Bearer {service.token}"},
        timeout=ADMIN_SECONDS_MAX,
        verify=service.tls if service.tls is not None else True,
        trust_env=False,
    )


def _progress(title: str) -> AbstractContextManager[Callable[[float], None] | None]:
    """A bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        return nullcontext()
    from zerosum.cli.load.display import progress_bar  # noqa: PLC0415 - rich takes a while to load

    return progress_bar(title)


def _show(result: Result) -> None:
    rows = table_rows(result)
    if results().isatty():
        from zerosum.cli.load.display import show_table  # noqa: PLC0415 - as above

        show_table("zerosum bench", mode_of(result.options), rows)
        return
    width = max(len(name) for name, _ in rows)
    put("".join(f"{name:<{width}}  {value}\n" for name, value in [("mode", mode_of(result.options)), *rows]))
