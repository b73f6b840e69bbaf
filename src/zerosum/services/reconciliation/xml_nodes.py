"""XML from strangers, as small trees with their lines. No DOCTYPE: entities cannot be declared, so none can grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from zerosum.domain.reconciliation.outside import Faults

DEPTH_MAX = 32
TEXT_BYTES_MAX = 10_000
"""Of one element."""

ELEMENTS_MAX = 500_000
"""Of one file. Each takes a hundred times the memory of the four bytes that it may be written with."""

_SEPARATOR = " "


@dataclass(slots=True)
class Node:
    """An element without its namespace."""

    name: str
    place: int
    attributes: dict[str, str]
    parts: list[str] = field(default_factory=list)
    length: int = 0
    """Of all parts."""
    children: list[Node] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()

    def all(self, path: str) -> Iterator[Node]:
        """What lies at a path such as `Tp/CdOrPrtry/Cd`."""
        first, _, rest = path.partition("/")
        for child in self.children:
            if child.name == first:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def first(self, path: str) -> Node | None:
        return next(self.all(path), None)

    def text_of(self, path: str) -> str:
        """Empty where there is no such element."""
        found = self.first(path)
        return "" if found is None else found.text


class _Refused(Exception):
    """It was noted why."""


def read_nodes(content: bytes, parent: str, on_child: Callable[[Node], None], faults: Faults) -> str | None:
    """Tells of each child of each element at the path `parent`, and answers the namespace of the whole.

    Raises ReconciliationFileInvalid for what is no XML, or none that is read.
    """
    return _Walk(parent, on_child, faults).read(content)


class _Walk:
    def __init__(self, parent: str, on_child: Callable[[Node], None], faults: Faults) -> None:
        self._parent = parent.split("/")
        self._on_child = on_child
        self._faults = faults
        self._path: list[str] = []
        self._open: list[Node] = []
        self._elements = 0
        self._namespace: str | None = None
        parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.buffer_text = True
        heard = {
            "StartDoctypeDecl": self._doctype,
            "StartElement": self._start,
            "EndElement": self._end,
            "CharacterData": self._characters,
        }
        for what, answer in heard.items():
            setattr(parser, f"{what}Handler", answer)
        self._parser = parser

    def read(self, content: bytes) -> str | None:
        try:
            self._parser.Parse(content, True)
        except _Refused:
            pass
        except (expat.ExpatError, LookupError, ValueError) as error:  # also an encoding that nobody knows
            place = getattr(error, "lineno", 1)
            self._faults.note(place, "", "malformed_xml", "This is no XML, or ends too early.")
        self._faults.check()
        return self._namespace

    def _refuse(self, fault: str, detail: str) -> None:
        self._faults.note(self._parser.CurrentLineNumber, "", fault, detail)
        raise _Refused

    def _doctype(self, *_: object) -> None:
        self._refuse("doctype_not_allowed", "A DOCTYPE is not taken, nor are entities of its own.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(_SEPARATOR)
        if not self._path:
            self._namespace = namespace
        if self._open or self._path == self._parent:
            node = Node(local, self._parser.CurrentLineNumber, attributes)
            if self._open:
                self._open[-1].children.append(node)
            self._open.append(node)
        self._path.append(local)
        if len(self._path) > DEPTH_MAX:
            self._refuse("too_deep", f"Elements lie {DEPTH_MAX} deep at most.")
        self._elements += 1
        if self._elements > ELEMENTS_MAX:
            self._refuse("too_many_elements", f"A file has at most {ELEMENTS_MAX} elements.")

    def _end(self, _: str) -> None:
        self._path.pop()
        if self._open:
            node = self._open.pop()
            if not self._open:
                self._on_child(node)
                if self._faults.are_too_many:
                    raise _Refused

    def _characters(self, text: str) -> None:
        if self._open:
            node = self._open[-1]
            node.parts.append(text)
            node.length += len(text)
            if node.length > TEXT_BYTES_MAX:
                self._refuse("text_too_long", f"An element has at most {TEXT_BYTES_MAX} characters.")
