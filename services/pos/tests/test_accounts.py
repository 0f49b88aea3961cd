"""A customer's account by itself: what goes on it, what is kept, what is taken, and what is refused."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Actor, Command, Forbidden, HoldfastError, NotFound, ValidationFailed, VersionConflict
from holdfast.money import AmountInvalid, CurrencyMismatch
from holdfast.testing import Scenario, find_deadlines_alike, given
from services.pos import domain_account_errors as refusals
from services.pos.domain_account import PosAccount
from services.pos.domain_account_commands import (
    AuthorizeCharge,
    CaptureCharge,
    CaptureHeld,
    CloseAccount,
    EarnPoints,
    FreezeAccount,
    HoldAmount,
    LoadAccount,
    LoadValue,
    OpenAccount,
    RecallValue,
    RedeemPoints,
    ReleaseCharge,
    ReleaseHeld,
    ReturnCharge,
    SetCreditLimit,
    TakeBackPoints,
    UnfreezeAccount,
)
from services.pos.domain_account_desk import BY_CASHIERS
from services.pos.domain_account_events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    AmountHeld,
    ChargeAuthorized,
    ChargeCaptured,
    ChargeDeclined,
    ChargeReleased,
    ChargeReturned,
    CreditLimitSet,
    HeldCaptured,
    HeldExpired,
    HeldReleased,
    LoadRefused,
    PointsEarned,
    PointsRedeemed,
    PointsRefused,
    PointsTakenBack,
    RecallRefused,
    ValueLoaded,
    ValueRecalled,
)
from services.pos.domain_account_state import Account
from services.pos.domain_account_terms import HOLDS, MOST, MOVEMENTS, REFUSED, CardCode, Source, card_account
from services.pos.tests.scenes import CASHIER, DISPLAY, MANAGER, MINUTE, NOON, SERVICE, STRANGER, WAITER, done

TILL = Source(till="loc-1", tab_id="t1", payment_id="p1")
SOLD = Source(till="loc-1", tab_id="t1", line_id="l1")
BACK = Source(till="loc-1", tab_id="t1", refund_no="R-000001")


def account(kind: str | None = None, loaded: int = 0, limit: int = 0) -> Scenario:
    """An account of this kind with so much on it; one that nobody opened without a kind."""
    scene = given(PosAccount(), at=NOON, id_="a1")
    if kind is not None:
        terms: dict[str, Any] = {"kind": kind, "currency": "USD", "credit_limit_minor": limit}
        done(scene.when(OpenAccount(**terms), by=MANAGER))
    if kind == "LOYALTY" and loaded:
        return done(scene.when(EarnPoints(points=loaded, currency="USD", source=TILL), by=SERVICE))
    return done(scene.when(LoadAccount(amount_minor=loaded, tender="card"), by=MANAGER)) if loaded else scene


def charge(quantity: int, **changes: Any) -> AuthorizeCharge:
    terms: dict[str, Any] = {"charge_id": "c1", "kind": "DEPOSIT", "currency": "USD", "source": TILL, **changes}
    return AuthorizeCharge(quantity=quantity, **terms)


def on(scene: Scenario) -> tuple[int, int]:
    """The balance, and what of it can be taken."""
    seen = scene.view(CASHIER)
    return seen.get("balance", 0), seen.get("available", 0)


def test_a_payment_keeps_what_it_needs_and_takes_it_when_the_till_has_it() -> None:
    scene = account("DEPOSIT", 5_000).when(charge(3_000), by=SERVICE)
    scene.then(ChargeAuthorized(charge_id="c1", quantity=3_000, source=TILL))
    assert on(scene) == (5_000, 2_000)
    scene.when(charge(3_000), by=SERVICE).then_nothing()
    scene.when(CaptureCharge(charge_id="c1"), by=SERVICE)
    scene.then(ChargeCaptured(charge_id="c1", quantity=3_000, balance=2_000, at=NOON, source=TILL))
    assert on(scene) == (2_000, 2_000)
    scene.when(CaptureCharge(charge_id="c1"), by=SERVICE).then_rejected(refusals.HeldUnknown)


def test_a_payment_that_came_to_nothing_leaves_all_of_it() -> None:
    scene = account("DEPOSIT", 5_000).when(charge(3_000), by=SERVICE)
    scene.when(ReleaseCharge(charge_id="c1"), by=SERVICE).then(ChargeReleased(charge_id="c1", quantity=3_000))
    assert on(scene) == (5_000, 5_000)
    scene.when(ReleaseCharge(charge_id="c1"), by=SERVICE).then_nothing()


def test_what_is_kept_for_a_payment_has_no_time_of_its_own() -> None:
    scene = account("DEPOSIT", 5_000).when(charge(3_000), by=SERVICE)
    assert scene.alarm_at is None
    done(scene.after(timedelta(days=400)).when(CaptureCharge(charge_id="c1"), by=SERVICE))


@pytest.mark.parametrize(
    ("scene", "asked", "reason", "available"),
    [
        (lambda: account("DEPOSIT", 500), charge(501), "INSUFFICIENT_BALANCE", 500),
        (lambda: account("HOUSE", 0, 500), charge(501, kind="HOUSE"), "CREDIT_LIMIT", 500),
        (lambda: account("DEPOSIT", 500), charge(1, kind="GIFT_CARD"), "KIND_MISMATCH", 0),
        (lambda: account("DEPOSIT", 500), charge(1, currency="EUR"), "CURRENCY_MISMATCH", 0),
        (account, charge(1), "ACCOUNT_UNKNOWN", 0),
        (
            lambda: account("DEPOSIT", 500).when(FreezeAccount(reason="lost"), by=CASHIER),
            charge(1),
            "ACCOUNT_FROZEN",
            0,
        ),
        (lambda: account("DEPOSIT").when(CloseAccount(), by=MANAGER), charge(1), "ACCOUNT_CLOSED", 0),
    ],
)
def test_what_cannot_be_kept_is_declined_by_an_event_that_the_till_is_told(
    scene: Any, asked: AuthorizeCharge, reason: Any, available: int
) -> None:
    declined = ChargeDeclined(charge_id="c1", quantity=asked.quantity, reason=reason, available=available, source=TILL)
    scene().when(asked, by=SERVICE).then(declined)


def test_an_account_holds_so_many_amounts_and_no_more() -> None:
    scene = account("DEPOSIT", 5_000)
    for number in range(HOLDS):
        done(scene.when(charge(1, charge_id=f"c{number}"), by=SERVICE))
    scene.when(charge(1, charge_id="more"), by=SERVICE).then_includes(ChargeDeclined, reason="TOO_MANY_HOLDS")
    scene.when(HoldAmount(hold_id="h", amount_minor=1, ttl_s=60), by=CASHIER).then_rejected(refusals.TooManyHolds)


def test_what_a_till_gives_back_is_on_the_account_again_even_when_it_was_closed() -> None:
    scene = account("DEPOSIT", 500).when(charge(500), by=SERVICE).when(CaptureCharge(charge_id="c1"), by=SERVICE)
    done(scene.when(CloseAccount(), by=MANAGER)).then(AccountClosed())
    scene.when(ReturnCharge(quantity=200, source=BACK), by=SERVICE)
    scene.then(ChargeReturned(quantity=200, balance=200, at=NOON, source=BACK))
    assert scene.view(CASHIER)["status"] == "OPEN"


def test_a_gift_card_begins_with_its_first_load_and_a_house_account_does_not() -> None:
    load = LoadValue(kind="GIFT_CARD", amount_minor=2_500, currency="USD", source=SOLD)
    scene = account().when(load, by=SERVICE)
    scene.then(
        AccountOpened(kind="GIFT_CARD", currency="USD"),
        ValueLoaded(amount_minor=2_500, balance=2_500, at=NOON, source=SOLD),
    )
    scene.when(load, by=SERVICE).then_types(ValueLoaded)
    house = msgspec.structs.replace(load, kind="HOUSE")
    account().when(house, by=SERVICE).then(LoadRefused(amount_minor=2_500, reason="ACCOUNT_UNKNOWN", source=SOLD))
    account("DEPOSIT").when(load, by=SERVICE).then_includes(LoadRefused, reason="KIND_MISMATCH")
    euro = msgspec.structs.replace(load, currency="EUR")
    account("GIFT_CARD").when(euro, by=SERVICE).then_includes(LoadRefused, reason="CURRENCY_MISMATCH")


def test_what_was_sold_is_recalled_whole_or_not_at_all() -> None:
    scene = account().when(LoadValue(kind="DEPOSIT", amount_minor=500, currency="USD", source=SOLD), by=SERVICE)
    scene.when(charge(1), by=SERVICE).when(RecallValue(amount_minor=500, source=SOLD), by=SERVICE)
    scene.then(RecallRefused(amount_minor=500, reason="INSUFFICIENT_BALANCE", available=499, source=SOLD))
    scene.when(ReleaseCharge(charge_id="c1"), by=SERVICE).when(RecallValue(amount_minor=500, source=SOLD), by=SERVICE)
    scene.then(ValueRecalled(amount_minor=500, balance=0, at=NOON, source=SOLD))
    account().when(RecallValue(amount_minor=5, source=SOLD), by=SERVICE).then_includes(
        RecallRefused, reason="ACCOUNT_UNKNOWN", available=0
    )


def test_points_that_were_spent_and_are_taken_back_are_owed() -> None:
    earn = EarnPoints(points=100, currency="USD", source=TILL)
    scene = account().when(earn, by=SERVICE)
    scene.then(
        AccountOpened(kind="LOYALTY", currency="USD"), PointsEarned(points=100, balance=100, at=NOON, source=TILL)
    )
    scene.when(RedeemPoints(points=80, reason="mug"), by=CASHIER)
    scene.then(PointsRedeemed(points=80, balance=20, at=NOON, reason="mug"))
    scene.when(RedeemPoints(points=21, reason="mug"), by=CASHIER)
    scene.then_rejected(refusals.InsufficientBalance, available=20)
    scene.when(TakeBackPoints(points=50, source=BACK), by=SERVICE)
    scene.then(PointsTakenBack(points=50, owed=30, balance=0, at=NOON, source=BACK))
    scene.when(earn, by=SERVICE).then(PointsEarned(points=100, settled=30, balance=70, at=NOON, source=TILL))
    account("DEPOSIT").when(earn, by=SERVICE).then_includes(PointsRefused, reason="KIND_MISMATCH")


def test_what_people_hold_ends_at_its_moment() -> None:
    scene = account("HOUSE", 0, 1_000)
    hold = HoldAmount(hold_id="h", amount_minor=600, ttl_s=60, reference="room 7")
    scene.when(hold, by=CASHIER)
    scene.then(AmountHeld(hold_id="h", amount_minor=600, expires_at=NOON + MINUTE, reference="room 7"))
    scene.when(hold, by=CASHIER).then_nothing()
    other = msgspec.structs.replace(hold, amount_minor=5)
    scene.when(other, by=CASHIER).then_rejected(refusals.HeldExists)
    more = msgspec.structs.replace(hold, hold_id="more")
    scene.when(more, by=CASHIER).then_rejected(refusals.CreditLimit, available=400)
    late = scene.when(CaptureHeld(hold_id="h"), by=CASHIER, at=NOON + MINUTE)
    late.then_first_expired(HeldExpired(hold_id="h", effective_at=NOON + MINUTE, cause="lazy"))
    late.then_rejected(refusals.HeldUnknown)
    assert on(scene) == (0, 1_000)


def test_what_people_hold_is_taken_in_part_or_let_go() -> None:
    scene = account("DEPOSIT", 1_000).when(HoldAmount(hold_id="h", amount_minor=600, ttl_s=60), by=CASHIER)
    scene.when(CaptureHeld(hold_id="h", amount_minor=601), by=CASHIER).then_rejected(AmountInvalid)
    scene.when(CaptureHeld(hold_id="h", amount_minor=200), by=CASHIER)
    scene.then(HeldCaptured(hold_id="h", amount_minor=200, balance=800, at=NOON))
    assert on(scene) == (800, 800)
    scene.when(HoldAmount(hold_id="h", amount_minor=600, ttl_s=60), by=CASHIER)
    scene.when(ReleaseHeld(hold_id="h"), by=CASHIER).then(HeldReleased(hold_id="h"))
    scene.when(charge(1), by=SERVICE).when(ReleaseHeld(hold_id="c1"), by=CASHIER).then_rejected(refusals.HeldUnknown)


def test_a_house_account_may_owe_what_a_manager_lets_it() -> None:
    scene = account("HOUSE", 0, 1_000).when(charge(900, kind="HOUSE"), by=SERVICE)
    scene.when(CaptureCharge(charge_id="c1"), by=SERVICE)
    assert on(scene) == (-900, 100)
    scene.when(SetCreditLimit(credit_limit_minor=899, expected_version=1), by=MANAGER)
    scene.then_rejected(refusals.CreditLimit, owed=900)
    scene.when(SetCreditLimit(credit_limit_minor=950, expected_version=7), by=MANAGER).then_rejected(VersionConflict)
    scene.when(SetCreditLimit(credit_limit_minor=950, expected_version=1), by=MANAGER)
    scene.then(CreditLimitSet(credit_limit_minor=950, version=2))
    paid = LoadAccount(amount_minor=900, tender="transfer", reference="invoice 4")
    scene.when(paid, by=CASHIER)
    scene.then(ValueLoaded(amount_minor=900, balance=0, at=NOON, tender="transfer", reference="invoice 4"))


def test_a_frozen_account_takes_money_and_gives_none() -> None:
    scene = account("DEPOSIT", 500).when(FreezeAccount(reason="lost"), by=CASHIER).then(AccountFrozen(reason="lost"))
    scene.when(HoldAmount(hold_id="h", amount_minor=1, ttl_s=60), by=CASHIER).then_rejected(refusals.AccountFrozen)
    done(scene.when(LoadAccount(amount_minor=1, tender="cash"), by=CASHIER))
    scene.when(RecallValue(amount_minor=1, source=SOLD), by=SERVICE).then_includes(
        RecallRefused, reason="ACCOUNT_FROZEN"
    )
    scene.when(UnfreezeAccount(), by=CASHIER).then_rejected(Forbidden)
    scene.when(UnfreezeAccount(), by=MANAGER).then(AccountUnfrozen())


@pytest.mark.parametrize(
    ("scene", "command", "by", "error"),
    [
        (lambda: account("DEPOSIT"), OpenAccount(kind="GIFT_CARD", currency="USD"), CASHIER, refusals.AccountExists),
        (account, OpenAccount(kind="HOUSE", currency="USD"), CASHIER, Forbidden),
        (account, OpenAccount(kind="DEPOSIT", currency="ABC"), CASHIER, ValidationFailed),
        (account, OpenAccount(kind="DEPOSIT", currency="USD", credit_limit_minor=1), MANAGER, ValidationFailed),
        (account, OpenAccount(kind="HOUSE", currency="USD", credit_limit_minor=1.5), MANAGER, AmountInvalid),
        (lambda: account("DEPOSIT"), OpenAccount(kind="DEPOSIT", currency="USD"), WAITER, NotFound),
        (lambda: account("LOYALTY"), LoadAccount(amount_minor=1, tender="cash"), CASHIER, refusals.KindMismatch),
        (lambda: account("DEPOSIT"), LoadAccount(amount_minor=0, tender="cash"), CASHIER, AmountInvalid),
        (
            lambda: account("DEPOSIT", MOST),
            LoadAccount(amount_minor=1, tender="cash"),
            CASHIER,
            AmountInvalid,
        ),
        (
            lambda: account("DEPOSIT"),
            LoadAccount(amount_minor=1, tender="cash", currency="EUR"),
            CASHIER,
            CurrencyMismatch,
        ),
        (
            lambda: account("GIFT_CARD", 9),
            HoldAmount(hold_id="h", amount_minor=1, ttl_s=60),
            MANAGER,
            refusals.KindMismatch,
        ),
        (lambda: account("DEPOSIT", 9), CloseAccount(), MANAGER, refusals.AccountNotEmpty),
        (lambda: account("DEPOSIT", 9), charge(1), MANAGER, Forbidden),
        (
            lambda: account("DEPOSIT").when(CloseAccount(), by=MANAGER),
            LoadAccount(amount_minor=1, tender="cash"),
            CASHIER,
            refusals.AccountClosed,
        ),
    ],
)
def test_a_command_is_refused(scene: Any, command: Command, by: Actor, error: type[HoldfastError]) -> None:
    scene().when(command, by=by).then_rejected(error)


def test_the_code_of_a_card_says_which_account_it_is_and_the_account_does_not_say_the_code() -> None:
    assert card_account("abcd-efgh-2345") == card_account("ABCDEFGH2345")
    assert card_account("abcd-efgh-2345") == "gc-194ef2a96de8b779f34089d62f604bfb55573dfe"


KINDS = st.sampled_from(["GIFT_CARD", "HOUSE", "DEPOSIT", "LOYALTY"])
SOME = st.sampled_from([1, 100, 250, 400])
IDS = st.sampled_from(["c1", "c2"])
DELAYS = st.sampled_from([timedelta(0), timedelta(seconds=30), timedelta(minutes=1)])
STEPS: st.SearchStrategy[tuple[Command, Actor]] = st.one_of(
    st.builds(LoadAccount, amount_minor=SOME, tender=st.just("cash")).map(lambda c: (c, CASHIER)),
    st.builds(HoldAmount, hold_id=st.sampled_from(["h1", "h2", "c1"]), amount_minor=SOME, ttl_s=st.just(60)).map(
        lambda c: (c, CASHIER)
    ),
    st.builds(CaptureHeld, hold_id=st.sampled_from(["h1", "h2", "c1"])).map(lambda c: (c, CASHIER)),
    st.builds(ReleaseHeld, hold_id=st.sampled_from(["h1", "h2"])).map(lambda c: (c, CASHIER)),
    st.builds(RedeemPoints, points=SOME, reason=st.just("mug")).map(lambda c: (c, CASHIER)),
    st.builds(SetCreditLimit, credit_limit_minor=SOME, expected_version=st.integers(1, 3)).map(lambda c: (c, MANAGER)),
    st.builds(charge, SOME, charge_id=IDS, kind=KINDS).map(lambda c: (c, SERVICE)),
    st.builds(CaptureCharge, charge_id=IDS).map(lambda c: (c, SERVICE)),
    st.builds(ReleaseCharge, charge_id=IDS).map(lambda c: (c, SERVICE)),
    st.builds(ReturnCharge, quantity=SOME, source=st.just(BACK)).map(lambda c: (c, SERVICE)),
    st.builds(LoadValue, kind=KINDS, amount_minor=SOME, currency=st.just("USD"), source=st.just(SOLD)).map(
        lambda c: (c, SERVICE)
    ),
    st.builds(RecallValue, amount_minor=SOME, source=st.just(SOLD)).map(lambda c: (c, SERVICE)),
    st.builds(EarnPoints, points=SOME, currency=st.just("USD"), source=st.just(TILL)).map(lambda c: (c, SERVICE)),
    st.builds(TakeBackPoints, points=SOME, source=st.just(BACK)).map(lambda c: (c, SERVICE)),
    st.sampled_from([(FreezeAccount(reason="lost"), CASHIER), (UnfreezeAccount(), MANAGER), (CloseAccount(), MANAGER)]),
)
COMMON = {"VALIDATION", "NOT_FOUND", "FORBIDDEN", "STATE_CONFLICT", "VERSION_CONFLICT"}


@settings(max_examples=200, deadline=None)
@for_all(kind=KINDS, steps=st.lists(st.tuples(st.sampled_from([0, 30, 60]), STEPS), min_size=1, max_size=40))
def test_no_balance_is_below_zero_or_what_may_be_owed_and_no_money_is_made(
    kind: str, steps: list[tuple[int, tuple[Command, Actor]]]
) -> None:
    scene = account(kind, limit=300 if kind == "HOUSE" else 0)
    state = Account()
    for delay, (command, actor) in steps:
        scene.after(timedelta(seconds=delay)).when(command, by=actor)
        if scene.refusal is not None:
            assert scene.refusal.code in {error.code for error in command.raises} | COMMON
        state = msgspec.json.decode(scene.state_json, type=Account)
        assert state.balance >= -state.credit_limit_minor
        assert state.available >= 0
        assert len(state.movements) <= MOVEMENTS
    assert state.balance == sum(moved(event) for event in scene.events)
    assert scene.replayed().state_json == scene.state_json


@settings(max_examples=80, deadline=None)
@for_all(turns=st.lists(st.tuples(DELAYS, st.booleans(), STEPS), min_size=1, max_size=20))
def test_alarms_and_commands_find_deadlines_alike(turns: list[tuple[timedelta, bool, tuple[Command, Actor]]]) -> None:
    find_deadlines_alike(lambda: account("DEPOSIT", 1_000), turns)


def moved(event: Any) -> int:
    """What an event adds to the balance, by what it says itself."""
    match event:
        case ValueLoaded(amount_minor=more) | ChargeReturned(quantity=more):
            return more
        case PointsEarned(points=points, settled=settled):
            return points - settled
        case ChargeCaptured(quantity=less) | ValueRecalled(amount_minor=less) | HeldCaptured(amount_minor=less):
            return -less
        case PointsTakenBack(points=points, owed=owed):
            return owed - points
        case PointsRedeemed(points=points):
            return -points
        case _:
            return 0


@pytest.mark.parametrize(
    "tried", [charge(1), RecallValue(amount_minor=1, source=SOLD), ReleaseCharge(charge_id="c1")], ids=str
)
def test_an_account_that_was_tried_before_can_be_opened_and_loaded(tried: Command) -> None:
    opening = OpenAccount(kind="DEPOSIT", currency="USD")
    done(account().when(tried, by=SERVICE).when(opening, by=CASHIER)).then_types(AccountOpened)
    load = LoadValue(kind="GIFT_CARD", amount_minor=5, currency="USD", source=SOLD)
    done(account().when(tried, by=SERVICE).when(load, by=SERVICE)).then_types(AccountOpened, ValueLoaded)


def test_what_never_came_on_the_account_is_not_taken_off_it() -> None:
    euros = LoadValue(kind="DEPOSIT", amount_minor=500, currency="EUR", source=SOLD)
    recall = RecallValue(amount_minor=500, source=SOLD)
    scene = account("DEPOSIT", 5_000).when(euros, by=SERVICE).when(recall, by=SERVICE)
    scene.then_includes(RecallRefused, reason="NEVER_LOADED")
    dollars = msgspec.structs.replace(euros, currency="USD")
    done(scene.when(dollars, by=SERVICE).when(recall, by=SERVICE)).then_types(ValueRecalled)
    assert on(scene) == (5_000, 5_000)


def test_points_that_were_never_earned_are_not_taken_back() -> None:
    bought = Source(till="loc-1", tab_id="t1")
    refunded = Source(till="loc-1", tab_id="t1", refund_no="R-000001")
    full = account("LOYALTY", MOST).when(EarnPoints(points=5, currency="USD", source=bought), by=SERVICE)
    full.then_includes(PointsRefused, reason="AMOUNT_INVALID")
    full.when(TakeBackPoints(points=5, currency="USD", source=refunded), by=SERVICE).then_nothing()
    other = account("LOYALTY", 100)
    other.when(TakeBackPoints(points=5, currency="EUR", source=refunded), by=SERVICE).then_nothing()


def test_an_account_remembers_so_many_refused_purchases_and_no_more() -> None:
    scene = account("DEPOSIT")
    for number in range(REFUSED + 1):
        source = Source(till="loc-1", tab_id=f"t{number}", line_id="l1")
        scene.when(LoadValue(kind="DEPOSIT", amount_minor=5, currency="EUR", source=source), by=SERVICE)
    assert len(msgspec.json.decode(scene.state_json, type=Account).refused) == REFUSED


def test_a_cashier_puts_so_much_on_an_account_at_once_and_a_manager_more() -> None:
    scene = account("DEPOSIT")
    load = LoadAccount(amount_minor=BY_CASHIERS + 1, tender="transfer")
    scene.when(load, by=CASHIER).then_rejected(Forbidden)
    done(scene.when(load, by=MANAGER))
    done(scene.when(msgspec.structs.replace(load, amount_minor=BY_CASHIERS), by=CASHIER))


@pytest.mark.parametrize("code", ["------------", "ABCD-EFGH-234", "A-----------B"])
def test_a_code_has_twelve_letters_and_digits_besides_its_hyphens(code: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(code, CardCode)
    assert msgspec.convert("ABCD-EFGH-2345-", CardCode) == "ABCD-EFGH-2345-"


def test_only_cashiers_see_an_account_and_of_one_that_is_not_open_nothing() -> None:
    scene = account("DEPOSIT", 500)
    rules, state = PosAccount(), msgspec.json.decode(scene.state_json, type=Account)
    assert [rules.may_read(state, viewer) for viewer in (CASHIER, MANAGER, SERVICE)] == [True] * 3
    assert [rules.may_read(state, viewer) for viewer in (WAITER, DISPLAY, STRANGER)] == [False] * 3
    tried = done(account().when(charge(1), by=SERVICE))
    assert tried.view(MANAGER).get("balance", 0) == 0
    assert "kind" not in tried.view(MANAGER) or tried.view(MANAGER)["kind"] is None
