import asyncio
import resource
import time

from tests.committer.ground import *
from tests.committer.ground import Ground, connecting, running_committer


async def test_speed(database, ledger_id, test_database):
    g = Ground(database, ledger_id)
    acc = await g.open(50, floor=None)
    async with running_committer(connecting(test_database.service_dsn)) as c:
        for b in range(100):
            await asyncio.gather(
                *[
                    c.carry_out(
                        g.transfer(
                            acc[i % 50],
                            acc[(i * 7 + b + 1) % 50 if (i * 7 + b + 1) % 50 != i % 50 else (i + 1) % 50],
                            "1.00",
                        )
                    )
                    for i in range(500)
                ]
            )
    conn = await __import__("asyncpg").connect(test_database.superuser_dsn)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    from zerosum.services.integrity import LedgerProof

    p = LedgerProof(ledger_id)
    per = {}
    worst = 0
    n = 0
    while True:
        t = time.perf_counter()
        async with database.snapshot(ledger_id) as con:
            last = await p.take_slice(con)
        k = type(p._parts[0]).__name__ if p._parts else "end"
        per[k] = per.get(k, 0) + time.perf_counter() - t
        worst = max(worst, time.perf_counter() - t)
        n += 1
        if last:
            break
    print("SPEED slices", n, "worst", round(worst, 3), per, p.report.breaks[:1])
    await conn.close()
