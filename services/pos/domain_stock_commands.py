"""What is asked of stock and of holds on it."""

from typing import Annotated

import msgspec

from holdfast import Command
from services.pos import domain_errors as refusals
from services.pos.domain_roles import MANAGERS, STAFF
from services.pos.domain_terms import Key, Milli, Words

Ttl = Annotated[int, msgspec.Meta(ge=60, le=3_600)]


class PlaceHold(Command, tag="place_hold"):
    """Keep some of an item for a tab for a while."""

    roles = STAFF
    raises = (
        refusals.InsufficientStock,
        refusals.UnknownSku,
        refusals.QtyInvalid,
        refusals.TabNotOpen,
        refusals.TerminalRevoked,
        refusals.TrainingTerminal,
    )

    hold_id: Key
    tab_id: Key
    sku: Key
    qty_milli: Milli = 1_000
    ttl_s: Ttl | None = None
    """As the location has it when left out."""


class ExtendHold(Command, tag="extend_hold"):
    """Keep it for another while from now, once."""

    roles = STAFF
    raises = (
        refusals.HoldNotFound,
        refusals.HoldExpired,
        refusals.ExtensionLimit,
        refusals.TerminalRevoked,
        refusals.TrainingTerminal,
    )

    hold_id: Key
    ttl_s: Ttl | None = None


class ReleaseHold(Command, tag="release_hold"):
    """Let it go."""

    roles = STAFF
    raises = (
        refusals.HoldNotFound,
        refusals.HoldExpired,
        refusals.PaymentInProgress,
        refusals.TerminalRevoked,
        refusals.TrainingTerminal,
    )

    hold_id: Key


class AdjustStock(Command, tag="adjust_stock"):
    """Count goods in or out; not below what is held and sold."""

    roles = MANAGERS
    raises = (
        refusals.UnknownSku,
        refusals.InsufficientStock,
        refusals.ReasonRequired,
        refusals.TerminalRevoked,
        refusals.TrainingTerminal,
    )

    sku: Key
    delta_milli: Milli
    reason: Words = ""


class SetEightySix(Command, tag="set_eighty_six"):
    """Say that an item is sold out, or that it is back."""

    roles = STAFF
    raises = (refusals.UnknownSku, refusals.TerminalRevoked, refusals.TrainingTerminal)

    sku: Key
    unavailable: bool = True


StockCommand = PlaceHold | ExtendHold | ReleaseHold | AdjustStock | SetEightySix
