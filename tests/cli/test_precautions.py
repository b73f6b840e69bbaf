"""What is refused before anything listens, though it would run."""

from __future__ import annotations

import base64
import secrets
from importlib.metadata import version

import pytest

from zerosum.cli.precautions import LIBRARIES_MIN, check_libraries, check_made_up_secrets
from zerosum.cli.talk import CommandFailed
from zerosum.config import load_settings

OLDER = {"sqlalchemy": "2.0.58", "python-jose": "3.4.0", "redis": "4.6.0"}


def test_what_is_installed_is_new_enough() -> None:
    check_libraries()


@pytest.mark.parametrize("name", sorted(LIBRARIES_MIN))
def test_a_library_that_loses_payments_is_refused(name: str) -> None:
    versions = {other: version(other) for other in LIBRARIES_MIN}
    check_libraries({**versions, name: ".".join(map(str, LIBRARIES_MIN[name][0]))}.__getitem__)
    with pytest.raises(CommandFailed, match=f"^{name} {OLDER[name]} is too old"):
        check_libraries({**versions, name: OLDER[name]}.__getitem__)


@pytest.mark.parametrize("make", [lambda: secrets.token_bytes(32), lambda: secrets.token_hex(32).encode()])
def test_random_secrets_of_either_form_are_taken(make: object) -> None:
    assert callable(make)
    for _ in range(200):
        text = base64.b64encode(make()).decode()
        check_made_up_secrets(load_settings(api_key_pepper=text, cursor_secret=text))
