"""What `zerosum up` keeps in its data folder besides the servers: the service's own secrets and the credentials."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zerosum.cli.precautions import name_misspelt_settings
from zerosum.cli.talk import USAGE, CommandFailed
from zerosum.config import SECRET_BYTES, Settings, load_settings
from zerosum.embedded import CREDENTIALS_NAME, data_dir_holder, require_own_data_dir

DATABASE = "zerosum"
SERVICE_ROLE = "zerosum_service"
SECRET_NAMES = ("api-key-pepper", "cursor-secret", "master-key")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a client reaches the ledger. Written once, readable only by its owner."""

    base_url: str
    ledger: str
    client_id: str
    client_secret: str
    api_key: str

    @classmethod
    def read(cls, data_dir: Path) -> Credentials | None:
        """None where `up` has not made any yet."""
        try:
            content = json.loads((data_dir / CREDENTIALS_NAME).read_text(encoding="utf-8"))
            return cls(**{name: content[name] for name in cls.__dataclass_fields__})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        except OSError as error:
            raise CommandFailed(f"{data_dir / CREDENTIALS_NAME} cannot be read: {error.strerror}", USAGE) from None

    def write(self, data_dir: Path) -> None:
        from zerosum.embedded.durable_files import write_durably  # noqa: PLC0415 - only `up` writes

        write_durably(data_dir / CREDENTIALS_NAME, json.dumps(asdict(self), indent=2) + "\n")


def service_secrets(data_dir: Path) -> dict[str, str]:
    """The secrets that a production installation gets from its settings, made once and kept beside the others."""
    from zerosum.embedded.durable_files import write_durably  # noqa: PLC0415 - as above

    found: dict[str, str] = {}
    for name in SECRET_NAMES:
        path = data_dir / "secrets" / name
        if not path.exists():
            write_durably(path, base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode() + "\n")
        found[name] = path.read_text(encoding="ascii").strip()
    return found


def installation_settings(data_dir: Path, **overrides: Any) -> Settings:
    """The settings of everything `up` starts: the environment's, with the data folder's secrets."""
    kept = service_secrets(data_dir)
    return load_settings(
        **{
            "api_key_pepper": kept["api-key-pepper"],
            "cursor_secret": kept["cursor-secret"],
            "master_keys": f"local:{kept['master-key']}",
            "data_dir": data_dir,
            **overrides,
        }
    )


def is_embedded(data_dir: Path | None, settings: Settings) -> bool:
    """Whether a command is about an installation of `up`, and not about the database that the settings name."""
    return data_dir is not None or not settings.database_url


def reachable_settings(data_dir: Path | None, *, is_writing: bool = True) -> Settings:
    """For commands beside a running service: the settings' database, or the one that `up` runs in the data folder.

    A folder that is named wins over the settings. Raises CommandFailed where nothing runs, or nothing was migrated.
    """
    from zerosum.db.schema.startup_checks import Unfit, check_migrated  # noqa: PLC0415 - not every command needs the database

    name_misspelt_settings()
    settings = load_settings()
    if not is_embedded(data_dir, settings):
        try:
            asyncio.run(check_migrated(settings.required_database_url(), is_writing=is_writing))
        except Unfit as error:
            raise CommandFailed(f"ZEROSUM_DATABASE_URL: {error}", USAGE) from None
        return settings
    folder = chosen_data_dir(data_dir)
    holder = data_dir_holder(folder)
    if holder is None:
        raise CommandFailed(f"nothing runs in {folder}: start `zerosum up`, or set ZEROSUM_DATABASE_URL", USAGE)
    served_at = {} if holder.base_url is None else {"base_url": holder.base_url}
    return installation_settings(folder, **_addresses(folder), **served_at)


def _addresses(data_dir: Path) -> dict[str, str]:
    """Where the servers of a running installation are."""

    def kept(*names: str) -> str:
        return data_dir.joinpath(*names).read_text(encoding="ascii").strip()

    found = {
        "lane_database_url": "",
        "database_url": f"postgresql://{SERVICE_ROLE}:{kept('secrets', 'postgres-app')}"
        f"@127.0.0.1:{kept('ports', 'postgres')}/{DATABASE}",
    }
    if (data_dir / "ports" / "valkey").exists():
        found["redis_url"] = f"redis://:{kept('secrets', 'redis')}@127.0.0.1:{kept('ports', 'valkey')}/0"
    return found


def chosen_data_dir(given: Path | None) -> Path:
    """Raises EmbeddedError for one that somebody else has made, or could replace."""
    folder = (given or load_settings().data_dir).absolute()
    require_own_data_dir(folder)
    return folder
