"""The table that outside clients are written to: which fields commands and events have, and which refusals."""

import msgspec
import pytest

from services.pos.contract import contract
from services.pos.domain_terms import Totals

COMMANDS = {
    "open_tab": "tab_id name guest_count table_ref order_type",
    "add_line": "tab_id line_id sku qty_milli unit_price_minor modifiers seat course note",
    "set_line_qty": "line_id qty_milli expected_version",
    "remove_line": "line_id",
    "void_line": "line_id qty_milli reason_code approver",
    "apply_discount": "scope discount_id code",
    "remove_discount": "discount_id",
    "place_hold": "hold_id tab_id sku qty_milli ttl_s",
    "extend_hold": "hold_id",
    "release_hold": "hold_id",
    "send_to_kitchen": "tab_id line_ids",
    "begin_payment": "tab_id payment_id amount_minor tender tip_minor",
    "record_payment_result": "payment_id outcome processor_ref",
    "close_tab": "tab_id",
    "void_tab": "tab_id",
    "reopen_tab": "tab_id reason",
    "split_tab": "tab_id mode parts",
    "merge_tabs": "from into",
    "refund": "tab_id lines amount_minor tender reason_code",
    "open_drawer": "minor",
    "pay_in": "minor reason",
    "pay_out": "minor reason",
    "no_sale": "reason",
    "end_drawer": "",
    "count_drawer": "minor",
    "adjust_stock": "sku delta_milli reason",
    "set_eighty_six": "sku",
    "submit_offline": "terminal_id terminal_seq facts",
}
EVENTS = {
    "tab_opened": "tab_id name guest_count table_ref order_type opened_by offline occurred_at",
    "line_added": (
        "tab_id line_id sku qty_milli unit_price_minor modifiers seat course note tax_ids price_version "
        "offline occurred_at"
    ),
    "line_qty_changed": "line_id from to",
    "line_removed": "line_id",
    "line_voided": "line_id qty_milli reason_code value_minor",
    "discount_applied": "discount_id version ppm amount_minor",
    "discount_removed": "discount_id",
    "hold_placed": "hold_id tab_id sku qty_milli expires_at",
    "hold_extended": "hold_id",
    "hold_released": "hold_id",
    "hold_expired": "hold_id effective_at",
    "hold_consumed": "hold_id",
    "lines_sent": "ticket_id deltas",
    "payment_started": "tab_id payment_id amount_minor tender tip_minor due_minor rounding_minor holds_pinned",
    "payment_captured": "payment_id processor_ref change_minor offline occurred_at",
    "payment_failed": "payment_id",
    "payment_timed_out": "payment_id",
    "tab_closed": "tab_id receipt_no totals offline occurred_at",
    "tab_voided": "tab_id",
    "tab_reopened": "tab_id reason",
    "tab_split": "tab_id mode children rounding_delta_minor",
    "tabs_merged": "from into",
    "refunded": "tab_id lines amount_minor tender reason_code refund_no",
    "drawer_opened": "minor",
    "drawer_paid_in": "minor reason",
    "drawer_paid_out": "minor reason",
    "drawer_no_sale": "reason",
    "drawer_ended": "",
    "drawer_closed": "expected counted over_short",
    "stock_adjusted": "sku delta_milli reason",
    "item_eighty_sixed": "sku",
    "oversell_recorded": "",
    "price_stale": "",
    "tab_conflict": "",
    "offline_payment_expired": "",
}
REFUSALS = {
    "open_tab": "TAB_EXISTS DAY_CLOSED",
    "add_line": (
        "TAB_NOT_OPEN UNKNOWN_SKU QTY_INVALID PRICE_OVERRIDE_FORBIDDEN LINE_EXISTS INSUFFICIENT_STOCK "
        "AMOUNT_INVALID CURRENCY_MISMATCH"
    ),
    "set_line_qty": "LINE_SENT",
    "void_line": "REASON_REQUIRED REASON_UNKNOWN APPROVAL_REQUIRED LINE_PAID",
    "apply_discount": "DISCOUNT_INACTIVE NOT_COMBINABLE APPROVAL_REQUIRED",
    "place_hold": "INSUFFICIENT_STOCK",
    "extend_hold": "HOLD_NOT_FOUND HOLD_EXPIRED EXTENSION_LIMIT",
    "release_hold": "HOLD_NOT_FOUND HOLD_EXPIRED",
    "send_to_kitchen": "NOTHING_TO_SEND",
    "begin_payment": (
        "TAB_NOT_OPEN PAYMENT_IN_PROGRESS HOLD_EXPIRED AMOUNT_EXCEEDS_DUE DRAWER_NOT_OPEN "
        "AMOUNT_INVALID CURRENCY_MISMATCH"
    ),
    "record_payment_result": "PAYMENT_UNKNOWN PAYMENT_ALREADY_FINAL",
    "close_tab": "BALANCE_DUE PAYMENT_IN_PROGRESS",
    "void_tab": "TAB_PAID PAYMENT_IN_PROGRESS",
    "reopen_tab": "PAYMENT_IN_PROGRESS",
    "split_tab": "TAB_PAID PAYMENT_IN_PROGRESS SPLIT_INVALID",
    "merge_tabs": "TAB_PAID PAYMENT_IN_PROGRESS SPLIT_INVALID",
    "refund": "REFUND_EXCEEDS_PAID",
    "open_drawer": "DRAWER_STATE",
    "pay_in": "DRAWER_STATE REASON_REQUIRED",
    "pay_out": "DRAWER_STATE REASON_REQUIRED",
    "no_sale": "DRAWER_STATE REASON_REQUIRED",
    "end_drawer": "DRAWER_STATE",
    "count_drawer": "DRAWER_STATE",
    "submit_offline": "TERMINAL_SEQ_GAP TERMINAL_REVOKED",
}


def names(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize(("tag", "fields"), COMMANDS.items())
def test_a_command_has_the_fields_of_the_specification(tag: str, fields: str) -> None:
    assert set(fields.split()) <= names(contract.commands[tag])


@pytest.mark.parametrize(("tag", "fields"), EVENTS.items())
def test_an_event_has_the_fields_of_the_specification(tag: str, fields: str) -> None:
    assert set(fields.split()) <= names(contract.events[tag])


@pytest.mark.parametrize(("tag", "codes"), REFUSALS.items())
def test_a_command_declares_the_refusals_of_the_specification(tag: str, codes: str) -> None:
    assert set(codes.split()) <= {refusal.code for refusal in contract.commands[tag].raises}


def test_a_receipt_always_has_all_totals_of_the_specification() -> None:
    receipt = msgspec.to_builtins(Totals())
    assert {"gross", "discount", "tax", "tip", "rounding", "due", "paid"} <= set(receipt)
