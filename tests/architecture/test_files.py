"""Files: short enough to be read, and free of what belongs to one machine only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.sources import TOP, committed_files, modules

FILE_LINES_USUAL, FILE_LINES_MAX = 250, 400
FUNCTION_LINES_USUAL = 35
USUAL_SHARE = 0.9

LONGER = {
    "config.py": "every setting there is, and what must fit together: readers look for them in one place",
    "domain/errors.py": "every refusal there is, three lines each: readers look for them in one place",
    "verifier/standalone.py": "it is copied out and read by whoever does not trust the rest: one file, by itself",
    "db/schema/tables.py": "every table there is, and who may do what to it: readers look for them in one place",
}
"""Longer files, and why that is easier to read than two."""


def test_no_file_is_too_long_to_be_read_in_one_go() -> None:
    found = {module.name: len(module.text.splitlines()) for module in modules()}
    long = {name: lines for name, lines in found.items() if lines > FILE_LINES_MAX and name not in LONGER}
    assert not long, f"{long}: split it along its story, or say in this test why it is one."
    assert all(found.get(name, 0) > FILE_LINES_MAX for name in LONGER), "An exception in LONGER is not needed any more."


def test_most_files_are_shorter_than_that() -> None:
    lengths = [len(module.text.splitlines()) for module in modules()]
    usual = sum(length <= FILE_LINES_USUAL for length in lengths)
    assert usual >= USUAL_SHARE * len(lengths), f"{len(lengths) - usual} of {len(lengths)} files are long: split some."


def test_most_functions_fit_on_a_screen() -> None:
    lengths = {
        f"{module.place(function)} {function.name}": (function.end_lineno or function.lineno) - function.lineno + 1
        for module in modules()
        for function in module.functions()
    }
    long = sorted((name for name in lengths if lengths[name] > FUNCTION_LINES_USUAL), key=lengths.__getitem__)
    assert len(long) <= (1 - USUAL_SHARE) * len(lengths), f"Give the steps of the longest ones names: {long[-10:]}"


# Written in parts, so that this file does not hold what it looks for.
REGISTRIES = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "index" + "-url",
    "index" + "_url",
    "find" + "-links",
    "registry.npm" + "js.org",
    "registry.yarn" + "pkg.com",
    "proxy.golang" + ".org",
    "conda.anaconda" + ".org",
]


def _places_of_this_machine() -> list[str]:
    """Where this checkout lies, and what lies beside it."""
    if TOP.parent in (Path("/"), TOP):
        return [f"{TOP}/"] if len(TOP.name) > 4 else []
    return [str(path) for path in TOP.parent.iterdir()]


def _files_with(words: list[str]) -> list[str]:
    found = []
    for path in committed_files():
        content = path.read_bytes()
        found += [f"{path.relative_to(TOP)}: {word}" for word in words if word.encode() in content]
    return found


@pytest.mark.skipif(not committed_files(), reason="this is no checkout")
def test_no_file_names_a_package_registry() -> None:
    found = _files_with(REGISTRIES)
    assert not found, f"{found}: whoever installs decides where packages come from. Take it out."


@pytest.mark.skipif(not committed_files(), reason="this is no checkout")
def test_no_file_names_a_path_of_this_machine() -> None:
    found = _files_with(_places_of_this_machine())
    assert not found, f"{found}: it exists nowhere else. Say it relative to the repository."
