"""A small entity whose readers change: whoever is in the circle reads it, and may be put out."""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from holdfast import Command, Context, Contract, Entity, Event, Service, State


class Circle(State):
    members: frozenset[str] = frozenset()
    said: int = 0


class Admit(Command, tag="admit"):
    """Let a user in."""

    creates = True
    user: str


class PutOut(Command, tag="put_out"):
    """Put a user out."""

    user: str


class Say(Command, tag="say"):
    """Say something to whoever is in."""

    text: str


class Admitted(Event, tag="admitted"):
    user: str


class WasPutOut(Event, tag="was_put_out"):
    user: str


class Said(Event, tag="said"):
    text: str


CircleCommand = Admit | PutOut | Say
CircleEvent = Admitted | WasPutOut | Said


class CircleView(msgspec.Struct, frozen=True, kw_only=True):
    members: tuple[str, ...]


class CircleEntity(Entity[Circle, CircleCommand, CircleEvent]):
    purpose = "circle"
    initial = Circle()

    def decide(self, circle: Circle, command: CircleCommand, ctx: Context, /) -> Sequence[CircleEvent]:
        match command:
            case Admit(user=user):
                return [Admitted(user=user)]
            case PutOut(user=user):
                return [WasPutOut(user=user)]
            case Say(text=text):
                return [Said(text=text)]
            case _:
                assert_never(command)

    def evolve(self, circle: Circle, event: CircleEvent, /) -> Circle:
        match event:
            case Admitted(user=user):
                return msgspec.structs.replace(circle, members=circle.members | {user})
            case WasPutOut(user=user):
                return msgspec.structs.replace(circle, members=circle.members - {user})
            case Said():
                return msgspec.structs.replace(circle, said=circle.said + 1)
            case _:
                assert_never(event)

    def view(self, circle: Circle, viewer: object, /) -> CircleView:
        return CircleView(members=tuple(sorted(circle.members)))

    def readers(self, circle: Circle, /) -> frozenset[str]:
        return frozenset({"role:warden", *(f"user:{member}" for member in circle.members)})


service = Service(name="circle", entities=(CircleEntity(),))
contract = Contract.of(CircleEntity, view=CircleView, summary="Circles")
