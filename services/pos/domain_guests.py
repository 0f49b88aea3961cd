"""Guests who pay at their table: by a code of their own, which shows one tab and lets it be paid, and nothing else.

The sender of a guest's command is named after the code (`guest-` and its id): the credential is the code's, and the tab
that it pays is never told by who sends it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from holdfast import NotFound, ValidationFailed
from holdfast.money import PPM, distribute
from services.pos import domain_errors as refusals
from services.pos import domain_guest_commands as commands
from services.pos import domain_guest_events as events
from services.pos.domain_draft import Draft
from services.pos.domain_money_commands import BeginPayment
from services.pos.domain_payments import begin_payment
from services.pos.domain_pricing import bill_of
from services.pos.domain_session import Session, Tab
from services.pos.domain_terms import Line, Settings

MAX_CODES: Final = 20
"""Of one tab: a code for each guest of a large party, and no more for ever."""


def issue_table_code(draft: Draft, command: commands.IssueTableCode) -> None:
    """Let a code be used for a tab; nothing when it can be."""
    draft.tab(command.tab_id)
    known = draft.session.codes.get(command.code_id)
    if known is not None:
        if known.tab_id == command.tab_id:
            return
        raise refusals.CodeInUse("code_id: this one is another tab's; make a new one")
    if command.code_id in draft.session.codes_ended:
        raise refusals.CodeInUse("code_id: this one has ended, and a guest may have it still; make a new one")
    if sum(code.tab_id == command.tab_id for code in draft.session.codes.values()) >= MAX_CODES:
        raise refusals.CodeInUse(f"the tab has {MAX_CODES} codes: use one of them, or revoke_table_codes")
    draft.record(
        events.TableCodeIssued(
            code_id=command.code_id,
            tab_id=command.tab_id,
            issued_by=draft.ctx.actor.user,
            expires_at=draft.ctx.now + timedelta(seconds=command.seconds),
        )
    )


def revoke_table_codes(draft: Draft, command: commands.RevokeTableCodes) -> None:
    """End the codes of a tab; nothing when it has none."""
    ended = tuple(code_id for code_id, code in draft.session.codes.items() if code.tab_id == command.tab_id)
    if ended:
        draft.record(events.TableCodesRevoked(tab_id=command.tab_id, code_ids=ended))


def pay_at_table(draft: Draft, command: commands.PayAtTable) -> None:
    """Begin the payment of a guest's part; nothing when this very one is under way."""
    code = draft.session.code_of(draft.ctx.actor.user)
    if code is None:
        raise NotFound("this code counts no more: ask for a new one")
    known = draft.session.payments.get(command.payment_id)
    if known is not None and known.tab_id == code.tab_id and known.status == "started":
        return
    if draft.tab(code.tab_id).status == "PAYING":
        raise refusals.PaymentInProgress("somebody pays right now: wait for the outcome")
    tab = draft.open_tab(code.tab_id)
    amount = _amount(draft, code.tab_id, tab, command)
    payment = BeginPayment(
        tab_id=code.tab_id,
        payment_id=command.payment_id,
        amount_minor=amount,
        tender="card",
        tip_minor=command.tip_minor,
    )
    begin_payment(draft, payment)
    if command.line_ids is not None:
        claimed = events.LinesClaimed(
            tab_id=code.tab_id, payment_id=command.payment_id, line_ids=tuple(dict.fromkeys(command.line_ids))
        )
        draft.record(claimed)


def expire_codes(draft: Draft, due: datetime) -> None:
    """End the codes whose time is over."""
    for code_id, code in draft.session.codes.items():
        if code.expires_at <= due:
            ended = events.TableCodeExpired(
                code_id=code_id, tab_id=code.tab_id, effective_at=due, cause=draft.ctx.cause
            )
            draft.record(ended)


def portions(tab: Tab, settings: Settings) -> Mapping[str, int]:
    """What each line has of what is due, with its taxes and service; they sum to it exactly."""
    bill = bill_of(tab, settings)
    if not tab.lines:
        return {}
    weights = [
        bill.lines[line_id].remaining_minor * (PPM + line.gratuity_ppm + _on_top(line, settings))
        for line_id, line in tab.lines.items()
    ]
    return dict(zip(tab.lines, distribute(bill.due_minor, weights), strict=True))


def taken(session: Session, tab: Tab) -> Iterator[str]:
    """The lines that somebody pays for, or has paid for."""
    for line_id, payment_id in tab.claims.items():
        payment = session.payments.get(payment_id)
        if payment is not None and payment.status in {"started", "captured"}:
            yield line_id


def _on_top(line: Line, settings: Settings) -> int:
    taxes = {**settings.taxes, **line.taxes}
    return sum(taxes[tax_id].ppm for tax_id in line.tax_ids if tax_id in taxes and not taxes[tax_id].inclusive)


def _amount(draft: Draft, tab_id: str, tab: Tab, command: commands.PayAtTable) -> int:
    due = draft.bill(tab_id).due_minor
    balance = due - tab.paid_minor
    if command.parts is not None and command.line_ids is not None:
        raise ValidationFailed("say parts or line_ids, not both")
    if command.parts is not None:
        return min(balance, _part(due, tab.paid_minor, command.parts))
    if command.line_ids is None:
        return balance
    shares, gone = portions(tab, draft.settings), set(taken(draft.session, tab))
    unknown = [line_id for line_id in command.line_ids if line_id not in shares]
    if unknown:
        raise NotFound(f"line_ids: there is no line {unknown[0]!r} on this tab")
    paid = [line_id for line_id in dict.fromkeys(command.line_ids) if line_id in gone]
    if paid:
        raise refusals.LineTaken("line_ids: somebody else pays for one of these", line_ids=paid)
    return min(balance, sum(shares[line_id] for line_id in dict.fromkeys(command.line_ids)))


def _part(due: int, paid: int, parts: int) -> int:
    """The next of so many even parts; after something else was paid meanwhile, the first one, which is none of the smaller."""
    shares = distribute(due, [1] * parts)
    after = dict(zip(accumulate(shares, initial=0), shares, strict=False))
    return after.get(paid, shares[0])
