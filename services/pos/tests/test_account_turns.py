"""Stored value and points while cards are stored, lost, split, merged, recalled and refunded, in any order."""

from datetime import timedelta
from typing import Any

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Command
from services.pos.contract import (
    AddLine,
    BeginPayment,
    CardSale,
    CloseTab,
    MergeTabs,
    MoveLines,
    OpenTab,
    RecordPaymentResult,
    Refund,
    RemoveLine,
    SplitPart,
    SplitTab,
    SubmitOffline,
)
from services.pos.domain_account_commands import FreezeAccount, UnfreezeAccount
from services.pos.domain_charge_commands import RecallLine, SetTabCustomer
from services.pos.tests.customers import CARD, CODE, Street
from services.pos.tests.scenes import CASHIER, MANAGER, NOON, SERVICE, WAITER
from services.pos.tests.test_account_payments import session

OTHER = {"t1": "t2", "t2": "t1"}
TAB = st.sampled_from(sorted(OTHER))
NUMBER = st.integers(0, 5)
ENDS = st.sampled_from(["captured", "failed"])
TURNS = st.one_of(
    st.tuples(st.just("deliver"), NUMBER),
    st.tuples(st.just("deliver"), NUMBER),
    st.tuples(st.just("sell"), TAB, NUMBER),
    st.tuples(st.just("cash"), TAB),
    st.tuples(st.just("stored"), TAB, st.booleans()),
    st.tuples(st.just("stored"), TAB, st.booleans()),
    st.tuples(st.just("told"), NUMBER, ENDS),
    st.tuples(st.just("told"), NUMBER, ENDS),
    st.tuples(st.just("gift"), TAB, st.sampled_from([100, 300, 2_500])),
    st.tuples(st.just("close"), TAB),
    st.tuples(st.just("merge"), TAB),
    st.tuples(st.just("split"), TAB),
    st.tuples(st.just("move"), TAB, NUMBER),
    st.tuples(st.just("customer"), TAB, st.sampled_from(["k1", "k2", None])),
    st.tuples(st.just("recall"), TAB, NUMBER),
    st.tuples(st.just("refund"), TAB, st.sampled_from([100, 2_500]), st.sampled_from(["cash", "gift", "card"])),
    st.tuples(st.just("remove"), TAB, NUMBER),
    st.tuples(st.just("freeze"), st.booleans()),
)


class Bar:
    """A street on which all this is done; what is refused is refused."""

    def __init__(self) -> None:
        self.street = Street()
        self.card = self.street.opened(CARD, "GIFT_CARD", 700)
        for tab_id in OTHER:
            self.street.order("beer", tab_id=tab_id)
        self.stored: list[str] = []

    def take(self, number: int, turn: Any) -> None:
        match turn:
            case ("deliver", which):
                self.street.deliver(which)
            case ("sell", tab_id, which):
                self.street.do(OpenTab(tab_id=tab_id), by=WAITER)
                line = AddLine(tab_id=tab_id, line_id=f"c{which}-{tab_id}", sku="card", card_code=CODE)
                self.street.do(line, by=WAITER)
            case ("stored", tab_id, half) if self.due(tab_id) > 1:
                self.store(f"s{number}", tab_id, self.due(tab_id) // (1 + half))
            case ("stored", _, _):
                return
            case ("cash", tab_id):
                self.pay(f"p{number}", tab_id, self.due(tab_id) + 10, tender="cash", terminal_id="till-1")
                self.street.do(RecordPaymentResult(payment_id=f"p{number}", outcome="captured"))
            case ("gift", tab_id, minor):
                self.pay(f"p{number}", tab_id, minor, tender="gift", card_code=CODE)
            case ("told", int(which), outcome):
                payment_id = self.stored[which] if which < len(self.stored) else "none"
                self.street.do(RecordPaymentResult(payment_id=payment_id, outcome=outcome), by=SERVICE)
            case ("freeze", on):
                self.card.when(FreezeAccount(reason="lost") if on else UnfreezeAccount(), by=MANAGER)
            case (what, tab_id, *rest):
                self.street.do(asked(number, what, tab_id, rest), by=MANAGER)
            case _:
                raise AssertionError(turn)

    def due(self, tab_id: str) -> int:
        return self.street.due(tab_id) if tab_id in session(self.street).tabs else 0

    def pay(self, payment_id: str, tab_id: str, minor: int, **more: Any) -> None:
        self.street.do(BeginPayment(tab_id=tab_id, payment_id=payment_id, amount_minor=minor, **more))

    def store(self, payment_id: str, tab_id: str, minor: int) -> None:
        sale = CardSale(tab_id=tab_id, payment_id=payment_id, lines=(), paid_minor=minor, occurred_at=NOON)
        self.stored.append(payment_id)
        self.street.do(SubmitOffline(terminal_id="till-2", terminal_seq=len(self.stored), facts=(sale,)))


def asked(  # noqa: PLR0911 - one for each turn
    number: int, what: str, tab_id: str, rest: list[Any]
) -> Command:
    """What a manager asks for."""
    match what, rest:
        case "close", []:
            return CloseTab(tab_id=tab_id)
        case "merge", []:
            return MergeTabs(from_=tab_id, into=OTHER[tab_id])
        case "split", []:
            return SplitTab(tab_id=tab_id, mode="evenly", parts=(SplitPart(tab_id=f"x{number}"),))
        case "move", [which]:
            return MoveLines(from_tab_id=tab_id, to_tab_id=OTHER[tab_id], line_ids=(f"c{which}-{tab_id}",))
        case "customer", [account_id]:
            return SetTabCustomer(tab_id=tab_id, account_id=account_id)
        case "recall", [which]:
            return RecallLine(tab_id=tab_id, line_id=f"c{which}-{tab_id}")
        case "remove", [which]:
            return RemoveLine(tab_id=tab_id, line_id=f"c{which}-{tab_id}")
        case "refund", [minor, tender]:
            drawer = "till-1" if tender == "cash" else None
            terms: dict[str, Any] = {"tab_id": tab_id, "reason_code": "wrong", "terminal_id": drawer}
            return Refund(amount_minor=minor, tender=tender, **terms)
        case _:
            raise AssertionError(what)


@settings(max_examples=120, deadline=None)
@for_all(turns=st.lists(TURNS, min_size=5, max_size=40))
def test_accounts_have_what_settled_checks_put_on_them_and_no_more(turns: list[Any]) -> None:
    bar = Bar()
    for number, turn in enumerate(turns):
        bar.take(number, turn)
    bar.street.pass_time(timedelta(minutes=10))
    bar.street.settle()
    till = session(bar.street)
    settled = [tab for tab_id, tab in till.closed.items() if tab_id not in till.owed]
    sold = [stored for tab in settled for stored in tab.stored.values()]
    charges = [taken for tab in (*till.closed.values(), *till.tabs.values()) for taken in tab.charges.values()]
    spent = sum(taken.minor - taken.returned_minor for taken in charges)
    assert bar.street.balance(CARD) == 700 + sum(each.minor for each in sold if each.state == "on") - spent
    assert not [each for each in sold if each.state == "asked"]
    assert bar.card.view(CASHIER)["holds"] == {}
    for customer in ("k1", "k2"):
        earned = [(tab.points, tab.points_returned) for tab in settled if tab.points is not None]
        left = sum(points.points - back for points, back in earned if points.account_id == customer)
        assert bar.street.balance(customer) == left
    assert all(tab.refunded_minor <= tab.paid_minor for tab in till.closed.values())
