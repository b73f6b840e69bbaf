"""`docs/API.md` names every refusal and every route."""

from __future__ import annotations

from tests.architecture import event_schemas, event_table, refusal_table
from tests.architecture.sources import TOP
from tests.architecture.test_routes import routes
from zerosum.api.problems import STATUSES

PAGE = (TOP / "docs" / "API.md").read_text(encoding="utf-8")
CURE = "Run: make pages"


def test_the_page_names_the_code_of_every_refusal() -> None:
    missing = [refusal.code for refusal in STATUSES if refusal_table.row(refusal) not in refusal_table.shown()]
    assert not missing, f"{missing}: missing in docs/API.md. {CURE}"


def test_the_table_of_refusals_is_what_the_refusals_render() -> None:
    assert refusal_table.shown() == refusal_table.rendered(), CURE


def test_the_page_names_every_route() -> None:
    of_the_manual = {"/docs", "/docs/assets/{name}", "/redoc", "/openapi.json", "/favicon.ico", "/favicon.svg"}
    told = {name.replace(":path}", "}") for name, policy in routes().items() if policy.template not in of_the_manual}
    missing = sorted(name for name in told if f"`{name}`" not in PAGE)
    assert not missing, f"{missing}: name the route in docs/API.md, and show an example where it begins a new resource."


def test_the_table_of_events_is_what_the_types_render() -> None:
    assert event_table.shown() == event_table.rendered(), CURE
    assert event_schemas.PAGE.read_text(encoding="utf-8") == event_schemas.rendered(), CURE
