"""Wiring: what `holdfast serve auction` runs."""

from holdfast import Service
from services.auction.domain import Auction
from services.auction.readmodel import Lots

service = Service(name="auction", entities=(Auction(),), projections=(Lots(),), package=__package__)
