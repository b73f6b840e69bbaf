"""XML from somebody else: without document types and entities, of a bounded size and depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

FILE_BYTES_MAX = 64 * 1024 * 1024
DEPTH_MAX = 64
_READ_BYTES = 1 << 20


class FileWrong(ValueError):
    """The message is one clear line."""


def read_xml(path: Path) -> Element:
    """As `parsed_xml`. Raises FileWrong, OSError."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise FileWrong(f"{path.name} is larger than {FILE_BYTES_MAX} bytes")
    with path.open("rb") as file:
        return parsed_xml(path.name, iter(lambda: file.read(_READ_BYTES), b""))


def parsed_xml(what: str, parts: Iterable[bytes]) -> Element:
    """The root; names of elements are `namespace}name`. Raises FileWrong, which begins with `what`."""
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate(namespace_separator="}")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_MAX:
            raise FileWrong(f"{what} is nested deeper than {DEPTH_MAX}")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: Any) -> NoReturn:
        raise FileWrong(f"{what} has a DOCTYPE or an entity: such files are not read")

    calls = {"StartElement": start, "EndElement": end, "CharacterData": builder.data}
    refused = ("StartDoctypeDecl", "EntityDecl", "ExternalEntityRef")
    for event, call in {**calls, **dict.fromkeys(refused, refuse)}.items():
        setattr(parser, f"{event}Handler", call)
    try:
        for part in parts:
            parser.Parse(part, False)
        parser.Parse(b"", True)
        return builder.close()
    except FileWrong:
        raise
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:  # The last two: of its encoding.
        raise FileWrong(f"{what} is no XML: {error}") from None


def named(element: Element, *path: str) -> Iterator[Element]:
    """Those that lie so below it, whatever the version of their namespace."""
    if not path:
        yield element
        return
    for child in element:
        if name_of(child) == path[0]:
            yield from named(child, *path[1:])


def text_at(element: Element, *path: str) -> str | None:
    """Of the first that lies so below it."""
    found = next(named(element, *path), None)
    return None if found is None or found.text is None else found.text.strip()


def name_of(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def namespace_of(element: Element) -> str:
    return element.tag.rpartition("}")[0]
