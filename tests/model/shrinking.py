"""From a sequence that shows a difference to a short one that still does."""

from __future__ import annotations

from tests.model.running import Ground, Run, Sequence_, Step

WAIT = Step("wait", 0)
TRIES_MAX = 100


async def shrunk(ground: Ground, run: Run) -> Run:
    """Pieces are left out, halves first, and all that one can do without at once are tried at the same time."""
    best = await _first_different(ground, [run.sequence[: run.steps]]) or run
    size = max(len(best.sequence) // 2, 1)
    for _ in range(TRIES_MAX):
        found = await _first_different(ground, _without_pieces(best.sequence, size))
        if found is not None:
            best = found
        elif size > 1:
            size //= 2
        else:
            break
    together = tuple(step for step in best.sequence if step.verb != "wait")
    return await _first_different(ground, [together]) or best


def _without_pieces(sequence: Sequence_, size: int) -> list[Sequence_]:
    """Each piece replaced by waiting, so that what follows happens at the same time as before."""
    candidates = []
    for start in range(0, len(sequence), size):
        piece = sequence[start : start + size]
        if any(step != WAIT for step in piece):
            candidates.append((*sequence[:start], *[WAIT] * len(piece), *sequence[start + size :]))
    return candidates


async def _first_different(ground: Ground, candidates: list[Sequence_]) -> Run | None:
    if not candidates or not any(candidates):
        return None
    return next((run for run in await ground.run(candidates) if run.difference is not None), None)
