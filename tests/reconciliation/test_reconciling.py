"""From a file to its matches, its breaks, and the report."""

from __future__ import annotations

from tests.api.conftest import Client
from tests.reconciliation.ground import breaks, csv_of, entry, make_source, open_bank, report, sent, today


async def test_a_file_is_matched_by_reference_and_what_is_left_is_told(client: Client) -> None:
    await open_bank(client)
    (await make_source(client)).raise_for_status()
    one = await entry(client, "100.00", key="order-1")
    await entry(client, "-40.00", key="order-2")
    lost = await entry(client, "7.00", key="order-3")
    file = await sent(
        client,
        csv_of(
            f"{today()},b1,order-1,100.00,in",
            f"{today()},b2,order-2,-40.00,out",
            f"{today()},b3,unknown,-2.50,fee",
        ),
    )
    told = {name: file[name] for name in ("lines", "money_in", "money_out", "matched", "open_breaks", "is_matched")}
    assert told == {
        "lines": 3,
        "money_in": "100.00",
        "money_out": "42.50",
        "matched": 2,
        "open_breaks": 1,
        "is_matched": True,
    }
    found = {(one["kind"], one["amount"], one["line"], one["journal_entry"]) for one in await breaks(client)}
    assert found == {("missing_here", "-2.50", 3, None), ("missing_there", "7.00", None, lost["id"])}
    assert one["id"] not in {one["journal_entry"] for one in await breaks(client)}
    (day,) = (await report(client))["days"]
    assert (day["lines"], day["matched"], day["matched_sum"], day["explained"]) == (3, 2, "60.00", 0)
    assert (day["unexplained"], day["unexplained_difference"]) == (2, "-9.50")
