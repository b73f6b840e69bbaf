"""Who is refused before his ledger is known is not told that nothing was done with a key whose COMMIT was lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from tests.gateway.ground import JSON, KEY, PRINCIPAL, Ground, Keys
from zerosum.domain.errors import Unavailable
from zerosum.gateway import app as gateway_app
from zerosum.gateway.identity.principal import Principal
from zerosum.services.committing.unknown_keys import UnknownKeys

LOST = (UUID(int=5), "lost")
ITEMS = b'{"items":[]}'


class Away(Keys):
    """The database would have to say whose a credential is."""

    async def authenticate(self, headers: Sequence[bytes], now_monotonic: float) -> Principal:
        raise Unavailable("The database cannot be reached; nothing was done.", retry_after=1)


def away(keys: UnknownKeys) -> Ground:
    ground = Ground(unknown_keys=keys)
    ground.gateway._authentication = Away()
    return ground


def busy(keys: UnknownKeys) -> Ground:
    return Ground(unknown_keys=keys, in_flight_max=0)


@pytest.mark.parametrize(("making", "code"), [(away, "unavailable"), (busy, "overloaded")])
async def test_it_is_unknown_until_it_is_known(making: Callable[[UnknownKeys], Ground], code: str) -> None:
    keys = UnknownKeys()
    ground = making(keys)

    async def told(path: str, *given: bytes) -> tuple[int, str]:
        headers = [KEY, JSON, *((b"idempotency-key", key) for key in given)]
        reply = await ground.ask("POST", path, headers, ITEMS)
        return reply.status, reply.code

    known, unknown = (503, code), (504, "outcome_unknown")
    for path in ("/pay", "/slow/pay", "/optional", "/bulk"):
        assert await told(path, b"lost") == known
    keys.add([LOST])
    for path in ("/pay", "/slow/pay", "/optional", "/express"):
        assert await told(path, b"lost") == await told(path, b'"lost"') == unknown
        assert await told(path, b"other") == await told(path) == await told(path, b"a b") == known
    assert await told("/pay", b"a b", b"lost") == unknown
    assert await told("/bulk") == unknown, "its keys are in a body that nobody has read"
    keys.forget([LOST])
    assert await told("/pay", b"lost") == await told("/bulk") == known
    assert ground.calls == []


async def test_a_write_for_which_the_time_was_up_is_unknown_until_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an endpoint has told as unknown, or has not come to tell, is so for whoever asks again."""
    monkeypatch.setattr(gateway_app, "REQUEST_SECONDS_MAX", 0.01)
    keys = UnknownKeys()
    headers = [KEY, JSON, (b"idempotency-key", b"late")]
    late = await Ground(unknown_keys=keys, takes_forever=True).ask("POST", "/slow/pay", headers, ITEMS)
    assert late.code == "outcome_unknown"
    assert (await busy(keys).ask("POST", "/slow/pay", headers, ITEMS)).code == "outcome_unknown"
    assert keys.has_any([(PRINCIPAL.ledger_id, "late")])
    assert (await Ground(unknown_keys=keys, takes_forever=True).ask("GET", "/read", [KEY])).code == "unavailable"
    assert len(keys) == 1


async def test_other_refusals_are_what_they_are() -> None:
    keys = UnknownKeys()
    keys.add([LOST])
    ground = Ground(unknown_keys=keys)
    headers = [JSON, (b"idempotency-key", b"lost")]
    assert (await ground.ask("POST", "/pay", headers, ITEMS)).code == "unauthenticated"
    assert (await ground.ask("POST", "/admin", [*headers, KEY], ITEMS)).code == "forbidden"
    assert (await ground.ask("POST", "/pay", [*headers, KEY], ITEMS)).status == 200
