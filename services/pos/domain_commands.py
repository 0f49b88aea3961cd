"""Everything that may be asked of a location's till."""

from services.pos.domain_charge_commands import ChargeCommand
from services.pos.domain_floor_commands import FloorCommand
from services.pos.domain_guest_commands import GuestCommand
from services.pos.domain_money_commands import MoneyCommand
from services.pos.domain_stock_commands import StockCommand
from services.pos.domain_tab_commands import TabCommand
from services.pos.domain_till_commands import TillCommand

SessionCommand = TabCommand | MoneyCommand | StockCommand | TillCommand | FloorCommand | GuestCommand | ChargeCommand
