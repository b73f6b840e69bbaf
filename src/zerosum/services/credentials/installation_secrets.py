"""The secrets of an installation, as far as a process was given them. No I/O."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

PEPPER = "api-key-pepper"
CURSOR_SECRET = "cursor-secret"  # noqa: S105 - a name, not a secret
MASTER_KEY = "master-key:"

VARIABLES = {PEPPER: "ZEROSUM_API_KEY_PEPPER", CURSOR_SECRET: "ZEROSUM_CURSOR_SECRET"}
MASTER_KEYS_VARIABLE = "ZEROSUM_MASTER_KEYS"


class WrongSecret(Exception):
    """A secret is another than the one this installation was made with. The message is one line with its variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationSecrets:
    """None and an empty mapping stand for what this process does not need and was not given.

    Of the master keys, by their ids, the first one is current.
    """

    pepper: bytes | None = field(default=None, repr=False)
    cursor_secret: bytes | None = field(default=None, repr=False)
    master_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def check_values(self) -> dict[str, bytes]:
        """For each secret its name and what it gives for a fixed text, from which nobody finds the secret."""
        given = {PEPPER: self.pepper, CURSOR_SECRET: self.cursor_secret}
        given |= {f"{MASTER_KEY}{key_id}": key for key_id, key in self.master_keys.items()}
        return {
            name: hmac.digest(secret, f"zerosum.secret-check.v1|{name}".encode(), "sha256")
            for name, secret in given.items()
            if secret is not None
        }


def differing(values: Mapping[str, bytes], stored: Mapping[str, bytes]) -> list[str]:
    """The names of the secrets that are others than before; what was never stored is new and differs from nothing."""
    return [name for name, value in values.items() if name in stored and not hmac.compare_digest(value, stored[name])]


def complaint(name: str) -> str:
    """What is wrong, in one line that begins with the variable."""
    if name == PEPPER:
        return (
            f"{VARIABLES[name]} is not the one this installation was made with, and no API key would be accepted: "
            "put the old one back, or see `zerosum keys accept-secrets --help`"
        )
    if name == CURSOR_SECRET:
        return (
            f"{VARIABLES[name]} is not the one this installation was made with: put the old one back, or run "
            "`zerosum keys accept-secrets`, after which clients begin their lists anew"
        )
    key_id = name.removeprefix(MASTER_KEY)
    return (
        f"{MASTER_KEYS_VARIABLE}: `{key_id}` is another key than the one of that name this installation was made "
        "with: put the old one back, and give a new key a name of its own"
    )
