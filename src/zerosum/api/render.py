"""How values are written on the wire."""

from __future__ import annotations

from zerosum.domain.members import in_one_order as in_one_order
from zerosum.domain.moments import render_time as render_time
