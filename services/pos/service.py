"""Wiring: what `holdfast serve pos` runs."""

from holdfast import Service
from services.pos.domain import PosSession
from services.pos.domain_account import PosAccount
from services.pos.effects import Floors
from services.pos.readmodel import Tills

service = Service(
    name="pos",
    entities=(PosSession(), PosAccount()),
    projections=(Tills(),),
    reactors=(Floors(),),
    package=__package__,
)
