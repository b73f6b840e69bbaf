"""The `zerosum` command. Each command loads what it needs only when it runs, so that `--help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zerosum import __version__
from zerosum.cli import (
    audit_commands,
    backup_commands,
    daily,
    ingest_commands,
    keys_commands,
    proof_commands,
    publish_commands,
    reconcile_commands,
    subjects_commands,
    watch_commands,
)
from zerosum.cli.console_command import console_link
from zerosum.cli.journal_command import import_journal
from zerosum.cli.outside import iso20022, processors, route, rules, sandbox
from zerosum.ingest.client_files.choices import EngineChoice, Order

app = typer.Typer(
    name="zerosum",
    help="Double-entry books with payments on top.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where everything is kept (ZEROSUM_DATA_DIR, else .zerosum).")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"zerosum {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Double-entry books with payments on top."""


@app.command()
def up(
    data_dir: DataDirOption = None,
    port: Annotated[int | None, typer.Option(help="Where to serve (ZEROSUM_PORT, else 8080).")] = None,
    host: Annotated[str | None, typer.Option(help="At which address (ZEROSUM_HOST, else 127.0.0.1).")] = None,
    workers: Annotated[
        int | None, typer.Option(help="API processes (ZEROSUM_WORKERS, else one for two processors).")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="With a demo ledger, or an empty `main`.")] = True,
    https: Annotated[bool, typer.Option("--https", help="Serve TLS with a development certificate.")] = False,
) -> None:
    """Start everything on this machine: PostgreSQL, Redis, the service and its worker."""
    from zerosum.cli.up import run_up  # noqa: PLC0415

    raise typer.Exit(run_up(data_dir=data_dir, port=port, host=host, workers=workers, is_demo=demo, is_https=https))


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Where to serve (ZEROSUM_PORT, else 8080).")] = None,
    host: Annotated[str | None, typer.Option(help="At which address (ZEROSUM_HOST, else 127.0.0.1).")] = None,
    workers: Annotated[
        int | None, typer.Option(help="API processes (ZEROSUM_WORKERS, else one for two processors).")
    ] = None,
) -> None:
    """Serve the API with the database and Redis that the settings name."""
    from zerosum.cli.serve import run_serve  # noqa: PLC0415

    raise typer.Exit(run_serve(port=port, host=host, workers=workers))


@app.command()
def worker() -> None:
    """Run the background work with the database that the settings name."""
    from zerosum.cli.serve import run_worker  # noqa: PLC0415

    raise typer.Exit(run_worker())


@app.command()
def migrate(
    revision: Annotated[str, typer.Option(help="A revision to go to, `head` or `base`.")] = "head",
    wait: Annotated[float, typer.Option(min=0, max=3600, help="So many seconds for a database to come up.")] = 0.0,
    restored: Annotated[
        bool, typer.Option("--restored", help="It was restored to a time: no place in the feed is given twice.")
    ] = False,
) -> None:
    """Bring the database to the newest schema."""
    from zerosum.cli.migrate import run_migrate  # noqa: PLC0415

    raise typer.Exit(run_migrate(revision, wait, is_restored=restored))


@app.command()
def token(
    data_dir: DataDirOption = None,
    scope: Annotated[str | None, typer.Option(help="Space separated; by default all the key has.")] = None,
) -> None:
    """Print an access token for the ledger that `zerosum up` has made."""
    from zerosum.cli.token import run_token  # noqa: PLC0415

    raise typer.Exit(run_token(data_dir, scope))


