"""Templates, and how values are shown in them. Everything is escaped; a name that is not there is an error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any
from uuid import UUID

import orjson
from jinja2 import Environment, FunctionLoader, StrictUndefined

from zerosum.api.render import render_time
from zerosum.domain.identifiers import Prefix, render_id

FOLDER = "templates"


class Templates:
    """`shared` is what every template knows."""

    def __init__(self, **shared: Any) -> None:
        self._environment = Environment(
            loader=FunctionLoader(_source),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._shared = frozenset(shared)
        self._environment.globals.update(shared)
        self._environment.filters.update(
            amount=amount, when=when, clock=clock, age=age, wire=wire, words=words, span=span, pretty=pretty
        )

    def render(self, name: str, shown: Mapping[str, Any]) -> str:
        """Raises ValueError where a page would hide what every page shows: the version in its footer, say."""
        if hidden := self._shared & shown.keys():
            raise ValueError(f"{name}: every template knows {', '.join(sorted(hidden))}: call it something else")
        return self._environment.get_template(name).render(shown)


def _source(name: str) -> str | None:
    place = files("zerosum.console") / FOLDER / name
    return place.read_text(encoding="utf-8") if place.is_file() else None


def amount(value: Decimal | str) -> str:
    """To the last digit, in groups of three."""
    return f"{Decimal(value):,f}"


def when(moment: datetime) -> str:
    """For machines, as the API writes it."""
    return render_time(moment)


def clock(moment: datetime) -> str:
    """For people, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def age(seconds: float | timedelta) -> str:
    """In the one unit that says most."""
    left = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if left >= length:
            count = left // length
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "1 second" if left == 1 else f"{max(left, 0)} seconds"


def span(seconds: float) -> str:
    """How long a time is looked back over: "the last {{ … | span }}"."""
    return age(seconds).removeprefix("1 ")


def wire(value: UUID, kind: str) -> str:
    """As the API writes it: {{ payment.id | wire("PAYMENT") }}."""
    return render_id(Prefix[kind], value)


def pretty(value: Any) -> str:
    """What has no form of its own, for whoever wants to know exactly."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


def words(text: str) -> str:
    """A word of the code as people read it."""
    return text.replace("_", " ")
