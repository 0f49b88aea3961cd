"""Everything that happens at a location's till.

Deadlines tell when they took effect (`effective_at`) and how they were found (`cause`). A tab that was changed is
followed by how it stands now (`TabBalanceChanged`).
"""

from services.pos.domain_charge_events import ChargeEvent
from services.pos.domain_guest_events import GuestEvent
from services.pos.domain_money_events import MoneyEvent
from services.pos.domain_stock_events import StockEvent
from services.pos.domain_tab_events import TabEvent
from services.pos.domain_till_events import TillEvent

SessionEvent = TabEvent | MoneyEvent | StockEvent | TillEvent | GuestEvent | ChargeEvent
