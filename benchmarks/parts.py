"""`--only PART,PART`: which parts of a run are wanted."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Collection


def wanted_parts(parser: ArgumentParser, only: str, parts: Collection[str]) -> tuple[str, ...]:
    """In the order in which they are named; all, where none is. Ends with what is wrong about it."""
    wanted = tuple(only.split(",")) if only else tuple(parts)
    unknown = [part for part in wanted if part not in parts]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(parts)}")
    return wanted
