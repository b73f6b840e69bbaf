"""A copy against the manifest that the server has sent with it: every file, every byte.

`pg_verifybackup` does the same. It is not in every package, and in one that we use it does not run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from zerosum.embedded.backups.segments import SEGMENT_BYTES, following, segment_of

MANIFEST_NAME = "backup_manifest"
BLOCK_BYTES = 1024 * 1024
DIFFERENCES_MAX = 3


@dataclass(frozen=True, slots=True)
class Manifest:
    files: dict[str, tuple[int, str]]
    """Size and SHA-256 of each; what is in `pg_wal` is not among them."""
    first_segment: str
    last_segment: str

    @classmethod
    def read(cls, database: Path) -> Manifest:
        """Raises ValueError for one that is cut off or was changed."""
        content = (database / MANIFEST_NAME).read_bytes()
        try:
            facts = json.loads(content)
            # The last line is the sum over the lines before it.
            summed = content[: content.rstrip().rindex(b"\n") + 1]
            if sha256(summed).hexdigest() != facts["Manifest-Checksum"]:
                raise ValueError("its manifest was changed")
            (needed,) = facts["WAL-Ranges"]
            first, last = (segment_of(int(needed["Timeline"]), needed[name]) for name in ("Start-LSN", "End-LSN"))
            return cls(dict(_file(one) for one in facts["Files"]), first, last)
        except (KeyError, TypeError):
            raise ValueError("its manifest says something else than it should") from None

    def differences(self, database: Path) -> list[str]:
        """What is not as it was copied, a few of them."""
        here = {str(path.relative_to(database)): path for path in database.rglob("*") if path.is_file()}
        found = []
        for name, (size, checksum) in self.files.items():
            path = here.pop(name, None)
            if path is None:
                found.append(f"{name} is missing")
            elif path.stat().st_size != size or _sum(path) != checksum:
                found.append(f"{name} is not as it was copied")
            if len(found) >= DIFFERENCES_MAX:
                return found
        segment = self.first_segment
        while segment <= self.last_segment:
            path = here.get(f"pg_wal/{segment}")
            if path is None or path.stat().st_size != SEGMENT_BYTES:
                found.append(f"pg_wal/{segment} is missing or cut off")
            segment = following(segment)
        found += [f"{name} was put in" for name in here if name != MANIFEST_NAME and not name.startswith("pg_wal/")]
        return found[:DIFFERENCES_MAX]


def _file(facts: dict[str, Any]) -> tuple[str, tuple[int, str]]:
    encoded = facts.get("Encoded-Path")
    name = facts["Path"] if encoded is None else bytes.fromhex(encoded).decode(errors="surrogateescape")
    if facts["Checksum-Algorithm"] != "SHA256":
        raise ValueError("its manifest has weaker checksums than were asked for")
    return name, (int(facts["Size"]), facts["Checksum"])


def _sum(path: Path) -> str:
    found = sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            found.update(block)
    return found.hexdigest()
