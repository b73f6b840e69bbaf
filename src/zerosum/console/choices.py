"""Filters out of a fixed set of words, as the API reads them, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zerosum.domain.errors import InvalidParameter


def check_choices(given: Mapping[str, str], **known: Iterable[str]) -> None:
    """Raises InvalidParameter for a word that is none of those its filter knows."""
    for name, words in known.items():
        if name in given and given[name] not in set(words):
            raise InvalidParameter(f"There is no {name} of this name.", pointer=name)
