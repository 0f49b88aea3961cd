"""Wiring: what `holdfast serve pos` runs."""

from holdfast import Service
from services.pos.domain import PosSession
from services.pos.domain_account import PosAccount
from services.pos.effects import Floors
from services.pos.effects_accounts import Accounts, Answers
from services.pos.readmodel import Tills
from services.pos.readmodel_accounts import Customers

service = Service(
    name="pos",
    entities=(PosSession(), PosAccount()),
    projections=(Tills(), Customers()),
    reactors=(Floors(), Accounts(), Answers()),
    package=__package__,
)
