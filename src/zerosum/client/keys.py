"""Idempotency keys: the name of one intended operation, made before it is tried for the first time."""

from __future__ import annotations

import hashlib
import secrets

KEY_CHARACTERS_MAX = 255


def new_key() -> str:
    """A name that nobody has used."""
    return secrets.token_hex(16)


def key_of_intention(operation: str, name: str) -> str:
    """The same for the same name, in this process and the next: what is asked once more was asked already."""
    if not name:
        raise ValueError("once needs a name: that of what is to be done once")
    key = f"{operation}:{name}"
    return key if is_key(key) else f"{operation}:sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def is_key(text: str) -> bool:
    """Visible ASCII without quotes, as a header can carry it."""
    return bool(text) and len(text) <= KEY_CHARACTERS_MAX and all("!" <= sign <= "~" and sign != '"' for sign in text)


def chosen_key(operation: str, idempotency_key: str | None, once: str | None) -> str:
    """The given one, that of an intention, or a new one. Raises ValueError for both, and for what is none."""
    if idempotency_key is not None and once is not None:
        raise ValueError("give idempotency_key or once, not both")
    if idempotency_key is not None:
        if not is_key(idempotency_key):
            raise ValueError(f"an idempotency key is 1 to {KEY_CHARACTERS_MAX} visible ASCII characters")
        return idempotency_key
    return new_key() if once is None else key_of_intention(operation, once)
