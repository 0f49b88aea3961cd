"""Why a till refuses a command, one class per code."""

from holdfast import Rejected


class TabExists(Rejected):
    """The tab id is taken."""

    code = "TAB_EXISTS"
    status = 409


class TabNotOpen(Rejected):
    """The tab takes no lines now; `details.status` tells why."""

    code = "TAB_NOT_OPEN"
    status = 409


class TabPaid(Rejected):
    """Money was taken for this tab: refund instead."""

    code = "TAB_PAID"
    status = 409


class DayClosed(Rejected):
    """No business day is open."""

    code = "DAY_CLOSED"
    status = 409


class DayNotClear(Rejected):
    """Tabs are still open: settle them, or carry them over; `details.tabs` names some. Or banks are, which are settled first: `details.banks`."""

    code = "DAY_NOT_CLEAR"
    status = 409


class LineExists(Rejected):
    """The line id is taken."""

    code = "LINE_EXISTS"
    status = 409


class LineSent(Rejected):
    """The kitchen has this line: void it with a reason instead."""

    code = "LINE_SENT"
    status = 409


class LinePaid(Rejected):
    """Without this line the tab would be worth less than what was paid: refund instead."""

    code = "LINE_PAID"
    status = 409


class UnknownSku(Rejected):
    """The catalogue has no such item."""

    code = "UNKNOWN_SKU"
    status = 422


class QtyInvalid(Rejected):
    """A quantity is positive and, but for weighed goods, a whole number: 1000 is one."""

    code = "QTY_INVALID"
    status = 422


class PriceOverrideForbidden(Rejected):
    """Only a manager sells at another price than the catalogue's."""

    code = "PRICE_OVERRIDE_FORBIDDEN"
    status = 403


class ModifierUnknown(Rejected):
    """The item does not offer this; `details.id` names it."""

    code = "MODIFIER_UNKNOWN"
    status = 422


class ModifiersRequired(Rejected):
    """Something has to be chosen with this item; `details` tell the `group`, its `min` and `max`."""

    code = "MODIFIERS_REQUIRED"
    status = 422


class ComboInvalid(Rejected):
    """The parts are not one offered choice for each slot of the combo."""

    code = "COMBO_INVALID"
    status = 422


class InsufficientStock(Rejected):
    """Not so many are left; `details.available` tells how many thousandths are."""

    code = "INSUFFICIENT_STOCK"
    status = 422


class ReasonRequired(Rejected):
    """A reason is missing."""

    code = "REASON_REQUIRED"
    status = 422


class ReasonUnknown(Rejected):
    """The reason is not in the location's list, which `details.reasons` tells."""

    code = "REASON_UNKNOWN"
    status = 422


class ApprovalRequired(Rejected):
    """A manager must approve this: `grant_approval`, then send it again with the `approver`."""

    code = "APPROVAL_REQUIRED"
    status = 403


class DiscountInactive(Rejected):
    """There is no such discount, it is not valid now, or its code is another one."""

    code = "DISCOUNT_INACTIVE"
    status = 422


class NotCombinable(Rejected):
    """These discounts exclude each other."""

    code = "NOT_COMBINABLE"
    status = 409


class HoldNotFound(Rejected):
    """There is no such hold."""

    code = "HOLD_NOT_FOUND"
    status = 404


class HoldExpired(Rejected):
    """The hold is over and the goods cannot be held anew; `details.lines` names the lines without cover."""

    code = "HOLD_EXPIRED"
    status = 410


class ExtensionLimit(Rejected):
    """A hold is extended once."""

    code = "EXTENSION_LIMIT"
    status = 409


class NothingToSend(Rejected):
    """The kitchen has all of it."""

    code = "NOTHING_TO_SEND"
    status = 409


class PaymentInProgress(Rejected):
    """A payment of this tab is under way."""

    code = "PAYMENT_IN_PROGRESS"
    status = 409


class AmountExceedsDue(Rejected):
    """Only cash may be more than what is due; `details.due_minor` tells that."""

    code = "AMOUNT_EXCEEDS_DUE"
    status = 422


class PaymentUnknown(Rejected):
    """There is no such payment on an open tab."""

    code = "PAYMENT_UNKNOWN"
    status = 404


class PaymentAlreadyFinal(Rejected):
    """The payment has another outcome already."""

    code = "PAYMENT_ALREADY_FINAL"
    status = 409


class BalanceDue(Rejected):
    """The tab is not paid; `details.minor` tells what is due."""

    code = "BALANCE_DUE"
    status = 409


class SplitInvalid(Rejected):
    """The parts do not make up the tab."""

    code = "SPLIT_INVALID"
    status = 422


class CodeInUse(Rejected):
    """The code is another tab's or has ended, or the tab has as many as it may have."""

    code = "CODE_IN_USE"
    status = 409


class LineTaken(Rejected):
    """Somebody else pays for a line, or has paid for it; `details.line_ids` tells which."""

    code = "LINE_TAKEN"
    status = 409


class NothingToPool(Rejected):
    """All tips of the day are shared out."""

    code = "NOTHING_TO_POOL"
    status = 409


class RefundExceedsPaid(Rejected):
    """More than was paid, or than was sold; `details` tell what is left."""

    code = "REFUND_EXCEEDS_PAID"
    status = 422


class DrawerNotOpen(Rejected):
    """Cash needs an open drawer at this terminal."""

    code = "DRAWER_NOT_OPEN"
    status = 409


class DrawerState(Rejected):
    """The drawer is not in the state that this needs; `details.state` tells which it is in."""

    code = "DRAWER_STATE"
    status = 409


class TerminalSeqGap(Rejected):
    """Facts are missing: submit from `details.expected` on."""

    code = "TERMINAL_SEQ_GAP"
    status = 409


class TrainingTerminal(Rejected):
    """The terminal is used for practice: it does nothing that counts, nor to tabs that do."""

    code = "TRAINING_TERMINAL"
    status = 409


class TerminalUnknown(Rejected):
    """No terminal of this id is registered: a manager does so (`register_terminal`), then its drawer is opened and its facts are taken; keep them."""

    code = "TERMINAL_UNKNOWN"
    status = 404


class TerminalRevoked(Rejected):
    """The terminal may do nothing any more; what it queued goes to review by `quarantine_offline`."""

    code = "TERMINAL_REVOKED"
    status = 403
