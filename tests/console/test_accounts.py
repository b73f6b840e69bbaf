"""Accounts in the console: the list, the tree, a page of one, and what is done to it."""

from __future__ import annotations

import html
import re

import pytest

from tests.api.conftest import Client, make_client
from tests.console.conftest import Person, shown
from zerosum.console.pages import accounts as pages
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

_BRANCH = re.compile(r"<td><a href=\"[^\"]*\">([^<]*)</a></td>")
_NEXT = re.compile(r'rel="next" href="([^"]*)"')
MARKUP = "<img src=x onerror=alert(1)>"


async def test_the_list_is_narrowed_by_its_address(admin: Person, client: Client) -> None:
    await client.open_account("shops:one", name=MARKUP)
    await client.open_account("shops:two", type="asset", currency="JPY", min_available=None)
    page = await admin.page("/accounts")
    assert "shops:one" in page
    assert shown(MARKUP) in page
    assert MARKUP not in page
    narrowed = await admin.page("/accounts", params={"type": "asset", "currency": "JPY", "code_prefix": "shops:"})
    assert "shops:two" in narrowed
    assert "shops:one" not in narrowed
    assert "Take a filter away" in await admin.page("/accounts", params={"status": "closed"})


async def test_an_empty_ledger_says_how_to_begin(admin: Person) -> None:
    for path in ("/accounts", "/account-tree"):
        assert "POST /v1/accounts" in await admin.page(path)


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        ("/accounts", {"status": "molten"}, 422),
        ("/accounts", {"type": "molten"}, 422),
        ("/accounts", {"in_debt": "maybe"}, 422),
        ("/accounts", {"cursor": "forged"}, 400),
        ("/accounts", {"colour": "red"}, 422),
        ("/account-tree", {"as_of": "yesterday"}, 422),
        ("/accounts/acc_nonsense", {}, 422),
        ("/accounts/no:such", {}, 404),
    ],
)
async def test_what_cannot_be_meant_is_refused_on_a_page(
    admin: Person, path: str, parameters: dict[str, str], status: int
) -> None:
    answer = await admin.get(path, params=parameters)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


async def test_the_tree_adds_up_its_branches(admin: Person, client: Client) -> None:
    for name in ("a", "b"):
        await client.open_account(f"shops:berlin:{name}")
        await client.deposit(f"shops:berlin:{name}", "10.25")
    assert "20.50" in await admin.page("/account-tree")
    branch = await admin.page("/account-tree", params={"prefix": "shops:berlin:"})
    assert "shops:berlin:a" in branch
    assert "20.50" not in branch
    before = await admin.page("/account-tree", params={"as_of": "2020-01-01"})
    assert "20.50" not in before


async def test_the_tree_has_pages_however_many_lie_in_a_branch(
    admin: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "BRANCHES_AT_ONCE", 2)
    codes = ["mall", "mall:berlin:a", "mall:berlin:b", "mall:rome:c", "mall:x", "mall:y", "mals"]
    for code in codes:
        await client.open_account(code)
    seen: list[list[str]] = []
    address: str | None = f"/console/{admin.ledger}/account-tree?prefix=mal"
    while address is not None:
        page = await admin.page(address)
        seen.append(_BRANCH.findall(page))
        following = _NEXT.search(page)
        address = None if following is None else html.unescape(following[1])
    assert seen == [["mall", "mall:"], ["mals"]]
    first = await admin.page("/account-tree", params={"prefix": "mall:", "as_of": "2099-01-01"})
    assert _BRANCH.findall(first) == ["mall:berlin:", "mall:rome:"]
    following = _NEXT.search(first)
    assert following is not None
    assert _BRANCH.findall(await admin.page(html.unescape(following[1]))) == ["mall:x", "mall:y"]


