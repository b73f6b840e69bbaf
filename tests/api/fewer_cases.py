"""Read by Schemathesis (`hooks` in its settings): of what its coverage phase makes of an operation, every seventh.

Each operation and each kind of case is still tried, of so many; every third at length, and the campaign tries them all.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import schemathesis

# Read by a Python that knows nothing of `tests.at_length`.
ONE_OF = 3 if "TESTS_AT_LENGTH" in os.environ else 7

_seen: Counter[str] = Counter()


@schemathesis.hook
def filter_case(_: Any, case: Any) -> bool:
    if case.meta is None or case.meta.phase.name.value != "coverage":
        return True
    _seen[case.operation.label] += 1
    # Not in step with what is made in threes of each member.
    return (_seen[case.operation.label] + len(_seen)) % ONE_OF == 1 or _seen[case.operation.label] == 1
