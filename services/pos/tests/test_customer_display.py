"""What the guest sees at a terminal: one tab, and nothing of anybody else."""

from typing import Any

import pytest

from holdfast import Actor, Forbidden, NotFound
from holdfast.testing import Scenario
from services.pos.contract import AddLine, OpenTab, RevokeTerminal, ShowTab, TabShown
from services.pos.domain_errors import TabNotOpen
from services.pos.tests.scenes import CASHIER, MANAGER, WAITER, closed, done, with_tab

GUEST = Actor(user="screen-1", roles=("customer_display",), device="till-1")
ELSEWHERE = Actor(user="screen-2", roles=("customer_display",), device="till-2")
NOWHERE = Actor(user="screen-3", roles=("customer_display",))


def shown() -> Scenario:
    """Two tabs, of which the guest sees one."""
    scene = with_tab("soup", tab_id="t2", scene=with_tab("beer"))
    return done(scene.when(ShowTab(tab_id="t1"), by=WAITER))


def test_a_guest_sees_the_tab_that_is_shown_at_the_terminal_with_its_prices() -> None:
    scene = shown()
    view = scene.view(GUEST)
    assert set(view) == {"currency", "tabs", "items"}
    assert set(view["tabs"]) == {"t1"}
    assert (view["tabs"]["t1"]["balance_minor"], view["tabs"]["t1"]["owner"]) == (550, "")
    assert set(view["items"]) == {"beer"}
    done(scene.when(AddLine(tab_id="t1", line_id="x", sku="water"), by=WAITER))
    assert scene.view(GUEST)["tabs"]["t1"]["balance_minor"] == 850


@pytest.mark.parametrize("viewer", [ELSEWHERE, NOWHERE])
def test_at_another_terminal_nothing_is_seen(viewer: Actor) -> None:
    assert shown().view(viewer) == {"currency": "USD", "tabs": {}, "items": {}}


def test_a_guest_sees_no_event_of_the_till_and_no_more_of_the_past() -> None:
    scene = shown()
    assert {event["type"] for event in scene.seen_by(GUEST)} == {"redacted"}
    before: list[Any] = [scene.as_of(seq).view(GUEST)["tabs"] for seq in range(1, len(scene.log))]
    assert before == [{}] * len(before)


def test_showing_the_same_again_changes_nothing_and_nothing_can_be_shown() -> None:
    scene = shown().when(ShowTab(tab_id="t1"), by=WAITER).then_nothing()
    scene.when(ShowTab(), by=WAITER).then(TabShown(terminal_id="till-1", shown=None))
    assert scene.view(GUEST)["tabs"] == {}


def test_a_tab_that_is_closed_or_unknown_is_not_shown() -> None:
    closed("beer").when(ShowTab(tab_id="t1"), by=CASHIER).then_rejected(TabNotOpen, status="CLOSED")
    with_tab().when(ShowTab(tab_id="t9"), by=CASHIER).then_rejected(NotFound)
    with_tab().when(ShowTab(tab_id="t1", terminal_id="till-9"), by=CASHIER).then_rejected(NotFound)


def test_a_revoked_terminal_shows_nothing() -> None:
    scene = shown().when(RevokeTerminal(terminal_id="till-1"), by=MANAGER)
    assert done(scene).view(GUEST)["tabs"] == {}


def test_a_guest_does_nothing() -> None:
    shown().when(OpenTab(tab_id="t3"), by=GUEST).then_rejected(Forbidden)