@app.command()
def verify(
    data_dir: DataDirOption = None,
    ledger: Annotated[str | None, typer.Option(help="Only this ledger (led_…).")] = None,
    export_heads: Annotated[
        Path | None, typer.Option(help="Write the heads of all chains here, if everything is right.")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Compare with heads that were written before.")] = None,
    checkpoints: Annotated[
        list[Path] | None, typer.Option(help="Compare with a file of signed checkpoints that was kept.")
    ] = None,
    freeze: Annotated[bool, typer.Option("--freeze", help="Freeze accounts that contradict themselves.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="So many processes (by default one a processor).")] = None,
    since_checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|last",
            help="Believe what was sealed by the newest signed checkpoint of a kept file, or of the database. Finds "
            "less: that a hold, dispute, payment or event is missing or changed takes everything (docs/PROOF.md).",
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Write here how far it is, and go on from there if it was cut short.")
    ] = None,
) -> None:
    """Prove the books: every chain, sum, record and event; exit 1 if anything is wrong."""
    from zerosum.cli.verify import VerifyOptions, run_verify  # noqa: PLC0415

    options = VerifyOptions(
        ledger=ledger,
        export_heads=export_heads,
        against=against,
        checkpoints=checkpoints or (),
        is_freezing=freeze,
        jobs=jobs,
        since_checkpoint=since_checkpoint,
        resume=resume,
    )
    raise typer.Exit(run_verify(data_dir, options))


@app.command()
def bench(
    data_dir: DataDirOption = None,
    url: Annotated[str | None, typer.Option(envvar="ZEROSUM_URL", help="A service elsewhere.")] = None,
    token: Annotated[str | None, typer.Option(envvar="ZEROSUM_TOKEN", help="Its access token or API key.")] = None,
    connections: Annotated[int | None, typer.Option(min=1, help="At once (64; with --bulk 4).")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to measure, after a warm-up.")] = 5.0,
    hot: Annotated[bool, typer.Option("--hot", help="One account pays all the others.")] = False,
    bulk: Annotated[int | None, typer.Option(min=1, max=1000, help="So many payments in each call.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Arrivals a second, whatever the answers do.")] = None,
    accounts: Annotated[int, typer.Option(min=2, max=100_000, help="How many accounts to open.")] = 1000,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Pay in the credential's ledger, whatever it is for.")] = False,
) -> None:
    """Measure a running service from outside; exit 1 if a payment is lost.

    It leaves accounts and money behind: in a ledger named `bench`, which it makes where its credential may.
    """
    from zerosum.cli.bench import run_bench  # noqa: PLC0415
    from zerosum.cli.load.result import BenchOptions  # noqa: PLC0415

    options = BenchOptions(
        connections=connections,
        seconds=seconds,
        is_hot=hot,
        bulk=bulk,
        rate=rate,
        accounts=accounts,
        is_json=json,
        is_sure=yes,
    )
    raise typer.Exit(run_bench(data_dir, url, token, options))


@app.command("process")
def client_files(
    inputs: Annotated[list[str], typer.Argument(metavar="IN.csv…", help="Client files; `-` is stdin.")],
    order: Annotated[Order, typer.Option(help="How to merge several inputs.")] = Order.GIVEN,
    window: Annotated[int, typer.Option(min=0, max=10_000_000, help="With --order time: put rows right so far.")] = 0,
    rejects: Annotated[Path | None, typer.Option(help="Write rows that were not carried out here, with why.")] = None,
    refuse_negative_total: Annotated[
        bool, typer.Option("--refuse-negative-total", help="Refuse chargebacks that leave a client owing.")
    ] = False,
    engine: Annotated[EngineChoice, typer.Option(help="`auto` goes by the size of the inputs.")] = EngineChoice.AUTO,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Read client transactions from CSV and print the accounts as CSV. No server is needed."""
    from zerosum.cli.process import ProcessOptions, run_process  # noqa: PLC0415

    options = ProcessOptions(
        order=order,
        window_rows=window,
        rejects=rejects,
        refuse_negative_total=refuse_negative_total,
        engine=engine,
        is_json=json,
    )
    raise typer.Exit(run_process(inputs, options))


@app.command("import")
def import_files(
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(metavar="IN.csv…", help="Client files; `-` is stdin.")],
    name: Annotated[str | None, typer.Option(help="What the import is called; by default its SHA-256.")] = None,
    data_dir: DataDirOption = None,
    url: Annotated[str | None, typer.Option(envvar="ZEROSUM_URL", help="A service elsewhere.")] = None,
    token: Annotated[str | None, typer.Option(envvar="ZEROSUM_TOKEN", help="Its access token or API key.")] = None,
    ledger: Annotated[str | None, typer.Option(help="Which ledger (led_…), where a database holds several.")] = None,
    lanes: Annotated[int, typer.Option(min=1, max=16, help="Batches at once; a client keeps to one.")] = 2,
    rejects: Annotated[Path | None, typer.Option(help="Write rows that were not carried out here, with why.")] = None,
    refuse_negative_total: Annotated[
        bool, typer.Option("--refuse-negative-total", help="Refuse chargebacks that leave a client owing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Put client transactions from CSV into a ledger. Run it again to go on: nothing is done twice."""
    from zerosum.cli.import_files import ImportOptions, run_import  # noqa: PLC0415

    url_source = context.get_parameter_source("url")
    options = ImportOptions(
        name=name,
        data_dir=data_dir,
        url=url,
        is_url_given=url_source is not None and url_source.name == "COMMANDLINE",
        token=token,
        ledger=ledger,
        lanes=lanes,
        rejects=rejects,
        refuse_negative_total=refuse_negative_total,
        is_json=json,
    )
    raise typer.Exit(run_import(inputs, options))


app.command("console-link")(console_link)
app.command("import-journal")(import_journal)

ShareOption = Annotated[float, typer.Option(min=0, max=1, help="Their share of all rows.")]


@app.command()
def generate(
    rows: Annotated[int, typer.Option(min=0, help="How many.")] = 1_000_000,
    clients: Annotated[int, typer.Option(min=1, max=65_536, help="Numbered from 0.")] = 65_536,
    withdrawals: ShareOption = 0.096,
    disputes: ShareOption = 0.02,
    resolves: ShareOption = 0.0179,
    chargebacks: ShareOption = 0.0001,
    bad: Annotated[float, typer.Option(min=0, max=1, help="Share of malformed rows.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same file.")] = 1,
) -> None:
    """Make up a client file for `zerosum process`: nine deposits to a withdrawal, some disputes."""
    from zerosum.cli.generate import run_generate  # noqa: PLC0415
    from zerosum.ingest.client_files.sample import SamplePlan  # noqa: PLC0415

    plan = SamplePlan(
        rows=rows,
        clients=clients,
        withdrawals=withdrawals,
        disputes=disputes,
        resolves=resolves,
        chargebacks=chargebacks,
        bad=bad,
        seed=seed,
    )
    raise typer.Exit(run_generate(plan))


OutOption = Annotated[
    Path | None, typer.Option("--out", help="A new file for the credentials, which its owner alone reads, not stdout.")
]


app.command()(sandbox)
app.command()(route)
app.command()(rules)
app.add_typer(processors)
app.add_typer(iso20022)

ledgers = typer.Typer(name="ledgers", help="Make ledgers.", no_args_is_help=True)
app.add_typer(ledgers)


@ledgers.callback()
def _ledgers() -> None:
    """Make ledgers."""


@ledgers.command("create")
def create_ledger(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    data_dir: DataDirOption = None,
    out: OutOption = None,
) -> None:
    """Make a ledger and a first API key with its every scope, as JSON: how a production installation begins."""
    from zerosum.cli.first_ledger import run_create_ledger  # noqa: PLC0415

    raise typer.Exit(run_create_ledger(name, data_dir, out))


operators = typer.Typer(name="operators", help="Make who administers the service.", no_args_is_help=True)
app.add_typer(operators)


@operators.callback()
def _operators() -> None:
    """Make who administers the service."""


@operators.command("create")
def create_operator(
    name: Annotated[str, typer.Argument(help="Who it is for.")],
    data_dir: DataDirOption = None,
    out: OutOption = None,
) -> None:
    """Make an API key that administers the service: ledgers, and the keys of all of them. It moves no money itself."""
    from zerosum.cli.first_ledger import run_create_operator  # noqa: PLC0415

    raise typer.Exit(run_create_operator(name, data_dir, out))


audit_commands.add_to(app)
backup_commands.add_to(app)
daily.add_to(app)
ingest_commands.add_to(app)
app.add_typer(keys_commands.keys)
proof_commands.add_to(app)
publish_commands.add_to(app)
reconcile_commands.add_to(app)
subjects_commands.add_to(app)
watch_commands.add_to(app)


def main() -> None:
    """The entry point of the command."""
    from zerosum.cli.entry import run  # noqa: PLC0415 - it needs `app`

    run(app)
