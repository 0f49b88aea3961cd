"""A small entity for the gateway's tests: notes with a secret, a role, an own error code, and a creating command."""

from collections.abc import Sequence
from typing import Annotated, assert_never

import msgspec

from holdfast import Actor, Audience, Command, Context, Contract, Entity, Event, ListForm, Rejected, Service, State

CAPACITY = 20_000


class PadFull(Rejected):
    code = "PAD_FULL"
    status = 409


class Pad(State):
    notes: int = 0
    last: str = ""
    secret: str = ""


class Write(Command, tag="write_note"):
    """Write a note, with a secret that only keepers see."""

    creates = True
    raises = (PadFull,)

    text: str
    secret: str = ""
    times: int = 1


class Lock(Command, tag="lock"):
    """Note that the pad is locked; only keepers see it."""

    roles = frozenset({"keeper"})


class Written(Event, tag="written"):
    text: str
    secret: str = ""


class Locked(Event, tag="locked"):
    pass


class PadView(msgspec.Struct, frozen=True, kw_only=True):
    notes: int
    last: str
    secret: str | None = None


class PadEntity(Entity[Pad, Write | Lock, Written | Locked]):
    purpose = "pad"
    initial = Pad()

    def decide(self, pad: Pad, command: Write | Lock, ctx: Context, /) -> Sequence[Written | Locked]:
        match command:
            case Write(text=text, secret=secret, times=times):
                if pad.notes + times > CAPACITY:
                    raise PadFull(f"at most {CAPACITY - pad.notes} more", left=CAPACITY - pad.notes)
                return [Written(text=text, secret=secret)] * times
            case Lock():
                return [Locked()]
            case _:
                assert_never(command)

    def evolve(self, pad: Pad, event: Written | Locked, /) -> Pad:
        match event:
            case Written(text=text, secret=secret):
                return Pad(notes=pad.notes + 1, last=text, secret=secret or pad.secret)
            case Locked():
                return pad
            case _:
                assert_never(event)

    def view(self, pad: Pad, viewer: Actor, /) -> PadView:
        return PadView(notes=pad.notes, last=pad.last, secret=pad.secret if "keeper" in viewer.roles else None)

    def audience(self, event: Written | Locked, pad: Pad, /) -> Audience | None:
        match event:
            case Written(secret=secret):
                return Audience(fields={"secret": ("role:keeper",)}) if secret else None
            case Locked():
                return Audience(only=("role:keeper",))
            case _:
                assert_never(event)

    def may_read(self, pad: Pad, viewer: Actor, /) -> bool:
        return "stranger" not in viewer.roles


service = Service(name="pad", entities=(PadEntity(),))


class NoteFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pad: str | None = None
    after: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None


class NoteRow(msgspec.Struct, frozen=True, kw_only=True):
    pad: str
    seq: int


class TypeFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: str | None = None


class TypeRow(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    pad: str


contract = Contract.of(
    PadEntity,
    view=PadView,
    filters=NoteFilters,
    item=NoteRow,
    lists={"types": ListForm(filters=TypeFilters, item=TypeRow)},
    summary="Notes",
)
