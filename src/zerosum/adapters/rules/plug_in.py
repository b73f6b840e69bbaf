"""Plug-ins that judge payments, each in processes of its own: what hangs is ended, and what it breaks is its own.

A thread would not do: one that computes for ever cannot be ended, and keeps everybody from the interpreter meanwhile.
The child knows no setting and no secret of the service; it is spoken to in lines of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from zerosum.adapters.rules.contract import RulePayment, RuleVerdict, Verdict

LINE_BYTES_MAX = 64 * 1024
START_SECONDS = 10.0
"""An interpreter, and what the plug-in imports: longer than an answer may take."""

_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8"}
"""All that it is given: nothing of the service's own."""


class PlugInFailed(Exception):
    """It has raised, or given no answer that can be read. The message is what it says."""


class PlugIn:
    """As many processes as are asked at once, each begun when it is needed."""

    def __init__(self, entry_point: str, name: str, options: Mapping[str, Any], at_once: int) -> None:
        self._first_line = json.dumps({"entry_point": entry_point, "name": name, "options": dict(options)}).encode()
        self._at_once = at_once
        self._idle: list[asyncio.subprocess.Process] = []
        self._beginning: set[asyncio.Task[None]] = set()
        self._failure: Exception | None = None
        """Why the last one could not begin."""
        self._is_closed = False

    async def ask(self, payment: RulePayment, seconds: float) -> RuleVerdict:
        """One that has not begun in this time goes on beginning, and is there for the next.

        One that has raised, and said so, goes on: or whoever sends what it cannot judge would take it from all others.
        """
        async with asyncio.timeout(seconds):
            process = await self._ready()
            try:
                said = await _said(process, json.dumps(asdict(payment)).encode())
            except BaseException:
                await _end(process)
                raise
        await self._keep(process)
        return _verdict(said)

    async def _ready(self) -> asyncio.subprocess.Process:
        """Raises PlugInFailed."""
        self._idle = [process for process in self._idle if process.returncode is None]  # One may have ended meanwhile.
        while not self._idle:
            if len(self._beginning) < self._at_once:
                task = asyncio.create_task(self._begin(), name="plug-in begins")
                self._beginning.add(task)
                task.add_done_callback(self._beginning.discard)
            done, _ = await asyncio.wait(self._beginning, return_when=asyncio.FIRST_COMPLETED)
            if not self._idle and done and self._failure is not None:
                raise PlugInFailed(str(self._failure) or type(self._failure).__name__)
        return self._idle.pop()

    async def _begin(self) -> None:
        try:
            process = await self._begun()
        except Exception as error:
            self._failure = error
        else:
            self._failure = None
            await self._keep(process)

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        if self._is_closed:
            await _end(process)
        else:
            self._idle.append(process)

    async def close(self) -> None:
        """Those that are asked just now end when they have answered."""
        self._is_closed = True
        while self._idle:
            await _end(self._idle.pop())

    async def check(self) -> None:
        """Raises PlugInFailed where it cannot be loaded with these options."""
        await _end(await self._begun())

    async def _begun(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "zerosum.adapters.rules.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
            limit=LINE_BYTES_MAX,
            start_new_session=True,  # A Ctrl-C of the terminal is for the service.
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                said = await _said(process, self._first_line)
        except BaseException:
            await _end(process)
            raise
        if said != {"ready": True}:
            await _end(process)
            raise PlugInFailed(str(said.get("error", "it does not begin")))
        return process


async def _said(process: asyncio.subprocess.Process, line: bytes) -> dict[str, Any]:
    """Raises PlugInFailed."""
    if process.stdin is None or process.stdout is None:
        raise LookupError("the process was begun with pipes")
    try:
        process.stdin.write(line + b"\n")
        await process.stdin.drain()
        answer = await process.stdout.readline()
        content = json.loads(answer)
    except (OSError, ValueError, RecursionError) as error:
        raise PlugInFailed("its process has ended, or has answered what cannot be read") from error
    if not isinstance(content, dict):
        raise PlugInFailed("it has answered what cannot be read")
    return content


def _verdict(said: dict[str, Any]) -> RuleVerdict:
    if "error" in said:
        raise PlugInFailed(str(said["error"]))
    try:
        verdict = Verdict(said["verdict"])
    except (KeyError, ValueError) as error:
        raise PlugInFailed("it has answered no verdict") from error
    reason = said.get("reason")
    return RuleVerdict(verdict, reason if isinstance(reason, str) and reason else None)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await asyncio.shield(process.wait())
