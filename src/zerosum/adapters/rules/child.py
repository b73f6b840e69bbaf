"""The process of a plug-in: `python -m zerosum.adapters.rules.child`. It reads lines of JSON and answers each.

What the plug-in prints goes nowhere, so that it cannot be taken for an answer.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from typing import IO, Any

from zerosum.adapters.rules.contract import Check, RulePayment, RuleVerdict

ERROR_MAX = 300


PARENT_LOOKED_AT_SECONDS = 1.0


def main() -> int:
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    questions = sys.stdin
    try:
        check = _check(json.loads(questions.readline()))
    except BaseException as error:
        _answer(answers, {"error": _told(error)})
        return 1
    _answer(answers, {"ready": True})
    for line in questions:
        _answer(answers, _judged(check, line))
    return 0


def _end_with(parent: int) -> None:
    """A service that was killed kills nobody any more: what computes for ever would go on for ever."""
    while os.getppid() == parent:
        time.sleep(PARENT_LOOKED_AT_SECONDS)
    os._exit(1)


def _check(begin: dict[str, Any]) -> Check:
    module, _, names = begin["entry_point"].partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    check: Check = found(begin["name"], begin["options"])
    return check


def _judged(check: Check, line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
        verdict = check(RulePayment(**{**content, "receivers": tuple(content["receivers"])}))
        if not isinstance(verdict, RuleVerdict):
            raise TypeError("the plug-in's answer is no verdict")
    except BaseException as error:
        return {"error": _told(error)}
    return {"verdict": str(verdict.verdict), "reason": verdict.reason}


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:ERROR_MAX]


def _answer(answers: IO[str], content: dict[str, Any]) -> None:
    answers.write(f"{json.dumps(content)}\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
