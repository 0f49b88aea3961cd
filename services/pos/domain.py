"""A location's till: one entity for its tabs, stock, payments, drawers and business day.

Each part of the trade stands next to this file, pure like it: `domain_tabs` (tabs and lines), `domain_pricing` (discounts, taxes), `domain_checks`
(split, merge), `domain_stock` (holds), `domain_payments`, `domain_drawers`, `domain_banks`, `domain_day`, `domain_offline` and `domain_floor` (facts from
elsewhere), `domain_guests` (codes at tables), `domain_deadlines`. They record into a `Draft`; `domain_evolve` tells what a record makes of the session.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, assert_never

from holdfast import Actor, Audience, Context, Entity
from services.pos import domain_banks as banks
from services.pos import domain_charge_commands as of_charges
from services.pos import domain_charges as charges
from services.pos import domain_checks as checks
from services.pos import domain_combos as combos
from services.pos import domain_day as days
from services.pos import domain_discounts as discounts
from services.pos import domain_drawers as drawers
from services.pos import domain_floor as floor
from services.pos import domain_floor_commands as from_floor
from services.pos import domain_guest_commands as of_guests
from services.pos import domain_guests as guests
from services.pos import domain_money_commands as money
from services.pos import domain_offline as offline
from services.pos import domain_payments as payments
from services.pos import domain_prices as prices
from services.pos import domain_settings as settings
from services.pos import domain_stock as stock
from services.pos import domain_stock_commands as of_stock
from services.pos import domain_tab_commands as of_tabs
from services.pos import domain_tabs as tabs
from services.pos import domain_terminals as terminals
from services.pos import domain_till_commands as till
from services.pos.domain_approval import grant_approval
from services.pos.domain_audience import audience
from services.pos.domain_commands import SessionCommand
from services.pos.domain_deadlines import expire
from services.pos.domain_draft import Draft
from services.pos.domain_events import SessionEvent
from services.pos.domain_evolve import evolve
from services.pos.domain_roles import READERS
from services.pos.domain_session import GUEST_PREFIX, Session
from services.pos.domain_view import SessionView, view
from services.pos.domain_waking import next_deadline

_READERS: Final = frozenset(f"role:{role}" for role in READERS)


class PosSession(Entity[Session, SessionCommand, SessionEvent]):
    """The till of one location."""

    purpose = "pos-session"
    initial = Session()

    def decide(self, session: Session, command: SessionCommand, ctx: Context, /) -> Sequence[SessionEvent]:
        """Judge a command."""
        draft = Draft(session, ctx)
        if not isinstance(command, till.QuarantineOffline):
            terminals.check_not_revoked(draft, ctx.actor.device)
        terminals.check_practice(draft, command)
        if isinstance(command, from_floor.FloorCommand):
            draft.hear(command.floor, command.post)
        _decide(draft, command)
        return draft.finished()

    def evolve(self, session: Session, event: SessionEvent, /) -> Session:
        """Obey an event."""
        return evolve(session, event)

    def alarm_at(self, session: Session, /) -> datetime | None:
        """The earliest deadline of holds, payments and approvals."""
        return next_deadline(session)

    def on_alarm(self, session: Session, ctx: Context, /) -> Sequence[SessionEvent]:
        """End what is over, as of the deadline itself."""
        draft = Draft(session, ctx)
        expire(draft, ctx.due_at or ctx.now)
        return draft.finished()

    def view(self, session: Session, viewer: Actor, /) -> SessionView:
        """The till as this viewer may see it."""
        return view(session, viewer)

    def audience(self, event: SessionEvent, session: Session, /) -> Audience:
        """Who may see what of an event."""
        return audience(event)

    def readers(self, session: Session, /) -> frozenset[str]:
        """Whoever works at the location, and guests while their code counts."""
        if not session.codes:
            return _READERS
        return _READERS | {f"user:{GUEST_PREFIX}{code_id}" for code_id in session.codes}


def _decide(draft: Draft, command: SessionCommand) -> None:  # noqa: C901, PLR0912, PLR0915 - one line for each command
    match command:
        case till.Configure():
            settings.configure(draft, command)
        case till.SetItem():
            settings.set_item(draft, command)
        case till.SetPriceBook():
            prices.set_price_book(draft, command)
        case till.SetDiscount():
            settings.set_discount(draft, command)
        case till.RegisterTerminal():
            terminals.register_terminal(draft, command)
        case till.Heartbeat():
            terminals.heartbeat(draft, command)
        case till.LockTerminal():
            terminals.lock_terminal(draft, command)
        case till.UnlockTerminal():
            terminals.unlock_terminal(draft, command)
        case till.SetTraining():
            terminals.set_training(draft, command)
        case till.ShowTab():
            terminals.show_tab(draft, command)
        case till.RevokeTerminal():
            terminals.revoke_terminal(draft, command)
        case till.GrantApproval():
            grant_approval(draft, command)
        case till.SubmitOffline():
            offline.submit_offline(draft, command)
        case till.QuarantineOffline():
            offline.quarantine_offline(draft, command)
        case of_tabs.OpenTab():
            tabs.open_tab(draft, command)
        case of_tabs.AddLine():
            tabs.add_line(draft, command)
        case of_tabs.AddCombo():
            combos.add_combo(draft, command)
        case of_tabs.SetLineQty():
            tabs.set_line_qty(draft, command)
        case of_tabs.RemoveLine():
            tabs.remove_line(draft, command)
        case of_tabs.VoidLine():
            tabs.void_line(draft, command)
        case of_tabs.CompLine():
            tabs.comp_line(draft, command)
        case of_tabs.ApplyDiscount():
            discounts.apply_discount(draft, command)
        case of_tabs.RemoveDiscount():
            discounts.remove_discount(draft, command)
        case of_tabs.WaiveGratuity():
            discounts.waive_gratuity(draft, command)
        case of_tabs.SendToKitchen():
            tabs.send_to_kitchen(draft, command)
        case of_tabs.PrintBill():
            tabs.print_bill(draft, command)
        case of_tabs.VoidTab():
            tabs.void_tab(draft, command)
        case of_tabs.TransferTab():
            tabs.transfer_tab(draft, command)
        case of_tabs.ReopenTab():
            checks.reopen_tab(draft, command)
        case of_tabs.SplitTab():
            checks.split_tab(draft, command)
        case of_tabs.MergeTabs():
            checks.merge_tabs(draft, command)
        case of_tabs.MoveLines():
            checks.move_lines(draft, command)
        case of_stock.PlaceHold():
            stock.place_hold(draft, command)
        case of_stock.ExtendHold():
            stock.extend_hold(draft, command)
        case of_stock.ReleaseHold():
            stock.release_hold(draft, command)
        case of_stock.AdjustStock():
            stock.adjust_stock(draft, command)
        case of_stock.SetEightySix():
            stock.set_eighty_six(draft, command)
        case money.BeginPayment():
            payments.begin_payment(draft, command)
        case money.RecordPaymentResult():
            payments.record_payment_result(draft, command)
        case money.CloseTab():
            payments.close_tab(draft, command)
        case money.Refund():
            payments.refund(draft, command)
        case money.OpenDrawer():
            drawers.open_drawer(draft, command)
        case money.OpenBank():
            banks.open_bank(draft, command)
        case money.SettleBank():
            banks.settle_bank(draft, command)
        case money.PayIn():
            drawers.pay_in(draft, command)
        case money.PayOut():
            drawers.pay_out(draft, command)
        case money.NoSale():
            drawers.no_sale(draft, command)
        case money.EndDrawer():
            drawers.end_drawer(draft, command)
        case money.CountDrawer():
            drawers.count_drawer(draft, command)
        case money.OpenDay():
            days.open_day(draft, command)
        case money.PoolTips():
            days.pool_tips(draft, command)
        case money.CloseDay():
            days.close_day(draft, command)
        case of_guests.IssueTableCode():
            guests.issue_table_code(draft, command)
        case of_guests.RevokeTableCodes():
            guests.revoke_table_codes(draft, command)
        case of_guests.PayAtTable():
            guests.pay_at_table(draft, command)
        case of_charges.RecordCharge():
            payments.record_charge(draft, command)
        case of_charges.SetTabCustomer():
            charges.set_customer(draft, command)
        case of_charges.RecallLine():
            charges.recall_line(draft, command)
        case of_charges.RecordValue():
            charges.record_value(draft, command)
        case from_floor.PostOrder():
            floor.post_order(draft, command)
        case from_floor.PostCancel():
            floor.post_cancel(draft, command)
        case from_floor.PostMove():
            floor.post_move(draft, command)
        case from_floor.PostTable():
            floor.post_table(draft, command)
        case from_floor.PostMerge():
            floor.post_merge(draft, command)
        case from_floor.PostUnmerge():
            floor.post_unmerge(draft, command)
        case _:
            assert_never(command)
