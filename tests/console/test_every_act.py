"""A walk over every act: none is done for another site, without this session's token, or without a reason."""

from __future__ import annotations

from collections.abc import Iterator

from tests.console.conftest import OWN_PAGE, Person
from tests.console.test_roles import address
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

WITHOUT_REASON = (
    "/console/step-up",
    *(f"/console/{{ledger}}/views/{{page}}/{name}" for name in ("keep", "rename", "delete")),
)
"""What changes nothing but the session, and what is a person's own."""


def acts(service: Service, ledger: LedgerId, *besides: str) -> Iterator[str]:
    for route in service.console.routes:
        if route.method == "POST" and not route.is_open and route.template not in besides:
            yield address(route, ledger)


async def test_nothing_is_done_for_another_site_or_without_the_token(
    service: Service, ledger_id: LedgerId, admin: Person
) -> None:
    csrf = await admin.csrf()
    for path in acts(service, ledger_id):
        for form, headers in (
            ({"csrf": csrf, "reason": "x"}, {"Sec-Fetch-Site": "cross-site"}),
            ({"csrf": csrf, "reason": "x"}, {}),
            ({"csrf": "0" * 64, "reason": "x"}, OWN_PAGE),
            ({"reason": "x"}, OWN_PAGE),
        ):
            refused = await admin.post(path, form, headers=headers)
            assert (refused.status_code, "write_refused" in refused.text) == (403, True), path
    log = await admin.http.get(f"/console/{admin.ledger}/audit-log?type=console.acted")
    assert "Nothing fits" in log.text


async def test_nothing_is_done_without_a_reason(service: Service, ledger_id: LedgerId, admin: Person) -> None:
    for path in acts(service, ledger_id, *WITHOUT_REASON):
        for reason in ("", "   ", "x" * 501):
            refused = await admin.act(path, reason=reason)
            assert (refused.status_code, "validation_error" in refused.text) == (422, True), path
