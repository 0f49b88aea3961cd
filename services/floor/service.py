"""Wiring: what `holdfast serve floor` runs."""

from holdfast import Service
from services.floor.domain import RestaurantFloor
from services.floor.effects import Kitchen, Till
from services.floor.printing import KitchenPrinter
from services.floor.readmodel import Floors
from services.floor.readmodel_heat import Heat

service = Service(
    name="floor",
    entities=(RestaurantFloor(),),
    projections=(Floors(), Heat()),
    reactors=(Kitchen(), Till()),
    workers=(KitchenPrinter(),),
    package=__package__,
)