async def test_an_accounts_page_tells_its_money_and_its_chain(admin: Person, client: Client) -> None:
    account = await client.open_account("shops:one", name=MARKUP, metadata={"note": MARKUP})
    await client.open_account("shops:two")
    await client.deposit("shops:one", "100.00")
    answer = await client.transfer("shops:one", "shops:two", "30.00")
    assert answer.status_code == 201
    held = {"amount": "20.00", "currency": "USD", "from": "shops:one", "to": "shops:two", "reference": MARKUP}
    assert (await client.post("/v1/holds", held, key="a-hold")).status_code == 201
    page = await admin.page(f"/accounts/{account['id']}")
    assert account["id"] in await admin.page("/accounts/shops:one")
    for text in ("70.00", "20.00", "50.00", 'role="img"', "clearing:internal:USD", shown(MARKUP)):
        assert text in page, text
    assert MARKUP not in page
    last = (await client.get(f"/v1/accounts/{account['id']}/postings")).json()["data"][0]
    assert last["hash"] in page
    viewed = await client.get("/v1/audit-log", params={"type": "console.viewed"})
    assert account["id"] in viewed.text


async def test_a_statement_goes_on_where_its_page_ends(admin: Person, client: Client) -> None:
    await client.open_account("busy")
    for number in range(52):
        await client.deposit("busy", f"{number + 1}.00")
    first = await admin.page("/accounts/busy")
    [onwards] = [line for line in first.splitlines() if 'rel="next"' in line]
    href = onwards.split('href="')[1].split('"')[0].replace("&amp;", "&")
    second = await admin.page(href)
    assert "1.00" in second
    assert 'rel="next"' not in second
    assert (await admin.get("/accounts/other", params={"cursor": href.split("cursor=")[1]})).status_code == 404


async def test_an_account_is_frozen_unfrozen_and_closed_with_a_reason(admin: Person, client: Client) -> None:
    account = await client.open_account("shops:one")
    here = f"/accounts/{account['id']}"
    assert (await admin.act(f"{here}/freeze", reason="")).status_code == 422
    done = await admin.act(f"{here}/freeze", reason="seen by the police")
    assert done.status_code == 303
    assert "Unfreeze" in await admin.page(here)
    assert (await client.get(f"/v1/accounts/{account['id']}")).json()["status"] == "frozen"
    assert "seen by the police" in (await client.get("/v1/audit-log")).text
    assert (await admin.act(f"{here}/unfreeze")).status_code == 303
    assert (await admin.act(f"{here}/close")).status_code == 303
    assert (await client.get(f"/v1/accounts/{account['id']}")).json()["status"] == "closed"
    assert "Close for good" not in await admin.page(here)


async def test_another_ledgers_account_is_not_there(
    admin: Person, service: Service, ledger_id: LedgerId, client: Client
) -> None:
    other = await make_client(service, LedgerId((await service.services.ledgers.create("another")).id))
    account = await other.open_account("theirs")
    for path in (account["id"], "theirs", f"{account['id']}/statements", f"{account['id']}/statements/1"):
        assert (await admin.get(f"/accounts/{path}")).status_code == 404
    assert (await admin.act(f"/accounts/{account['id']}/freeze")).status_code == 404
    assert (await other.get(f"/v1/accounts/{account['id']}")).json()["status"] == "open"
    await other.http.aclose()


async def test_a_code_with_a_slash_has_a_page_like_any_other(admin: Person, client: Client) -> None:
    account = await client.open_account("shops/one")
    await client.open_account("shops/two")
    await client.deposit("shops/one", "9.00")
    assert (await client.transfer("shops/one", "shops/two", "2.00")).status_code == 201
    led = await admin.get("/accounts/shops%2Fone")
    assert led.headers["location"] == f"/console/{admin.ledger}/accounts/{account['id']}"
    page = await admin.page(led.headers["location"])
    assert f'href="/console/{admin.ledger}/accounts/shops%2Ftwo"' in page
    assert (await admin.act("/accounts/shops%2Fone/freeze")).status_code == 303
    assert (await admin.get("/accounts/shops/one")).status_code == 404
