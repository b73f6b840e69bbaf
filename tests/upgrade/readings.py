"""What a ledger tells over HTTP: everything that can be asked of it, so that two revisions can be compared."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Client

LONG_AGO, LATER = "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"
PAGE = {"limit": "200"}

LISTS = ("/v1/accounts", "/v1/payments", "/v1/journal-entries", "/v1/clients", "/v1/currencies")


async def read_everything(client: Client, keys: list[str]) -> dict[str, Any]:
    """Each answer by its path. What only tells the time of asking, or where to go on, is left out."""
    found: dict[str, Any] = {}

    async def read(path: str, **parameters: str) -> Any:
        answer = await client.get(path, params=parameters)
        assert answer.status_code == 200, (path, answer.text)
        body = answer.json()
        asked = "&".join(f"{name}={value}" for name, value in parameters.items() if name != "limit")
        found[f"{path}?{asked}" if asked else path] = _lasting(body, has_instant="as_of" in parameters)
        return body

    for path in LISTS:
        await read(path, **PAGE)
    await read("/v1/api-keys", ledger=client.ledger, **PAGE)
    for account in found["/v1/accounts"]["data"]:
        of_account = f"/v1/accounts/{account['id']}"
        for path in (of_account, f"{of_account}/balance"):
            await read(path)
        await read(f"{of_account}/balance", as_of=LATER)
        await read(f"{of_account}/postings", **PAGE)
        await read(f"{of_account}/statement", **{"from": LONG_AGO, "to": LATER})
    for payment in found["/v1/payments"]["data"]:
        await read(f"/v1/payments/{payment['id']}")
    for one in found["/v1/clients"]["data"]:
        await read(f"/v1/clients/{one['client']}")
        for transaction in (await read(f"/v1/clients/{one['client']}/transactions", **PAGE))["data"]:
            await read(f"/v1/transactions/{transaction['tx']}")
    for key in keys:
        await read(f"/v1/idempotency-keys/{key}")
    await read("/v1/trial-balance")
    return found


def _lasting(body: Any, *, has_instant: bool) -> Any:
    dropped = {"next_cursor"} if has_instant else {"next_cursor", "as_of"}
    return {name: value for name, value in body.items() if name not in dropped}


OF_THE_ASKING = frozenset({"request_id", "as_of"})
"""Made anew for each request: what is asked of a time to come is as of when it is asked."""


def differences(old: Any, new: Any, place: str = "") -> list[str]:
    """What the old one told and the new one tells otherwise. A new revision may tell more."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for name, value in old.items()
            if name not in OF_THE_ASKING
            for line in (
                differences(value, new[name], f"{place}/{name}") if name in new else [f"{place}/{name} is gone"]
            )
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for index, (one, other) in pairs for line in differences(one, other, f"{place}/{index}")]
    return [] if old == new else [f"{place}: {old!r} is now {new!r}"]
