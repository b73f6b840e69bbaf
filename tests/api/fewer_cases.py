"""Read by Schemathesis (`hooks` in its settings): of what its coverage phase makes of an operation, every third.

Each operation and each kind of case is still tried, of so many; the campaign tries them all.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import schemathesis

ONE_OF = 3

_seen: Counter[str] = Counter()


@schemathesis.hook
def filter_case(_: Any, case: Any) -> bool:
    if case.meta is None or case.meta.phase.name.value != "coverage":
        return True
    _seen[case.operation.label] += 1
    # Not in step with what is made in threes of each member.
    return (_seen[case.operation.label] + len(_seen)) % ONE_OF == 1 or _seen[case.operation.label] == 1
