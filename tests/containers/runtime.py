#!/usr/bin/env python3
"""runc for a machine on which nobody may raise a limit: what it would refuse is taken out of the container's plan.

Podman calls this instead of runc when the tests start an engine of their own. Limits of processes and cgroups are no
part of what the tests look at.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    arguments = sys.argv[1:]
    if "create" in arguments or "run" in arguments:
        bundle = _value_of(arguments, "--bundle", "-b")
        if bundle is not None:
            _without_limits(Path(bundle) / "config.json")
    elif "exec" in arguments:
        process = _value_of(arguments, "--process", "-p")
        if process is not None:
            _without_limits(Path(process))
    os.execvp("runc", ["runc", *arguments])


def _value_of(arguments: list[str], *names: str) -> str | None:
    return next((arguments[place + 1] for place, word in enumerate(arguments[:-1]) if word in names), None)


def _without_limits(path: Path) -> None:
    plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    plan.pop("rlimits", None)
    plan.get("process", {}).pop("rlimits", None)
    plan.get("linux", {}).pop("resources", None)
    path.write_text(json.dumps(plan), encoding="utf-8")


if __name__ == "__main__":
    main()
