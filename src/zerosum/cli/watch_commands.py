"""`zerosum status` and `zerosum top`, as the command line shows them."""

from __future__ import annotations

from typing import Annotated

import typer

from zerosum.cli.audit_commands import TokenOption, UrlOption
from zerosum.cli.ingest_commands import DataDirOption

MetricsUrlOption = Annotated[
    str | None, typer.Option(envvar="ZEROSUM_METRICS_URL", help="Where /metrics is, if not with the service.")
]
MetricsTokenOption = Annotated[
    str | None, typer.Option(envvar="ZEROSUM_METRICS_TOKEN", help="For /metrics, where it wants one.")
]


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    app.command("status")(status)
    app.command("top")(top)


def status(
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: Annotated[bool, typer.Option("--json", help="For machines: the answer of the service as it is.")] = False,
) -> None:
    """Show how a running service is: exit 0 where all is good, 1 where somebody should look, 2 where it is bad."""
    from zerosum.cli.status import run_status  # noqa: PLC0415

    raise typer.Exit(run_status(data_dir, url, token, is_json=json))


def top(
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    metrics_url: MetricsUrlOption = None,
    metrics_token: MetricsTokenOption = None,
    interval: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One look of an interval, as text.")] = False,
) -> None:
    """Watch a running service: rate, latency, refusals, queue, hot accounts, lag and proof. `q` ends it."""
    from zerosum.cli.top import TopOptions, run_top  # noqa: PLC0415

    options = TopOptions(metrics_url=metrics_url, metrics_token=metrics_token, interval=interval, is_once=once)
    raise typer.Exit(run_top(data_dir, url, token, options))
