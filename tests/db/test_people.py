"""Who stands behind keys that were made before that was written down."""

from __future__ import annotations

from uuid import UUID

from alembic.script import ScriptDirectory

from tests.conftest import Servers
from tests.db.rows import insert_plain_row
from tests.db.servers import connected, described_database
from zerosum.db.schema.migrations import script_folder
from zerosum.db.schema.tables import api_keys


async def test_keys_of_before_belong_to_whoever_has_made_them(servers: Servers, worker_id: str) -> None:
    revision = ScriptDirectory(str(script_folder())).get_revision("0046")
    assert revision is not None
    ledger, other = UUID(int=1), UUID(int=2)
    makers = {  # by whom each was made, and who is to stand behind it
        1: ("command|root", None),
        2: (f"key_{UUID(int=1)}", f"key_{UUID(int=1)}"),
        3: (f"key_{UUID(int=2)}", f"key_{UUID(int=1)}"),
        4: ("console|ann", "console|ann"),
        5: (f"key_{UUID(int=4)}", "console|ann"),
        6: (None, None),
        7: (f"key_{UUID(int=99)}", None),  # of another ledger: an operator's
    }
    async with described_database(servers, f"zerosum_people_{worker_id}") as dsn, connected(dsn) as connection:
        for place in (ledger, other):
            for number, (maker, _) in makers.items():
                given = {"ledger_id": place, "id": UUID(int=number), "created_by": maker, "person": None}
                await insert_plain_row(connection, api_keys, **given)
        await connection.execute(revision.module.PEOPLE)
        rows = await connection.fetch("select id, person from api_keys order by id")
    assert [(row["id"].int, row["person"]) for row in rows] == [
        (number, person) for number, (_, person) in makers.items() for _ in range(2)
    ]
