"""A ledger as its first version was: what a rolling restart starts from."""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from holdfast import Command, Context, Entity, Event, Service, State


class Ledger(State):
    total: int = 0
    remarks: tuple[str, ...] = ()


class Add(Command, tag="add"):
    creates = True
    amount: int = 1


class Remark(Command, tag="remark"):
    creates = True
    text: str


class Added(Event, tag="added"):
    amount: int


class Noted(Event, tag="noted"):
    text: str


LedgerCommand = Add | Remark
LedgerEvent = Added | Noted


class LedgerRules(Entity[Ledger, LedgerCommand, LedgerEvent]):
    purpose = "ledger"
    initial = Ledger()

    def decide(self, ledger: Ledger, command: LedgerCommand, ctx: Context, /) -> Sequence[LedgerEvent]:
        match command:
            case Add(amount=amount):
                return [Added(amount=amount)]
            case Remark(text=text):
                return [Noted(text=text)]
            case _:
                assert_never(command)

    def evolve(self, ledger: Ledger, event: LedgerEvent, /) -> Ledger:
        match event:
            case Added(amount=amount):
                return msgspec.structs.replace(ledger, total=ledger.total + amount)
            case Noted(text=text):
                return msgspec.structs.replace(ledger, remarks=(*ledger.remarks, text))
            case _:
                assert_never(event)


service = Service(name="ledger", entities=(LedgerRules(),))
