"""Wiring: what `holdfast serve pos` runs."""

from holdfast import Service
from services.pos.domain import PosSession

service = Service(name="pos", entities=(PosSession(),))
