"""Wiring: what `holdfast serve floor` runs."""

from holdfast import Service
from services.floor.domain import RestaurantFloor

service = Service(name="floor", entities=(RestaurantFloor(),))
