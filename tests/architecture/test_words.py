"""One word for one thing: the glossary names every public class of the domain, and no name is made of unused words."""

from __future__ import annotations

import ast
import re

from tests.architecture.sources import TOP, FunctionNode, made_names, modules, snake
from zerosum.domain.errors import DomainError

GLOSSARY = (TOP / "docs" / "GLOSSARY.md").read_text(encoding="utf-8")

UNUSED = {
    "cancel", "process", "handle", "handler", "manage", "manager", "do", "data", "info", "helper", "helpers",
    "util", "utils", "common", "base", "ref", "txn", "acc", "amt",
}  # fmt: skip

PHRASES = {
    "data_dir": "the name of the folder on the command line (`--data-dir`) and in its setting",
    "data_key": "what cryptographers call the key that a master key wraps",
    "data_keys": "the same, several",
    "associated_data": "what cryptographers call what is bound to a ciphertext, but not in it",
    "wrapping_data": "the associated data of wrapping a key",
    "server_data": "everything the private servers keep: there is no narrower word",
    "data_path": "where the server data is",
    "existing_data": "server data that is there already",
    "do_post": "the name that `http.server` gives to this call",
    "do_get": "the same, of the other method",
    "data_received": "the name asyncio gives to this call",
    "base_url": "what other products call the address under which all others lie",
    "base64url": "the name of the encoding",
}
"""Where an unused word belongs to a longer one that has a meaning of its own."""

NAMES = {
    "data": "the member of every list on the wire, and asyncio's word for what a socket brings",
    "handler": "the name `signal` and `logging` give to theirs",
}
"""Names that somebody else has given."""

NOUNS = {
    "process": "one of the operating system's; as a verb it may not stand first",
    "processes": "several",
}

TO_BE_RENAMED: dict[str, str] = {
    "helper": "cli/load: a forked process of the load generator",
    "helpers": "cli/load: the same, several",
    "_COMMON": "cli/load/responses.py",
    "rotate_data": "cli/keys_commands.py: what is rotated is data keys",
}
"""Found when this rule was made, in rooms that were being worked on. Nothing is added here."""


def _public_classes() -> dict[str, str]:
    """Refusals are left out: each explains itself in its title, and has a code and a status."""
    found = {}
    refusals = {cls.__name__ for cls in _below(DomainError)}
    for module in modules("domain"):
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in refusals:
                found[node.name] = module.place(node)
    return found


def _below(cls: type[DomainError]) -> list[type[DomainError]]:
    return [found for direct in cls.__subclasses__() for found in (direct, *_below(direct))]


def test_the_glossary_names_every_public_class_of_the_domain() -> None:
    classes = _public_classes()
    assert len(classes) > 200
    told = {word for code in re.findall(r"`([^`]*)`", GLOSSARY) for word in re.findall(r"\w+", code)}
    missing = [f"{place} {name}" for name, place in classes.items() if name not in told]
    assert not missing, f"{missing}: say in one line of docs/GLOSSARY.md what it means, and what it is not."


def test_the_glossary_names_nothing_in_code_that_is_gone() -> None:
    """In the second column of its tables."""
    known = {name for module in modules() for name, _ in made_names(module)} | {
        module.path.name for module in modules()
    }
    gone = []
    for row in re.findall(r"^\| \*\*.*$", GLOSSARY, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", row.split("|")[2]):
            if not set(re.split(r"[.]", name)) <= known and name not in known:
                gone.append(name)
    assert not gone, f"{gone}: no such name in src/zerosum. Correct docs/GLOSSARY.md."


def test_no_name_is_made_of_an_unused_word() -> None:
    found = [
        f"{place} {name}"
        for module in modules()
        for name, place in made_names(module)
        if _unused_words(name) and name not in TO_BE_RENAMED
    ]
    assert not found, (
        f"{found}: this word says nothing here. Name the thing by what it is (docs/GLOSSARY.md), or list the longer "
        "word in this test with its meaning."
    )


def test_no_function_is_called_processing() -> None:
    found = [
        module.place(node)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, FunctionNode) and snake(node.name).split("_")[0] == "process"
    ]
    assert not found, f"{found}: say what is done. (Only the command `zerosum process` is called so.)"


def test_no_class_is_a_bare_transaction_or_entry() -> None:
    found = [
        module.place(node)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and node.name in ("Transaction", "Entry")
    ]
    assert not found, f"{found}: it would mean three things. Say which: JournalEntry, Posting, a unit of work."


def test_no_exception_to_these_words_is_left_over() -> None:
    made = {snake(name) for module in modules() for name, _ in made_names(module)}
    stale = [phrase for phrase in PHRASES if not any(phrase in name for name in made)]
    stale += [name for name in [*NAMES, *TO_BE_RENAMED] if snake(name) not in made]
    assert not stale, f"{stale}: no name needs this exception any more, take it out."


def _unused_words(name: str) -> set[str]:
    rest = snake(name)
    if rest in NAMES:
        return set()
    for phrase in sorted(PHRASES, key=len, reverse=True):
        rest = re.sub(rf"(?<![a-z]){phrase}(?![a-z])", "", rest)
    return (set(rest.split("_")) & UNUSED) - set(NOUNS)
