"""A hold's body as it is written: `orjson.dumps(hold_body(...))`, byte for byte, for a fraction of its price.

A test holds the two against each other; what a hold is shown with is decided in `hold_body`. Refunds likewise.
"""

from __future__ import annotations

import orjson

from zerosum.api.render import render_time
from zerosum.api.schemas.holds import hold_body
from zerosum.api.schemas.payments import refund_body
from zerosum.api.text_parts import id_items, metadata_text, texts_members, versions_members
from zerosum.domain.money import render_amount
from zerosum.services.holds import RecordedHold
from zerosum.services.refunds import RecordedRefund, RefundStatus


def hold_text(hold: RecordedHold) -> bytes:
    if hold.account_versions is None:  # as it is now, in a list or alone
        return orjson.dumps(hold_body(hold))
    maximum = "null" if hold.capture_max is None else f'"{render_amount(hold.capture_max)}"'
    rules = "null" if hold.house_rules is None else hold.house_rules
    return (
        f'{{"id":"hold_{hold.id}","status":"{hold.status._value_}","amount":"{render_amount(hold.amount)}",'
        f'"captured":"{render_amount(hold.captured)}","remaining":"{render_amount(hold.remaining)}",'
        f'"capture_max":{maximum},"house_rules":{rules},"currency":"{hold.currency}",'
        f'"from":"acc_{hold.payer_id}","from_code":"{hold.payer_code}",'
        f'"to":"acc_{hold.payee_id}","to_code":"{hold.payee_code}",{texts_members(hold.texts)},'
        f'"expires_at":"{render_time(hold.expires_at)}","created_at":"{render_time(hold.created_at)}",'
        f'"journal_entry_ids":[{id_items("je_", hold.entry_ids)}],"payment_ids":[{id_items("pay_", hold.payment_ids)}],'
        f'"account_versions":{{{versions_members(hold.account_versions)}}},'
        f'"metadata":{metadata_text(hold.metadata)}}}'
    ).encode()


def refund_text(refund: RecordedRefund) -> bytes:
    if refund.settlement is not None or refund.status is RefundStatus.PROCESSING:
        return orjson.dumps(refund_body(refund))
    reason = "null" if refund.reason is None else orjson.dumps(refund.reason).decode()
    return (
        f'{{"id":"ref_{refund.id}","payment_id":"pay_{refund.payment_id}",'
        f'"amount":"{render_amount(refund.amount)}","currency":"{refund.currency}","status":"{refund.status._value_}",'
        f'"reason":{reason},"journal_entry_ids":["je_{refund.id}"],'
        f'"account_versions":{{{versions_members(refund.account_versions)}}},'
        f'"created_at":"{render_time(refund.created_at)}","metadata":{metadata_text(refund.metadata)}}}'
    ).encode()
