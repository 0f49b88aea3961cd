"""What is on a tab keeps the taxes with which it was ordered, whatever the location charges later."""

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast import StateConflict
from holdfast.testing import Scenario
from services.pos.contract import (
    AddLine,
    BeginPayment,
    CardSale,
    CloseTab,
    Configure,
    OfflineLine,
    RecordPaymentResult,
    SubmitOffline,
    TabClosed,
    Tax,
)
from services.pos.domain_terms import TaxAmount
from services.pos.tests.scenes import ADMIN, CASHIER, NOON, SERVICE, SETTINGS, WAITER, balance, done, opened, with_tab

BEER = OfflineLine(line_id="l1", sku="beer", unit_price_minor=500, tax_ids=("vat",))


def taxed(scene: Scenario, ppm: int, version: int = 1) -> Scenario:
    taxes = {**SETTINGS.taxes, "vat": Tax(ppm=ppm)}
    return done(scene.when(Configure(settings=replace(SETTINGS, taxes=taxes), expected_version=version), by=ADMIN))


@pytest.mark.parametrize("ppm", [0, 50_000, 200_000])
def test_what_was_ordered_before_a_rate_changed_keeps_the_old_one_also_when_some_is_paid(ppm: int) -> None:
    scene = with_tab("beer").when(BeginPayment(tab_id="t1", payment_id="p", amount_minor=540, tender="card"), by=WAITER)
    done(scene.when(RecordPaymentResult(payment_id="p", outcome="captured"), by=CASHIER))
    assert balance(taxed(scene, ppm)) == 10
    assert balance(taxed(taxed(scene, 1, version=2), 100_000, version=3)) == 10


def test_a_receipt_tells_both_rates_when_the_rest_was_ordered_later() -> None:
    scene = taxed(with_tab("beer"), 50_000)
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="beer"), by=WAITER))
    done(scene.when(BeginPayment(tab_id="t1", payment_id="p", amount_minor=1_075, tender="card"), by=WAITER))
    done(scene.when(RecordPaymentResult(payment_id="p", outcome="captured"), by=CASHIER))
    done(scene.when(CloseTab(tab_id="t1"), by=CASHIER))
    told = next(event.totals.tax for event in scene.events if isinstance(event, TabClosed))
    assert told == (
        TaxAmount(tax_id="vat", ppm=50_000, minor=25),
        TaxAmount(tax_id="vat", ppm=100_000, minor=50),
    )


def test_a_check_that_a_lost_card_opens_again_is_due_at_the_old_rate() -> None:
    sale = CardSale(tab_id="t1", payment_id="c", paid_minor=550, lines=(BEER,), occurred_at=NOON)
    scene = done(opened().when(SubmitOffline(terminal_id="till-1", terminal_seq=1, facts=(sale,)), by=CASHIER))
    taxed(scene, 50_000)
    done(scene.when(RecordPaymentResult(payment_id="c", outcome="failed"), by=SERVICE))
    assert balance(scene) == 550


@pytest.mark.parametrize("changes", [{"rounding": "HALF_EVEN"}, {"tax_scope": "PER_LINE"}])
def test_how_amounts_are_rounded_changes_only_when_nothing_is_on_a_tab(changes: Any) -> None:
    configure = Configure(settings=replace(SETTINGS, **changes), expected_version=1)
    with_tab("beer").when(configure, by=ADMIN).then_rejected(StateConflict, tabs=["t1"])
    done(with_tab().when(configure, by=ADMIN))
