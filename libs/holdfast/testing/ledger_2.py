"""The ledger's second version: an event with a new field, a new event, and one in the place of a retired one."""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from holdfast import Command, Context, Entity, Event, Service, State, Upcast


class Ledger(State):
    total: int = 0
    remarks: tuple[tuple[str, str], ...] = ()
    """Who made them, and what they say."""
    milestones: int = 0


class Add(Command, tag="add"):
    creates = True
    amount: int = 1


class Remark(Command, tag="remark"):
    creates = True
    text: str


class Added(Event, tag="added"):
    amount: int
    by: str = ""


class MilestoneReached(Event, tag="milestone_reached"):
    total: int


class Remarked(Event, tag="remarked"):
    author: str
    text: str


class Noted(Event, tag="noted"):
    """What `Remarked` was in the first version, which kept no author."""

    text: str


def remarked_by_nobody(noted: Noted) -> Remarked:
    return Remarked(author="", text=noted.text)


LedgerCommand = Add | Remark
LedgerEvent = Added | MilestoneReached | Remarked

MILESTONE = 10


class LedgerRules(Entity[Ledger, LedgerCommand, LedgerEvent]):
    purpose = "ledger"
    initial = Ledger()
    upcasters = (Upcast(Noted, remarked_by_nobody),)

    def decide(self, ledger: Ledger, command: LedgerCommand, ctx: Context, /) -> Sequence[LedgerEvent]:
        match command:
            case Add(amount=amount):
                added = Added(amount=amount, by=ctx.actor.user)
                total = ledger.total + amount
                reached = total // MILESTONE > ledger.total // MILESTONE
                return [added, MilestoneReached(total=total)] if reached else [added]
            case Remark(text=text):
                return [Remarked(author=ctx.actor.user, text=text)]
            case _:
                assert_never(command)

    def evolve(self, ledger: Ledger, event: LedgerEvent, /) -> Ledger:
        match event:
            case Added(amount=amount):
                return msgspec.structs.replace(ledger, total=ledger.total + amount)
            case MilestoneReached():
                return msgspec.structs.replace(ledger, milestones=ledger.milestones + 1)
            case Remarked(author=author, text=text):
                return msgspec.structs.replace(ledger, remarks=(*ledger.remarks, (author, text)))
            case _:
                assert_never(event)


service = Service(name="ledger", entities=(LedgerRules(),))
