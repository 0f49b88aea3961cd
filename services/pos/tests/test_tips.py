"""Tips, shared out among the staff to the cent."""

from datetime import date

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Forbidden, ValidationFailed
from holdfast.testing import Scenario
from services.pos.contract import (
    BeginPayment,
    CloseDay,
    CloseTab,
    DayClosed,
    OpenBank,
    OpenDay,
    PooledShare,
    PoolTips,
    RecordPaymentResult,
    Refund,
    Refunded,
    TipShare,
    TipsPooled,
)
from services.pos.domain_errors import DayClosed as NoDay
from services.pos.domain_errors import NothingToPool
from services.pos.tests.scenes import CASHIER, MANAGER, WAITER, done, with_tab

POOL = PoolTips(pool_id="p1", shares=(TipShare(user="wim", weight=360), TipShare(user="cleo", weight=300)))


def tipped(tip: int = 101, *, tab_id: str = "t1", scene: Scenario | None = None) -> Scenario:
    """A beer that was paid with a tip."""
    scene = with_tab("beer", tab_id=tab_id, scene=scene)
    pay = BeginPayment(tab_id=tab_id, payment_id=f"p-{tab_id}", amount_minor=550, tip_minor=tip, tender="card")
    scene.when(pay, by=CASHIER).when(RecordPaymentResult(payment_id=f"p-{tab_id}", outcome="captured"), by=CASHIER)
    return done(scene.when(CloseTab(tab_id=tab_id), by=CASHIER))


def test_tips_are_shared_out_by_weight_and_the_parts_sum_to_the_whole() -> None:
    scene = tipped().when(POOL, by=MANAGER)
    scene.then(
        TipsPooled(
            pool_id="p1",
            minor=101,
            currency="USD",
            shares=(PooledShare(user="wim", weight=360, minor=55), PooledShare(user="cleo", weight=300, minor=46)),
            day=1,
        )
    )


def test_a_pool_is_shared_out_once_and_the_next_one_has_only_what_came_since() -> None:
    scene = tipped().when(POOL, by=MANAGER).when(POOL, by=MANAGER).then_nothing()
    again = PoolTips(pool_id="p2", shares=POOL.shares)
    scene.when(again, by=MANAGER).then_rejected(NothingToPool, left_minor=0)
    tipped(33, tab_id="t2", scene=scene).when(again, by=MANAGER).then_includes(TipsPooled, minor=33)


def test_only_a_manager_shares_tips_out_on_an_open_day() -> None:
    tipped().when(POOL, by=WAITER).then_rejected(Forbidden)
    tipped().when(CloseDay(), by=MANAGER).when(POOL, by=MANAGER).then_rejected(NoDay)


@pytest.mark.parametrize(
    "shares",
    [
        (TipShare(user="wim", weight=1), TipShare(user="wim", weight=1)),
        (TipShare(user="wim", weight=0),),
    ],
)
def test_shares_that_share_nothing_out_are_refused(shares: tuple[TipShare, ...]) -> None:
    tipped().when(PoolTips(pool_id="p", shares=shares), by=MANAGER).then_rejected(ValidationFailed)


def test_a_report_tells_what_was_shared_out_and_the_next_day_begins_anew() -> None:
    scene = done(tipped().when(POOL, by=MANAGER)).when(CloseDay(), by=MANAGER)
    report = next(event.totals for event in scene.events if isinstance(event, DayClosed))
    assert (report.tip_minor, report.pooled_minor) == (101, 101)
    done(scene.when(OpenDay(business_date=date(2026, 6, 2)), by=CASHIER))
    scene.when(PoolTips(pool_id="p2", shares=POOL.shares), by=MANAGER).then_rejected(NothingToPool)


@settings(max_examples=60, deadline=None)
@for_all(tip=st.integers(1, 10_000), weights=st.lists(st.integers(0, 500), min_size=1, max_size=8).filter(any))
def test_whatever_the_weights_no_cent_is_lost(tip: int, weights: list[int]) -> None:
    shares = tuple(TipShare(user=f"u{number}", weight=weight) for number, weight in enumerate(weights))
    scene = tipped(tip).when(PoolTips(pool_id="p", shares=shares), by=MANAGER)
    pooled = next(event for event in done(scene).events if isinstance(event, TipsPooled))
    assert sum(share.minor for share in pooled.shares) == pooled.minor == tip
    assert all(share.minor == 0 for share in pooled.shares if not share.weight)


def refunded(minor: int, *, tab_id: str = "t1") -> Refund:
    return Refund(tab_id=tab_id, amount_minor=minor, tender="card", reason_code="wrong")


def test_a_tip_that_was_given_back_is_shared_by_nobody() -> None:
    scene = tipped(33, tab_id="t2", scene=tipped(2_000))
    done(scene.when(refunded(500), by=MANAGER).when(refunded(1_050), by=MANAGER)).then_includes(
        Refunded, tip_minor=1_000
    )
    scene.when(refunded(1_000), by=MANAGER).then_includes(Refunded, tip_minor=1_000)
    scene.when(POOL, by=MANAGER).then_includes(TipsPooled, minor=33)


def test_a_tip_of_another_day_that_is_given_back_is_not_taken_off_todays() -> None:
    scene = tipped(2_000).when(POOL, by=MANAGER).when(CloseDay(), by=MANAGER)
    done(scene.when(OpenDay(business_date=date(2026, 6, 2)), by=MANAGER))
    done(tipped(33, tab_id="t2", scene=scene).when(refunded(2_550), by=MANAGER)).then_includes(Refunded, tip_minor=0)
    scene.when(POOL, by=MANAGER).then_includes(TipsPooled, minor=33)


def test_a_tip_that_a_waiter_keeps_is_not_taken_off_the_others_when_it_is_given_back() -> None:
    own = done(tipped(33, tab_id="t2").when(OpenBank(minor=0, waiter="cleo"), by=CASHIER))
    scene = tipped(2_000, scene=own)
    done(scene.when(refunded(2_550), by=MANAGER)).then_includes(Refunded, tip_minor=0)
    scene.when(POOL, by=MANAGER).then_includes(TipsPooled, minor=33)
