"""What every answer is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Model:
    """A part of an answer. `raw` is all of it as it came, with members that are newer than this client."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Written(Model):
    """The answer of a call that writes under a key."""

    replayed: bool = False
    """The call was carried out before: this is its first answer again."""
    dry_run: bool = False
    """Only rehearsed: nothing was written."""
