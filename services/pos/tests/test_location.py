"""Settings, catalogue, discounts and terminals."""

import pytest

from holdfast import Forbidden, NotFound, StateConflict, ValidationFailed, VersionConflict
from holdfast.testing import given
from services.pos.contract import (
    ApprovalExpired,
    CloseDay,
    Configure,
    Configured,
    DayOpened,
    Discount,
    GrantApproval,
    Heartbeat,
    Item,
    ItemSet,
    LockTerminal,
    OpenDay,
    OpenTab,
    RegisterTerminal,
    RevokeTerminal,
    SetDiscount,
    SetItem,
    Settings,
    TabOpened,
    TerminalLocked,
    TerminalRegistered,
    TerminalRevoked,
    TerminalSeen,
    TerminalUnlocked,
    UnlockTerminal,
    VoidTab,
)
from services.pos.domain import PosSession
from services.pos.domain_errors import DayClosed as Closed
from services.pos.domain_errors import TerminalRevoked as Revoked
from services.pos.tests.scenes import ADMIN, MANAGER, MINUTE, NOON, WAITER, done, location, opened

EURO = Settings(currency="EUR")


def test_configuring_makes_the_location() -> None:
    scene = given(PosSession(), at=NOON).when(OpenDay(business_date=NOON.date()), by=MANAGER).then_rejected(NotFound)
    scene.when(Configure(settings=EURO, expected_version=0), by=MANAGER).then_rejected(Forbidden)
    scene.when(Configure(settings=EURO, expected_version=0), by=ADMIN).then(Configured(settings=EURO, version=1))
    scene.when(Configure(settings=EURO, expected_version=0), by=ADMIN).then_nothing()


def test_the_first_tab_makes_the_location_on_its_first_day_with_the_default_settings() -> None:
    scene = given(PosSession(), at=NOON).when(OpenTab(tab_id="t1"), by=WAITER)
    scene.then_includes(Configured, settings=EURO, version=1)
    scene.then_includes(DayOpened, day=1, business_date=NOON.date())
    scene.then_includes(TabOpened, tab_id="t1")
    scene.when(OpenTab(tab_id="t2"), by=WAITER).then_includes(TabOpened, tab_id="t2")
    scene.when(VoidTab(tab_id="t1"), by=WAITER).when(CloseDay(carry_over=True), by=MANAGER)
    scene.when(OpenTab(tab_id="t3"), by=WAITER).then_rejected(Closed)


def test_a_location_tells_no_floor_that_cannot_exist() -> None:
    odd = Configure(settings=Settings(currency="EUR", floors=("a.b",)), expected_version=0)
    given(PosSession(), at=NOON).when(odd, by=ADMIN).then_rejected(ValidationFailed)


def test_the_currency_of_a_location_can_be_set_until_it_has_prices() -> None:
    scene = given(PosSession(), at=NOON).when(OpenTab(tab_id="t1"), by=WAITER)
    dollars = Settings(currency="USD")
    scene.when(Configure(settings=dollars, expected_version=1), by=ADMIN).then(Configured(settings=dollars, version=2))
    done(scene.when(SetItem(sku="tea", item=Item(price_minor=250)), by=MANAGER))
    scene.when(Configure(settings=EURO, expected_version=2), by=ADMIN).then_rejected(StateConflict, currency="USD")


def test_settings_are_changed_by_who_saw_the_newest() -> None:
    changed = Settings(currency="EUR", hold_ttl_s=60)
    scene = given(PosSession(), Configured(settings=EURO, version=1), at=NOON)
    scene.when(Configure(settings=changed, expected_version=0), by=ADMIN).then_rejected(VersionConflict, version=1)
    scene.when(Configure(settings=changed, expected_version=1), by=ADMIN).then_includes(Configured, version=2)


def test_the_currency_is_of_iso_4217_and_stays() -> None:
    strange = Configure(settings=Settings(currency="ABC"), expected_version=0)
    given(PosSession(), at=NOON).when(strange, by=ADMIN).then_rejected(ValidationFailed)
    location().when(Configure(settings=EURO, expected_version=1), by=ADMIN).then_rejected(StateConflict)


def test_a_tax_that_is_in_use_stays() -> None:
    location().when(Configure(settings=Settings(currency="USD"), expected_version=1), by=ADMIN).then_rejected(
        ValidationFailed
    )


