"""Accounts: the list with its filters, the tree of their codes, and what is done to one."""

from __future__ import annotations

from itertools import groupby

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.ledger.account import AccountStatus, AccountType
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.account_administration import CloseAccount, FreezeAccount, UnfreezeAccount

FILTERS = ("type", "currency", "status", "code_prefix", "in_debt")
WORDS = {"type": AccountType, "status": AccountStatus, "in_debt": ("true",)}
SEPARATOR = ":"
BRANCHES_AT_ONCE = 100


def account_pages(console: Console) -> None:
    accounts, reports = console.services.accounts, console.services.account_reports

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "accounts", FILTERS, words=WORDS)
        page = await accounts.list(view.caller, request)
        return view.show(
            "accounts.html",
            accounts=page.items,
            next=next_page(view, request, page, "accounts"),
            given=request.filters,
            types=list(AccountType),
            statuses=list(AccountStatus),
        )

    async def tree(view: View) -> HttpAnswer:
        request = page_request(view, "account tree", ("prefix", "as_of", "recorded_as_of"), size=BRANCHES_AT_ONCE)
        prefix = request.filters.get("prefix", "")
        found = await reports.page(view.caller, request)
        return view.show(
            "account_tree.html",
            branches=[(name, list(lines)) for name, lines in groupby(found.lines.items, key=lambda line: line.branch)],
            as_of=found.as_of,
            prefix=prefix,
            given=request.filters,
            above=above(prefix),
            next=next_page(view, request, found.lines, "account-tree"),
        )

    console.page(
        "/{ledger}/accounts",
        listed,
        needs=Scope.ACCOUNTS_READ,
        nav=Nav(group="Books", title="Accounts", key="a", also=("account-tree",)),
    )
    console.page("/{ledger}/account-tree", tree, needs=Scope.REPORTS_READ, is_report=True)
    _add_acts(console)


def above(prefix: str) -> list[tuple[str, str]]:
    """The branches that this one lies in, from the whole chart on: what each is called, and its prefix."""
    parts = prefix.split(SEPARATOR)[:-2] if prefix.endswith(SEPARATOR) else prefix.split(SEPARATOR)[:-1]
    found = [] if not prefix else [("All accounts", "")]
    for count in range(1, len(parts) + 1):
        found.append((parts[count - 1], SEPARATOR.join(parts[:count]) + SEPARATOR))
    return found


def _add_acts(console: Console) -> None:
    carry_out = console.services.account_administration.carry_out

    async def freeze(view: View) -> HttpAnswer:
        await carry_out(view.caller, FreezeAccount(account=view.path["account"], reason=view.reason))
        return view.go_to("accounts", view.path["account"])

    async def unfreeze(view: View) -> HttpAnswer:
        reopen = view.form.get("reopen") == "true"
        order = UnfreezeAccount(account=view.path["account"], reason=view.reason, reopen=reopen)
        await carry_out(view.caller, order)
        return view.go_to("accounts", view.path["account"])

    async def close(view: View) -> HttpAnswer:
        await carry_out(view.caller, CloseAccount(account=view.path["account"], reason=view.reason))
        return view.go_to("accounts", view.path["account"])

    for name, act in (("freeze", freeze), ("unfreeze", unfreeze), ("close", close)):
        template = f"/{{ledger}}/accounts/{{account}}/{name}"
        console.act(template, act, needs=Scope.ACCOUNTS_WRITE, name=f"{name} an account")
