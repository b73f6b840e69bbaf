"""Dead letters by the API: read, replayed under the message's own key, dropped."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Client
from tests.api.reading import refused
from tests.ingest.ground import as_lines, caller_of, deposit
from tests.ingest.test_lines import read_to_the_end
from zerosum.domain.messages import DeadLetterStatus, Message, Partition
from zerosum.main import Service


async def letters(client: Client, **parameters: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/dead-letters", params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def put_aside(service: Service, client: Client, content: Any, place: str = "1", **members: Any) -> str:
    """A message that was given up, as after a defect that is mended now."""
    body = as_lines([content]).strip()
    message = Message(
        partition=Partition("test", "payments"),
        place=place,
        is_named_for_ever=True,
        body=body,
        body_bytes=members.pop("body_bytes", len(body)),
    )
    ingestion = service.services.ingestion
    status = members.pop("status", DeadLetterStatus.DEAD)
    record = ingestion.put_aside(message, status, "internal_error", {}, 5)
    await ingestion.only_set_aside(caller_of(client), [record])
    return f"dl_{record.id}"


async def test_poison_is_listed_with_why_and_shown_with_its_message(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    lines = as_lines([b"not json \xff", deposit(a, amount="1e5", key="k"), {"command": "fly"}, deposit(a, key="good")])
    await read_to_the_end(service, client, lines)
    found = await letters(client)
    assert {one["reason"] for one in found} == {"invalid_encoding", "invalid_amount", "unknown_command"}
    amount = next(one for one in found if one["reason"] == "invalid_amount")
    assert amount["problem"]["errors"][0]["pointer"] == "/amount"
    shown = (await client.get(f"/v1/dead-letters/{amount['id']}")).json()
    assert '"1e5"' in shown["body"]
    assert await letters(client, status="replayed") == []
    assert len(await letters(client, input="stdin", status="dead", limit=2)) == 2


async def test_a_replay_has_its_effect_once_however_often(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    letter = await put_aside(service, client, deposit(a, "5.00"))
    for replayed in (False, True):
        answer = await client.post(f"/v1/dead-letters/{letter}/replay")
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "replayed"
        assert answer.json()["outcome"]["replayed"] is replayed
        assert (await client.balance(a))["posted"] == "5.00"
    refused(await client.post(f"/v1/dead-letters/{letter}/drop"), 409, "dead_letter_settled")
    (told,) = (
        await client.get("/v1/audit-log", params={"type": "dead_letter.replayed", "ledger": client.ledger})
    ).json()["data"]
    assert told["resource"] == letter
    assert told["facts"] == {"input": "test", "place": "1", "code": "internal_error", "outcome": "done"}


async def test_a_drop_stands_in_the_security_log(service: Service, client: Client) -> None:
    letter = await put_aside(service, client, {"command": "fly"})
    for _ in range(2):
        assert (await client.post(f"/v1/dead-letters/{letter}/drop")).json()["status"] == "dropped"
    found = (await client.get("/v1/audit-log", params={"type": "dead_letter.dropped"})).json()["data"]
    (told,) = [one for one in found if one["ledger"] == client.ledger]  # An admin sees those of all.
    assert (told["resource"], told["facts"]["code"]) == (letter, "internal_error")


async def test_what_is_still_poison_stays_dead(service: Service, client: Client) -> None:
    letter = await put_aside(service, client, {"command": "fly"})
    answer = (await client.post(f"/v1/dead-letters/{letter}/replay")).json()
    assert (answer["status"], answer["reason"], answer["attempts"]) == ("dead", "unknown_command", 6)
    cut = await put_aside(service, client, {"command": "fly"}, "2", body_bytes=10_000_000)
    assert (await client.post(f"/v1/dead-letters/{cut}/replay")).json()["reason"] == "body_too_large"


async def test_a_replay_that_the_books_refuse_is_an_answer(service: Service, client: Client) -> None:
    letter = await put_aside(service, client, deposit("nobody:there"))
    answer = (await client.post(f"/v1/dead-letters/{letter}/replay")).json()
    assert (answer["status"], answer["reason"]) == ("replayed", "account_not_found")


async def test_a_dropped_one_stays_to_be_read_and_is_not_carried_out(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    letter = await put_aside(service, client, deposit(a))
    for _ in range(2):
        assert (await client.post(f"/v1/dead-letters/{letter}/drop")).json()["status"] == "dropped"
    refused(await client.post(f"/v1/dead-letters/{letter}/replay"), 409, "dead_letter_settled")
    assert (await client.get(f"/v1/dead-letters/{letter}")).json()["status"] == "dropped"


async def test_what_is_tried_again_by_itself_is_left_to_the_consumer(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    letter = await put_aside(service, client, deposit(a), status=DeadLetterStatus.WAITING)
    refused(await client.post(f"/v1/dead-letters/{letter}/replay"), 409, "dead_letter_settled")


async def test_another_ledger_does_not_see_them(service: Service, client: Client, stranger: Client) -> None:
    letter = await put_aside(service, client, {"command": "fly"})
    for way in ("", "/replay", "/drop"):
        ask = stranger.post if way else stranger.get
        refused(await ask(f"/v1/dead-letters/{letter}{way}"), 404, "dead_letter_not_found")
    assert await letters(stranger) == []


async def test_one_that_was_larger_than_usual_is_replayed_all_the_same(service: Service, client: Client) -> None:
    """Its consumer lets messages be so large (`ZEROSUM_INGEST_MESSAGE_BYTES_MAX`)."""
    a = (await client.open_account())["code"]
    letter = await put_aside(
        service, client, as_lines([deposit(a, "1.00", key="large")]).strip()[:-1] + b" " * 100_000 + b"}"
    )
    answer = (await client.post(f"/v1/dead-letters/{letter}/replay")).json()
    assert answer["outcome"]["status"] == "done", answer
