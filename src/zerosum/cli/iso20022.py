"""`zerosum iso20022`: the runs of a processor that pays out by files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from zerosum.adapters.clock import now
from zerosum.adapters.processors.iso20022.folder import FolderBusy
from zerosum.adapters.processors.iso20022.payouts import FilePayouts
from zerosum.cli.talk import FAILED, USAGE, CommandFailed, put, say, told_plainly
from zerosum.config import load_settings

Result = TypeVar("Result")


@told_plainly
def write_messages(name: str) -> int:
    """Put all that is new into messages for the bank."""
    written = _run(lambda: _payouts(name).write(now()))
    if not written:
        say("nothing is to be paid out")
    for message_id in written:
        put(f"out/{message_id}.xml\n")
    return 0


@told_plainly
def read_files(name: str) -> int:
    """Read what the bank has sent; what a person has to look at makes it fail."""
    complaints = 0
    for file, told in _run(lambda: list(_payouts(name).read())):
        put(f"in/{file}: read\n" if not told else f"in/{file}: {'; '.join(told)}\n")
        complaints += len(told)
    return FAILED if complaints else 0


def _payouts(name: str) -> FilePayouts:
    found = load_settings().processors().get(name)
    if found is None or not isinstance(found.processor, FilePayouts):
        raise CommandFailed(f"there is no processor {name} of the kind iso20022", USAGE)
    return found.processor


def _run(run: Callable[[], Result]) -> Result:
    try:
        return run()
    except FolderBusy as error:
        raise CommandFailed(str(error)) from None
