"""Wiring: what `holdfast serve floor` runs."""

from holdfast import Service
from services.floor.domain import RestaurantFloor
from services.floor.effects import Kitchen
from services.floor.printing import KitchenPrinter

service = Service(
    name="floor",
    entities=(RestaurantFloor(),),
    reactors=(Kitchen(),),
    workers=(KitchenPrinter(),),
)
