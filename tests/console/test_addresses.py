"""Whatever stands in an address of the console gets a page that tells what is wrong."""

from __future__ import annotations

import re

import pytest

from tests.console.conftest import OWN_PAGE, Person, browser
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

STRANGE = ("a%2Fb", "..%2F..", "%00", "%ff", "é", "x" * 300, "-1", "9" * 40, "<b>", "acc_", "{x}", "%20")
QUERIES = ("cursor=%00", "cursor=AAAA", "no_such=1", "cursor=a&cursor=b", "done=1&cursor=%ff", "%zz=1")


@pytest.mark.parametrize("strange", STRANGE)
async def test_no_part_of_an_address_breaks_a_page(admin: Person, service: Service, strange: str) -> None:
    for route in service.console.routes:
        template = route.template.replace("{ledger}", admin.ledger)
        if route.method != "GET" or route.is_open or "{" not in template:
            continue
        answer = await admin.get(re.sub(r"\{\w+\}", strange.replace("\\", ""), template))
        assert answer.status_code < 500, f"{template} with {strange}: {answer.text}"


@pytest.mark.parametrize("query", QUERIES)
async def test_no_parameter_breaks_a_page(admin: Person, service: Service, query: str) -> None:
    for route in service.console.routes:
        template = route.template.replace("{ledger}", admin.ledger)
        if route.method != "GET" or route.is_open or "{" in template:
            continue
        answer = await admin.get(f"{template}?{query}")
        assert answer.status_code < 500, f"{template}?{query}: {answer.text}"


async def test_no_filter_breaks_a_list(admin: Person, service: Service) -> None:
    for nav in service.console.nav:
        path = "/".join(("", *nav.place))
        form = re.search(r'<form class="filters".*?</form>', await admin.page(path), re.DOTALL)
        for name in re.findall(r'name="(\w+)"', form[0] if form is not None else ""):
            for value in ("%00", "%25_", "x" * 300, "-1", "9" * 40, "2026-13-45", "NaN", "acc_1", "%ED%A0%80"):
                answer = await admin.get(f"{path}?{name}={value}")
                assert answer.status_code < 500, f"{path}?{name}={value}: {answer.text}"


async def test_an_address_with_a_slash_in_its_ledger_is_no_ledgers(admin: Person, service: Service) -> None:
    """Least of all the service's own, whose log tells of everybody."""
    for route in service.console.routes:
        if route.is_open or "{ledger}" not in route.template:
            continue
        path = re.sub(r"\{\w+\}", "x", route.template.replace("{ledger}", "x%2Fy"))
        form = {"csrf": await admin.csrf(), "reason": "a test", "name": "k", "scope.admin": "on"}
        answer = await (admin.get(path) if route.method == "GET" else admin.post(path, form))
        assert answer.status_code == 404, f"{route.method} {path}: {answer.status_code}"


async def test_what_a_browser_says_of_itself_breaks_nothing(service: Service, ledger_id: LedgerId) -> None:
    person = await browser(service, ledger_id)
    answer = await person.get("/payments", headers={"HX-Request": "true", "HX-Current-URL": "http://["})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/console/sign-in")
    answer = await person.post("/console/sign-in/link", {"link": "x"}, headers={"Origin": "http://["})
    assert answer.status_code == 403, answer.text
    assert (await person.post("/console/sign-in/link", {"link": "x"}, headers=OWN_PAGE)).status_code == 401


@pytest.mark.parametrize("part", ["a%20b", "a%7Cb", "%C3%A9", "a%3Cb", "a'b"])
async def test_whatever_was_asked_for_signing_in_leads_there(service: Service, ledger_id: LedgerId, part: str) -> None:
    person = await browser(service, ledger_id)
    answer = await person.get(f"/accounts/{part}")
    assert answer.status_code == 303
    assert (await person.get(answer.headers["location"])).status_code == 200
