"""Processes beside `zerosum verify`: each proves pieces of a ledger, in the snapshot that the first one holds open."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from uuid import UUID

from zerosum.cli.talk import CommandFailed
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import Unavailable
from zerosum.services.proofs.in_pieces import Prove
from zerosum.services.proofs.pieces import Found, Piece, prove_piece_of

JOBS_MAX = 64
"""Each has a connection to PostgreSQL, of which there are not many more."""

WITHOUT_TIMEOUT = "0"
"""A piece may take long, and the snapshot waits for all of them."""


def usual_jobs() -> int:
    """As many as there are processors for us."""
    return min(JOBS_MAX, len(os.sched_getaffinity(0)))


@contextmanager
def proving(database_url: str, jobs: int) -> Iterator[Prove]:
    """So many processes, begun as soon as there is something to prove. What they have begun is ended first."""
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (database_url,))

    async def prove(ledger_id: UUID, snapshot: str, piece: Piece) -> Found:
        try:
            found = await asyncio.get_running_loop().run_in_executor(pool, _prove, ledger_id, snapshot, piece)
        except BrokenProcessPool:
            raise CommandFailed("a process of the verification has died: there may be too many `--jobs`") from None
        if isinstance(found, str):
            raise Unavailable(found)
        return found

    try:
        yield prove
    finally:
        pool.shutdown(cancel_futures=True)


class _Worker:
    """What such a process has: a connection, and a loop that lasts from one piece to the next."""

    runner: asyncio.Runner
    database: Database


def _begin(database_url: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process, which ends all in good order.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Worker.runner = asyncio.Runner()
    _Worker.database = Database(make_engine(database_url, 1, WITHOUT_TIMEOUT, WITHOUT_TIMEOUT))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _prove(ledger_id: UUID, snapshot: str, piece: Piece) -> Found | str:
    """Or what PostgreSQL being away is called."""
    try:
        return _Worker.runner.run(prove_piece_of(_Worker.database, ledger_id, snapshot, piece))
    except Unavailable as error:
        return error.detail
