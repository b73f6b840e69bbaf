"""Every dashboard there is, in the order in which one looks at them."""

from __future__ import annotations

from dashboards import runbooks
from dashboards.committer import COMMITTER
from dashboards.events import EVENTS
from dashboards.gateway import GATEWAY
from dashboards.grafana import RUNBOOKS_UID, as_json, as_text, texts_as_json
from dashboards.ledger import LEDGER
from dashboards.payments import PAYMENTS
from dashboards.processors import PROCESSORS

DASHBOARDS = (PAYMENTS, LEDGER, COMMITTER, EVENTS, GATEWAY, PROCESSORS)


def files() -> dict[str, str]:
    """What deploy/grafana/dashboards/ holds."""
    numbers = runbooks.numbers()
    made = {f"{board.name}.json": as_text(as_json(board, DASHBOARDS, numbers)) for board in DASHBOARDS}
    pages = [(numbers[name], name, text) for name, text in runbooks.pages().items()]
    says = "What each alert means, what to look at, what to do."
    return made | {"runbooks.json": as_text(texts_as_json(RUNBOOKS_UID, "Runbooks", says, pages))}
