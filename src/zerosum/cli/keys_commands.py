"""`zerosum keys`, as the command line shows it."""

from __future__ import annotations

from typing import Annotated

import typer

from zerosum.cli.ingest_commands import DataDirOption

keys = typer.Typer(name="keys", help="Rotate what signs tokens and seals secrets.", no_args_is_help=True)


@keys.command("list")
def list_keys(data_dir: DataDirOption = None) -> None:
    """Show the keys that sign tokens, by the `kid` that their tokens name."""
    from zerosum.cli.keys import list_signing_keys  # noqa: PLC0415

    raise typer.Exit(list_signing_keys(data_dir))


@keys.command("withdraw", context_settings={"ignore_unknown_options": True})
def withdraw(
    kid: Annotated[str, typer.Argument(help="Which key: `zerosum keys list` shows them.")],
    data_dir: DataDirOption = None,
) -> None:
    """Withdraw a signing key that may be stolen: its tokens are refused within seconds, another key signs at once."""
    from zerosum.cli.keys import withdraw_signing_key  # noqa: PLC0415

    raise typer.Exit(withdraw_signing_key(kid, data_dir))


@keys.command("accept-secrets")
def accept_changed_secrets(
    data_dir: DataDirOption = None,
    invalidate_api_keys: Annotated[
        bool, typer.Option("--invalidate-api-keys", help="A new pepper makes every API key useless: that is meant.")
    ] = False,
    lost_master_keys: Annotated[
        bool, typer.Option("--lost-master-keys", help="What the old ones sealed is given up, and every token with it.")
    ] = False,
) -> None:
    """Go by the secrets in the settings from now on. A new cursor secret only makes clients begin their lists anew."""
    from zerosum.cli.keys import accept_secrets  # noqa: PLC0415

    code = accept_secrets(data_dir, invalidates_api_keys=invalidate_api_keys, has_lost_master_keys=lost_master_keys)
    raise typer.Exit(code)


@keys.command("rotate-signing")
def rotate_signing(data_dir: DataDirOption = None) -> None:
    """Publish a new key for signing tokens; the present one stays valid for the tokens it signed."""
    from zerosum.cli.keys import rotate_signing_key  # noqa: PLC0415

    raise typer.Exit(rotate_signing_key(data_dir))


@keys.command("rewrap")
def rewrap(data_dir: DataDirOption = None) -> None:
    """Wrap all data keys under the first of ZEROSUM_MASTER_KEYS; then the older ones can be removed."""
    from zerosum.cli.keys import rewrap_data_keys  # noqa: PLC0415

    raise typer.Exit(rewrap_data_keys(data_dir))


@keys.command("rotate-data")
def rotate_data(data_dir: DataDirOption = None) -> None:
    """Make a new data key for the service's own secrets and seal them anew."""
    from zerosum.cli.keys import rotate_data_key  # noqa: PLC0415

    raise typer.Exit(rotate_data_key(data_dir))
