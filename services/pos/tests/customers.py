"""A till and its customers' accounts side by side, with what each has to tell the other still on its way."""

from collections import deque
from datetime import timedelta
from typing import Any

from holdfast import Actor, Command
from holdfast._judge import Judge
from holdfast.sql import StoredEvent
from holdfast.testing import Scenario, given
from holdfast.worker import AnyReactor, Send
from services.pos.contract import AddLine, BeginPayment, CloseTab, OpenTab, RegisterTerminal, SetItem
from services.pos.domain_account import PosAccount
from services.pos.domain_account_commands import EarnPoints, LoadAccount, OpenAccount
from services.pos.domain_account_terms import Source, card_account
from services.pos.domain_terms import Item, Loyalty
from services.pos.effects_accounts import Accounts, Answers
from services.pos.tests.scenes import CASHIER, MANAGER, NOON, SERVICE, WAITER, done, opened

CODE = "GIFT-2345-ABCD"
CARD = card_account(CODE)
LOYALTY = Loyalty(earn_ppm=10_000, point_ppm=5_000_000)
"""A point for each 1.00 that is spent, worth 0.05."""
VALUES = {
    "card": Item(name="Gift card", price_minor=2_500, stored_value="GIFT_CARD"),
    "deposit": Item(name="Deposit", price_minor=1_000, stored_value="DEPOSIT"),
    "settle": Item(name="House account", price_minor=1_000, stored_value="HOUSE"),
}


class Street:
    """One till, the accounts that it reaches, and the effects of each that have not happened yet."""

    def __init__(self, **settings: Any) -> None:
        self.till = opened(**{"loyalty": LOYALTY, **settings})
        done(self.till.when(RegisterTerminal(terminal_id="till-2"), by=MANAGER))
        for sku, item in VALUES.items():
            done(self.till.when(SetItem(sku=sku, item=item), by=MANAGER))
        self.accounts: dict[str, Scenario] = {}
        self._seen: dict[Scenario, int] = {self.till: len(self.till.log)}
        self._waiting: dict[Scenario, deque[tuple[Actor, Send]]] = {}

    def account(self, account_id: str) -> Scenario:
        """The account of this id; nobody has to have opened it."""
        if account_id not in self.accounts:
            scene = given(PosAccount(), at=NOON, id_=account_id)
            self.accounts[account_id] = scene
            self._seen[scene] = 0
        return self.accounts[account_id]

    def opened(self, account_id: str, kind: Any, loaded: int = 0, limit: int = 0) -> Scenario:
        """An account with so much on it."""
        scene = self.account(account_id)
        done(scene.when(OpenAccount(kind=kind, currency="USD", credit_limit_minor=limit), by=MANAGER))
        if kind == "LOYALTY" and loaded:
            source = Source(till="elsewhere", tab_id="before")
            done(scene.when(EarnPoints(points=loaded, currency="USD", source=source), by=SERVICE))
        elif loaded:
            done(scene.when(LoadAccount(amount_minor=loaded, tender="cash"), by=CASHIER))
        self._seen[scene] = len(scene.log)
        return scene

    def do(self, command: Command, by: Actor = CASHIER) -> Scenario:
        """Ask the till, and let it tell nobody yet."""
        self.till.when(command, by=by)
        self._collect()
        return self.till

    def pass_time(self, delay: timedelta) -> None:
        """Let time go by everywhere, with the alarms that ring."""
        now = self.till.now + delay
        for scene in (self.till, *self.accounts.values()):
            while scene.alarm_at is not None and scene.alarm_at <= now:
                scene.wake(at=scene.alarm_at)
            scene.at(now)
        self._collect()

    def deliver(self, turn: int = 0) -> bool:
        """Let one effect happen, the oldest of one of those who have some; False when none waits."""
        waiting = [queue for queue in self._waiting.values() if queue]
        if not waiting:
            return False
        actor, send = waiting[turn % len(waiting)].popleft()
        target = self.till if send.name.purpose == "pos-session" else self.account(send.name.id)
        target.when(send.command, by=actor, at=self.till.now)
        assert target.refusal is None, f"{send.command} would be a dead letter: {target.refusal}"
        self._collect()
        return True

    def settle(self) -> None:
        """Let everything happen that is on its way."""
        while self.deliver():
            pass

    def _collect(self) -> None:
        for scene in (self.till, *self.accounts.values()):
            reactor: AnyReactor = Accounts() if scene is self.till else Answers()
            judge = Judge(scene.entity)
            for each in scene.log[self._seen[scene] :]:
                stored = StoredEvent[Any](name=scene.name, position=each.seq, recorded=each, judge=judge)
                for effect in reactor.react(stored):
                    assert isinstance(effect, Send)
                    self._waiting.setdefault(scene, deque()).append((reactor.actor, effect))
            self._seen[scene] = len(scene.log)

    def order(self, *skus: str, tab_id: str = "t1", **more: Any) -> Scenario:
        """A tab with one of each of these, as the lines l1, l2 …"""
        self.do(OpenTab(tab_id=tab_id), by=WAITER)
        for number, sku in enumerate(skus, start=1):
            line_id = f"l{number}" if tab_id == "t1" else f"{tab_id}-l{number}"
            terms = more if sku in VALUES else {}
            done(self.do(AddLine(tab_id=tab_id, line_id=line_id, sku=sku, **terms), by=WAITER))
        return self.till

    def due(self, tab_id: str = "t1") -> int:
        """What is to be paid."""
        return self.till.view(MANAGER)["tabs"][tab_id]["balance_minor"]

    def begin(
        self, tender: Any, minor: int | None = None, *, tab_id: str = "t1", payment_id: str = "p1", **more: Any
    ) -> Scenario:
        """Begin a payment, of all that is due when no amount is named."""
        amount = self.due(tab_id) if minor is None else minor
        return done(
            self.do(BeginPayment(tab_id=tab_id, payment_id=payment_id, amount_minor=amount, tender=tender, **more))
        )

    def close(self, tab_id: str = "t1") -> Scenario:
        """Close a paid tab."""
        return done(self.do(CloseTab(tab_id=tab_id)))

    def balance(self, account_id: str) -> int:
        """What is on an account."""
        return self.account(account_id).view(CASHIER).get("balance", 0)