def test_an_item_is_changed_with_a_newer_version_of_its_price() -> None:
    cheaper = Item(price_minor=400, price_version=2)
    scene = location().when(SetItem(sku="beer", item=Item(price_minor=400)), by=MANAGER)
    scene.then_rejected(VersionConflict, version=1)
    scene.when(SetItem(sku="beer", item=cheaper), by=MANAGER).then(ItemSet(sku="beer", item=cheaper))
    scene.when(SetItem(sku="beer", item=cheaper), by=MANAGER).then_nothing()
    scene.when(SetItem(sku="x", item=Item(price_minor=1, tax_ids=("none",))), by=MANAGER)
    scene.then_rejected(ValidationFailed)


def test_a_discount_is_a_rate_or_an_amount_and_grows_by_versions() -> None:
    scene = location().when(SetDiscount(discount_id="x", discount=Discount()), by=MANAGER)
    scene.then_rejected(ValidationFailed)
    scene.when(SetDiscount(discount_id="ten", discount=Discount(ppm=1)), by=MANAGER)
    scene.then_rejected(VersionConflict, version=1)
    scene.when(SetDiscount(discount_id="ten", discount=Discount(ppm=100_000)), by=MANAGER).then_nothing()


def test_a_terminal_is_registered_seen_locked_and_unlocked() -> None:
    scene = location().when(RegisterTerminal(terminal_id="till-2", name="Door"), by=MANAGER)
    scene.then(TerminalRegistered(terminal_id="till-2", name="Door", at=NOON))
    scene.when(RegisterTerminal(terminal_id="till-2", name="Door"), by=MANAGER).then_nothing()
    scene.when(UnlockTerminal(terminal_id="till-2"), by=WAITER).then(TerminalUnlocked(terminal_id="till-2", user="wim"))
    scene.when(UnlockTerminal(terminal_id="till-2"), by=WAITER).then_nothing()
    scene.when(LockTerminal(terminal_id="till-2"), by=WAITER).then(TerminalLocked(terminal_id="till-2"))
    scene.when(LockTerminal(terminal_id="till-2"), by=WAITER).then_nothing()
    scene.when(LockTerminal(terminal_id="till-2", log_out=True), by=WAITER)
    scene.then(TerminalLocked(terminal_id="till-2", logged_out=True))
    assert "user" not in scene.view(WAITER)["terminals"]["till-2"]


@pytest.mark.parametrize("command", [Heartbeat, LockTerminal, UnlockTerminal])
def test_an_unknown_terminal_is_not_found(command: type[Heartbeat | LockTerminal | UnlockTerminal]) -> None:
    location().when(command(terminal_id="till-9"), by=WAITER).then_rejected(NotFound)


def test_of_heartbeats_the_log_keeps_one_a_minute() -> None:
    beat = Heartbeat(terminal_id="till-1")
    scene = location().when(beat, by=WAITER, at=NOON + MINUTE / 4).then_nothing()
    scene.when(beat, by=WAITER, at=NOON + MINUTE).then(TerminalSeen(terminal_id="till-1", at=NOON + MINUTE))
    assert scene.view(WAITER)["terminals"]["till-1"]["last_seen_at"] == "2026-06-01T12:01:00Z"


def test_a_revoked_terminal_stays_so() -> None:
    revoke = RevokeTerminal(terminal_id="till-1")
    scene = location().when(revoke, by=MANAGER).then(TerminalRevoked(terminal_id="till-1"))
    scene.when(revoke, by=MANAGER).then_nothing()
    scene.when(Heartbeat(terminal_id="till-1"), by=MANAGER).then_rejected(Revoked)
    scene.when(RegisterTerminal(terminal_id="till-1"), by=MANAGER).then_rejected(Revoked)


def test_an_approval_that_nobody_uses_ends_at_its_time() -> None:
    grant = GrantApproval(approval_id="a1", action="void", tab_id="t1", limit_minor=1)
    scene = opened().when(grant, by=MANAGER).wake(at=NOON + 6 * MINUTE)
    scene.then(ApprovalExpired(approval_id="a1", effective_at=NOON + 5 * MINUTE, cause="alarm"))
    other = GrantApproval(approval_id="a2", action="void", tab_id="t1", limit_minor=1)
    done(scene.when(other, by=MANAGER))
    scene.when(GrantApproval(approval_id="a2", action="comp", tab_id="t1", limit_minor=1), by=MANAGER)
    scene.then_rejected(StateConflict)
