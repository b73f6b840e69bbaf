"""How what is said about people is sealed: one way in one place, another in every other, opened in none but its own."""

from __future__ import annotations

import pytest

from zerosum.db.identifiers import new_uuid
from zerosum.services.credentials.envelope import SealBroken
from zerosum.services.credentials.personal_sealing import MembersPlace, commitment, open_members, seal_members

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
PLACE = MembersPlace(new_uuid(), "person-1", "order-1")
MEMBERS = {"name": "Ada", "ä": "\u2028"}
ELSEWHERE = [
    PLACE._replace(ledger_id=new_uuid()),
    PLACE._replace(subject="person-2"),
    PLACE._replace(idempotency_key="order-2"),
    # Written one after the other these would be what the first place is.
    PLACE._replace(subject="person-1order", idempotency_key="-1"),
]


def test_one_order_is_sealed_in_one_way_and_opens() -> None:
    sealed = seal_members(KEY, MEMBERS, PLACE)
    assert sealed == seal_members(KEY, dict(reversed(MEMBERS.items())), PLACE)
    assert open_members(KEY, sealed, PLACE) == MEMBERS


def test_whatever_differs_is_sealed_otherwise() -> None:
    others = [seal_members(KEY, MEMBERS, place) for place in ELSEWHERE]
    others += [seal_members(OTHER_KEY, MEMBERS, PLACE), seal_members(KEY, {**MEMBERS, "name": "Ida"}, PLACE)]
    everything = [seal_members(KEY, MEMBERS, PLACE), *others]
    assert len({commitment(one) for one in everything}) == len(everything)
    assert len({one.split("|")[1] for one in everything}) == len(everything), "each has a nonce of its own"


@pytest.mark.parametrize("place", ELSEWHERE)
def test_it_opens_nowhere_else(place: MembersPlace) -> None:
    with pytest.raises(SealBroken):
        open_members(KEY, seal_members(KEY, MEMBERS, PLACE), place)


def test_what_was_changed_or_is_under_another_key_does_not_open() -> None:
    sealed = seal_members(KEY, MEMBERS, PLACE)
    version, tag, text = sealed.split("|")
    tampered = [f"v2|{tag}|{text}", f"{version}|{text}|{tag}", f"{version}|{tag}", "", sealed[:-1], sealed + "A"]
    # The tag beyond the nonce is no part of what the cipher checks.
    tampered.append(f"{version}|{tag[:20]}{'A' if tag[20] != 'A' else 'B'}{tag[21:]}|{text}")
    for one in tampered:
        with pytest.raises(SealBroken):
            open_members(KEY, one, PLACE)
    with pytest.raises(SealBroken):
        open_members(OTHER_KEY, sealed, PLACE)
