"""Wiring: what `holdfast serve auction` runs."""

from holdfast import Service
from services.auction.domain import Auction

service = Service(name="auction", entities=(Auction(),), package=__package__)
