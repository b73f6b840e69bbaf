"""python -m benchmarks (or `make bench`)."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def _main() -> int:
    try:
        from benchmarks.command import main  # noqa: PLC0415 - Ctrl-C while this loads is told as plainly as later

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return INTERRUPTED


sys.exit(_main())
