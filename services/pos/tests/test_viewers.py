"""Who sees what: the same in the view, live and in replay."""

from typing import Any

import msgspec
import pytest

from holdfast import Actor, NotFound
from services.pos.contract import (
    AddLine,
    BeginPayment,
    CloseDay,
    CloseTab,
    EndDrawer,
    PrintBill,
    RecordPaymentResult,
    contract,
)
from services.pos.tests.customers import CARD, CODE, Street
from services.pos.tests.scenes import CASHIER, DISPLAY, MANAGER, SERVICE, STRANGER, WAITER, done, paid, with_tab


def story() -> Any:
    """A tab in the kitchen, one that was paid by card, the drawer and the day at their ends."""
    scene = with_tab("beer", tab_id="t2", scene=with_tab("soup"))
    scene.when(PrintBill(tab_id="t1"), by=WAITER)
    scene.when(BeginPayment(tab_id="t1", payment_id="p", amount_minor=806, tender="card"), by=WAITER)
    scene.when(RecordPaymentResult(payment_id="p", outcome="captured", processor_ref="ch_secret"), by=SERVICE)
    done(scene.when(CloseTab(tab_id="t1"), by=CASHIER))
    done(scene.when(EndDrawer(), by=CASHIER))
    return done(scene.when(CloseDay(carry_over=True), by=MANAGER))


def test_a_stranger_sees_nothing() -> None:
    with pytest.raises(NotFound):
        story().view(STRANGER)


def test_a_display_sees_what_is_ordered_and_no_money_of_anybody() -> None:
    scene = story()
    view = scene.view(DISPLAY)
    assert set(view["tabs"]["t2"]["lines"]["t2-l1"]) == {"sku", "qty_milli", "sent_milli", "version", "station"}
    assert {"holds", "payments", "drawers", "terminals", "office"}.isdisjoint(view)
    seen = {event["type"] for event in scene.seen_by(DISPLAY)}
    assert {"payment_started", "payment_captured", "tab_closed", "bill_printed", "drawer_opened"}.isdisjoint(seen)
    assert "line_added" in seen


def test_a_display_sees_no_account_of_anybody() -> None:
    street = Street()
    street.order("card", card_code=CODE)
    assert CARD in str(street.till.seen_by(WAITER))
    assert CARD not in str(street.till.seen_by(DISPLAY))


@pytest.mark.parametrize(
    ("viewer", "parts"),
    [
        (WAITER, {"holds", "payments", "terminals"}),
        (SERVICE, {"holds", "payments", "terminals"}),
        (CASHIER, {"holds", "payments", "terminals", "drawers"}),
        (MANAGER, {"holds", "payments", "terminals", "drawers", "office"}),
    ],
)
def test_each_role_sees_what_it_works_with(viewer: Actor, parts: set[str]) -> None:
    everything = {"holds", "payments", "terminals", "drawers", "office"}
    assert everything & set(story().view(viewer)) == parts


def test_what_the_processor_calls_a_payment_is_for_cashiers() -> None:
    scene = story()
    assert "ch_secret" in str(scene.seen_by(CASHIER))
    assert "ch_secret" not in str(scene.seen_by(WAITER))


def test_settings_and_reports_are_for_managers() -> None:
    scene = story()
    for viewer in (WAITER, CASHIER, DISPLAY):
        assert {"configured", "day_closed"}.isdisjoint(event["type"] for event in scene.seen_by(viewer))
    assert {"configured", "day_closed"} <= {event["type"] for event in scene.seen_by(MANAGER)}


def test_every_viewer_counts_the_same_events() -> None:
    scene = story()
    for viewer in (WAITER, DISPLAY, MANAGER):
        assert [event["seq"] for event in scene.seen_by(viewer)] == list(range(1, len(scene.log) + 1))


def test_the_past_shows_a_viewer_no_more_than_the_present() -> None:
    scene = story()
    for seq in range(1, len(scene.log) + 1):
        assert "office" not in scene.as_of(seq).view(WAITER)


def test_the_view_reads_back_as_its_declared_type() -> None:
    scene = paid(with_tab("beer")).when(AddLine(tab_id="t1", line_id="x", sku="beer"), by=WAITER)
    decoded = msgspec.json.decode(msgspec.json.encode(scene.view(MANAGER)), type=contract.view)
    assert decoded.currency == "USD"
