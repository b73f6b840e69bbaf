"""What became of the rows: counted, and told row by row to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zerosum.ingest.client_files.rows import Row

Tell = Callable[[str, Row, str], None]
"""Is told the input's name, the row, and the reason."""


@dataclass(slots=True)
class Tally:
    """`rows` = carried out + refused + malformed. Blank lines and headers are no rows."""

    carried_out: int = 0
    refused: int = 0
    malformed: int = 0
    late: int = 0
    """Of the rows, those that came later than the window of `--order time` could put right."""

    @property
    def rows(self) -> int:
        return self.carried_out + self.refused + self.malformed
