"""Where pages stand in the navigation."""

from __future__ import annotations

from dataclasses import dataclass

from zerosum.gateway.identity.principal import Scope

ROOT = "/console"

GROUPS = ("Today", "Money", "Books", "Outside", "Messages", "Administration")
"""In this order. A new one is a decision: a page belongs to one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nav:
    """A page's place in the navigation. `key` is what follows `g` on the keyboard, `also` begin pages below it."""

    group: str
    title: str
    key: str = ""
    place: tuple[str, ...] = ()
    scope: Scope | None = None
    also: tuple[str, ...] = ()

    def is_at(self, path: str, ledger: str) -> bool:
        """Whether a page belongs to this place: it, or one below it."""
        here = "/".join((ROOT, ledger, *self.place))
        if path == here or (bool(self.place) and path.startswith(f"{here}/")):
            return True
        return path.removeprefix(f"{ROOT}/{ledger}/").split("/")[0] in self.also
