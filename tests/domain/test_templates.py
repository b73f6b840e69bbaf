"""Templates in the domain: what is read, what balances by construction, and what comes out."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.domain.errors import DivisionByZero, DomainError, TemplateInvalid, Unbalanced
from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.templates.content import PARAMETERS_MAX, read_content
from zerosum.domain.ledger.templates.expression import EXPRESSION_LENGTH_MAX, parse_expression, worked_out
from zerosum.domain.ledger.templates.filled_in import TemplateValues
from zerosum.domain.ledger.templates.lines import rounded_units
from zerosum.domain.money import Currency, Money, RoundingMode

PRICE = {"type": "amount", "currency": "USD"}
PARAMETERS: dict[str, Any] = {"price": PRICE, "tip": PRICE, "fee": {"type": "percent"}}


def line(side: str, amount: str, **members: Any) -> dict[str, Any]:
    return {"side": side, "account": f"{side}s", "amount": amount, **members}


def template(*postings: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    """With the parameters that are named in it, of those above, and these."""
    text = " ".join(posting["amount"] for posting in postings)
    used = {name: one for name, one in PARAMETERS.items() if name in text}
    return {"parameters": used | parameters, "postings": list(postings)}


def amounts(content: dict[str, Any], given: dict[str, str], places: int = 2) -> list[str]:
    values = TemplateValues(read_content(content), given)
    return [str(money) for money in values.money({"USD": Currency("USD", places)})]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", Fraction(7)),
        ("(1 + 2) * 3", Fraction(9)),
        ("10 - 3 - 2", Fraction(5)),
        ("100 / 10 / 4", Fraction(5, 2)),
        ("price * fee%", Fraction(29, 10)),
        ("price * fee / 100 + 0.30", Fraction(32, 10)),
        ("1 / 3 * 3", Fraction(1)),
        (" price-0.01 ", Fraction(9999, 100)),
    ],
)
def test_an_amount_is_worked_out_exactly(text: str, value: Fraction) -> None:
    values = {"price": Fraction(100), "fee": Fraction(29, 10)}
    assert worked_out(parse_expression(text, pointer=""), values) == value


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("price +", 7),
        ("* price", 0),
        ("price fee", 6),
        ("(price", 6),
        ("price)", 5),
        ("price ** 2", 7),
        ("-price", 0),
        ("1.2.3", 0),
        ("1e9", 0),
        (".5", 0),
        ("min(price)", 3),
        ("price if fee", 6),
        ("price # no", 6),
        ("prіce", 2),
        ("٣", 0),
        ("5%%", 2),
        ("", 0),
        ("price\n", 5),
        ("(" * 11 + "1" + ")" * 11, 10),
        ("9" * 21, 0),
    ],
)
def test_what_is_no_arithmetic_is_refused_at_its_position(text: str, position: int) -> None:
    with pytest.raises(TemplateInvalid) as refusal:
        parse_expression(text, pointer="/postings/0/amount")
    assert (refusal.value.facts["position"], refusal.value.pointer) == (position, "/postings/0/amount")


def test_the_longest_amount_is_read_however_it_is_nested() -> None:
    """Twice as deep as the parser goes into itself, it would be a stack overflow and no refusal."""
    longest = "+".join(["p"] * (EXPRESSION_LENGTH_MAX // 2 - 2))
    content = {
        "parameters": {"p": PRICE},
        "postings": [line("debit", longest), line("credit", longest.replace("+", "/1+", 1)), line("credit", "p")],
    }
    with pytest.raises(Unbalanced):
        read_content(content)
    with pytest.raises(TemplateInvalid):
        parse_expression(longest + "+p+p+p", pointer="")


GOOD: dict[str, dict[str, Any]] = {
    "a remainder": template(line("debit", "price"), line("credit", "price * fee%"), line("credit", "remainder")),
    "the same on both sides": template(line("debit", "price * fee%"), line("credit", "price*fee%")),
    "a sum of whole amounts": template(line("debit", "price + tip"), line("credit", "price"), line("credit", "tip")),
    "whole amounts that cancel out": template(
        line("debit", "price * 2 + 1"), line("credit", "price - tip"), line("credit", "tip + price + 1")
    ),
    "a remainder among the debits": template(
        line("credit", "price"), line("debit", "price / 3"), line("debit", "remainder")
    ),
    "two currencies": template(
        line("debit", "price"),
        line("credit", "remainder", currency="USD"),
        line("debit", "euros * 10%"),
        line("credit", "remainder", currency="EUR"),
        euros={"type": "amount", "currency": "EUR"},
    ),
    "a currency that is said when it is posted": template(
        line("debit", "paid"),
        line("credit", "remainder"),
        paid={"type": "amount", "currency": "{money}"},
        money={"type": "currency"},
    ),
    "amounts that stand in the text": template(
        line("debit", "5.00", currency="USD"), line("credit", "5.00", currency="USD")
    ),
    "a ratio of amounts": template(line("debit", "price * (tip / price)"), line("credit", "remainder")),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_balances_by_construction_is_taken(name: str) -> None:
    assert read_content(GOOD[name]).lines


BAD: dict[str, tuple[dict[str, Any], type[DomainError], str]] = {
    "one side is larger": (template(line("debit", "price"), line("credit", "price - 1")), Unbalanced, "/postings"),
    "halves that are rounded": (
        template(line("debit", "price"), line("credit", "price * 50%"), line("credit", "price * 50%")),
        Unbalanced,
        "/postings",
    ),
    "the same, rounded otherwise": (
        template(line("debit", "price * fee%"), line("credit", "price * fee%", rounding="up")),
        Unbalanced,
        "/postings",
    ),
    "two remainders": (
        template(line("debit", "price"), line("credit", "remainder"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/2/amount",
    ),
    "a remainder of nothing": (
        template(line("debit", "price"), line("debit", "remainder")),
        TemplateInvalid,
        "/postings/1/amount",
    ),
    "only one currency balances": (
        template(
            line("debit", "price"),
            line("credit", "price"),
            line("debit", "euros"),
            line("debit", "euros"),
            euros={"type": "amount", "currency": "EUR"},
        ),
        Unbalanced,
        "/postings",
    ),
    "two currencies added": (
        template(
            line("debit", "price + euros"),
            line("credit", "remainder"),
            euros={"type": "amount", "currency": "EUR"},
        ),
        TemplateInvalid,
        "/postings/0/amount",
    ),
    "money times money": (
        template(line("debit", "price * tip"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/0/amount",
    ),
    "a percentage added": (
        template(line("debit", "price + fee"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/0/amount",
    ),
    "no money at all": (
        template(line("debit", "fee"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/0/amount",
    ),
    "a number over money": (
        template(line("debit", "1 / price"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/0/amount",
    ),
    "a division by zero": (
        template(line("debit", "price / 0"), line("credit", "remainder")),
        DivisionByZero,
        "/postings/0/amount",
    ),
    "a division by what comes to zero": (
        template(line("debit", "price / (2 - 1 * 2)"), line("credit", "remainder")),
        DivisionByZero,
        "/postings/0/amount",
    ),
    "nothing at all": (
        template(line("debit", "0", currency="USD"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/0/amount",
    ),
    "no currency": (template(line("debit", "5"), line("credit", "remainder")), TemplateInvalid, "/postings/0/currency"),
    "another currency": (
        template(line("debit", "price", currency="EUR"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/0/currency",
    ),
    "a parameter nobody has": (
        template(line("debit", "cost"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/0/amount",
    ),
    "an account as an amount": (
        template(line("debit", "who"), line("credit", "remainder"), who={"type": "account"}),
        TemplateInvalid,
        "/postings/0/amount",
    ),
    "an amount as an account": (
        template(line("debit", "price", account="{price}"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/0/account",
    ),
    "an account that cannot be": (
        template(line("debit", "price", account="a b"), line("credit", "remainder")),
        TemplateInvalid,
        "/postings/0/account",
    ),
    "a parameter nothing uses": (
        template(line("debit", "price"), line("credit", "price"), who={"type": "account"}),
        TemplateInvalid,
        "/parameters/who",
    ),
    "an amount without currency": (
        template(line("debit", "price"), line("credit", "price"), more={"type": "amount"}),
        TemplateInvalid,
        "/parameters/more/currency",
    ),
    "a parameter called remainder": (
        template(line("debit", "price"), line("credit", "price"), remainder=PRICE),
        TemplateInvalid,
        "/parameters",
    ),
    "too many parameters": (
        template(line("debit", "price"), line("credit", "price"), **{f"x{n}": PRICE for n in range(PARAMETERS_MAX)}),
        TemplateInvalid,
        "/parameters",
    ),
    "one posting": (template(line("debit", "price")), TemplateInvalid, "/postings"),
    "a reason of no text": (
        template(line("debit", "price"), line("credit", "price")) | {"reason": "{price}"},
        TemplateInvalid,
        "/reason",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_refused_when_it_is_made(name: str) -> None:
    content, refusal, pointer = BAD[name]
    with pytest.raises(refusal) as raised:
        read_content(content)
    assert raised.value.pointer == pointer


def test_the_remainder_takes_what_rounding_leaves() -> None:
    content = template(
        line("debit", "price"), line("credit", "price / 3"), line("credit", "price / 3"), line("credit", "remainder")
    )
    assert amounts(content, {"price": "100"}) == ["100.00 USD", "33.33 USD", "33.33 USD", "33.34 USD"]


@pytest.mark.parametrize("rounding", RoundingMode)
def test_units_are_rounded_as_decimal_rounds_them(rounding: RoundingMode) -> None:
    for quarters in range(400):
        wanted = Decimal(quarters) / 4
        assert rounded_units(Fraction(quarters, 4), rounding) == int(
            wanted.quantize(Decimal(1), f"ROUND_{rounding.upper()}")
        )


_TERMS = st.sampled_from(
    [
        "price",
        "tip",
        "2 * price",
        "price - tip",
        "price * fee%",
        "price / 3",
        "(price + tip) * 0.5",
        "price * fee% + 0.30",
        "0.35",
        "price * (tip / price)",
        "price * (1 + fee%) / 7",
    ]
)
_SUMS = st.lists(_TERMS, min_size=1, max_size=3)
_ROUNDED = st.sampled_from(RoundingMode)


@st.composite
def _templates(draw: st.DrawFn) -> list[tuple[Side, str, RoundingMode]]:
    """As people write them: one line takes the rest, or both sides say the same, more or less.

    Less: a sum stands term by term on the other side, or is rounded otherwise there. Then it may balance or not.
    """
    sums = [(draw(st.sampled_from(Side)), draw(_SUMS), draw(_ROUNDED)) for _ in range(draw(st.integers(1, 4)))]
    lines = [(side, " + ".join(terms), how) for side, terms, how in sums]
    if draw(st.booleans()):
        return draw(st.permutations([*lines, (draw(st.sampled_from(Side)), "remainder", RoundingMode.DOWN)]))
    for side, terms, how in sums:
        other = Side.CREDIT if side is Side.DEBIT else Side.DEBIT
        parts = terms if draw(st.booleans()) else [" + ".join(terms)]
        lines += [(other, part, draw(st.one_of(st.just(how), _ROUNDED))) for part in parts]
    return draw(st.permutations(lines))


_AMOUNTS = st.integers(min_value=1, max_value=10**12)


@settings(max_examples=150)
@given(_templates(), st.integers(0, 8), _AMOUNTS, _AMOUNTS, st.integers(0, 10**20))
def test_what_was_taken_balances_to_the_last_unit(
    lines: list[tuple[Side, str, RoundingMode]], places: int, price: int, tip: int, fee: int
) -> None:
    """Whatever its parameters and however many places its currency has, or it is refused."""
    postings = [line(side, text, rounding=how.value, currency="USD") for side, text, how in lines]
    currency = Currency("USD", places)
    unit = currency.minor_unit
    given_ = {"price": str(price * unit), "tip": str(tip * unit), "fee": format(Decimal(fee).scaleb(-18), "f")}
    content = template(*postings)
    try:
        values = TemplateValues(read_content(content), {name: given_[name] for name in content["parameters"]})
        money = values.money({"USD": currency})
    except DomainError:
        return
    assert sum(_signed(posting, one) for posting, one in zip(postings, money, strict=True)) == 0


def _signed(posting: dict[str, Any], money: Money) -> Decimal:
    return money.amount if posting["side"] == "debit" else -money.amount
