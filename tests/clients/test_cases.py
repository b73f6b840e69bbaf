"""The rules of client files, each as a case to be read: `cases/<rule>/` holds input, options and what comes out.

`expected.csv` is what stdout must be, `rejects.csv` the rows that were not carried out and why (no file: none).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.clients.naive_model import naive
from tests.clients.running import ENGINES
from zerosum.cli import app

CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())
NO_REJECTS = "line,type,client,tx,amount,reason\n"


def inputs_of(case: Path) -> list[Path]:
    return sorted(case.glob("input*.csv"))


def options_of(case: Path) -> list[str]:
    options = case / "options.txt"
    return options.read_text().split() if options.exists() else []


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_case_comes_out_as_written(case: Path, engine: str, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    names = [str(path) for path in inputs_of(case)]
    options = [*options_of(case), "--engine", engine, "--rejects", str(rejects)]
    done = CliRunner().invoke(app, ["process", *names, *options])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == (case / "expected.csv").read_text()
    expected = case / "rejects.csv"
    assert rejects.read_text() == (expected.read_text() if expected.exists() else NO_REJECTS)


PLAIN = [case for case in CASES if "--order" not in options_of(case) and "quoting" not in case.name]


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_the_naive_model_expects_the_same(case: Path) -> None:
    texts = [path.read_bytes().decode() for path in inputs_of(case)]
    model = naive(texts, refuse_negative_total="--refuse-negative-total" in options_of(case))
    assert model.accounts() == (case / "expected.csv").read_text()
