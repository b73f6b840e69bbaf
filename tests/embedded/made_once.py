"""A data folder that the product has made, to be copied where it is not the making that is tested.

To make a database takes a second of processor time, to copy one a third of that.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from zerosum.embedded import DataDir, EmbeddedPostgres


def copy_of_a_data_folder(path: Path) -> None:
    """With a database in it that has been started and stopped once. There must be nothing at `path` yet."""
    subprocess.run(["cp", "-a", str(_made_once()), str(path)], check=True)


@functools.cache
def _made_once() -> Path:
    home = Path(tempfile.mkdtemp(prefix="zerosum-made-"))
    home.chmod(0o711)  # as root the server runs as another account, which must pass through
    atexit.register(shutil.rmtree, home)
    with DataDir(home / "data", state_root=home / "state") as data_dir:
        server = EmbeddedPostgres(data_dir, notify=lambda _: None)
        server.start()
        server.stop()
    for name in ("ports", "logs"):
        shutil.rmtree(home / "data" / name)  # as of a folder that never was in use
    return home / "data"
