"""A chat room whose members hear each other live, and whose whispers reach one member only.

What is whispered is in the log, and in nobody's frames, replays and views but those of the two.
`python -m examples.chat_room` shows what each member hears.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, assert_never

import msgspec

from holdfast import Actor, Audience, Command, Context, Entity, Event, Forbidden, Name, Service, State
from holdfast.client import Client
from holdfast.testing.serving import standalone
from holdfast.wire import Commit, render_for

REMEMBERED = 50
PATIENCE = 10.0


class Room(State):
    members: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    """What was said aloud, the newest last."""


class Join(Command, tag="join"):
    """Come in; the first one opens the room."""

    creates = True


class Say(Command, tag="say"):
    """Say something aloud, or whisper it `to` one member."""

    text: str
    to: str | None = None


class Leave(Command, tag="leave"):
    """Go out."""


class Joined(Event, tag="joined"):
    member: str


class Said(Event, tag="said"):
    member: str
    text: str


class Whispered(Event, tag="whispered"):
    member: str
    to: str
    text: str


class Left(Event, tag="left"):
    member: str


RoomCommand = Join | Say | Leave
RoomEvent = Joined | Said | Whispered | Left


class RoomRules(Entity[Room, RoomCommand, RoomEvent]):
    """One room."""

    purpose = "room"
    initial = Room()

    def decide(self, room: Room, command: RoomCommand, ctx: Context, /) -> Sequence[RoomEvent]:
        """Members speak, others come in first."""
        me = ctx.actor.user
        match command:
            case Join():
                return [] if me in room.members else [Joined(member=me)]
            case Say() if me not in room.members:
                raise Forbidden("join the room before you speak")
            case Say(text=text, to=None):
                return [Said(member=me, text=text)]
            case Say(text=text, to=to):
                if to not in room.members:
                    raise Forbidden(f"{to} is not here: whisper to {', '.join(room.members)}")
                return [Whispered(member=me, to=to, text=text)]
            case Leave():
                return [Left(member=me)] if me in room.members else []
            case _:
                assert_never(command)

    def evolve(self, room: Room, event: RoomEvent, /) -> Room:
        """Obey."""
        match event:
            case Joined(member=member):
                return msgspec.structs.replace(room, members=(*room.members, member))
            case Said(member=member, text=text):
                return msgspec.structs.replace(room, lines=(*room.lines, f"{member}: {text}")[-REMEMBERED:])
            case Whispered():
                return room
            case Left(member=member):
                return msgspec.structs.replace(room, members=tuple(each for each in room.members if each != member))
            case _:
                assert_never(event)

    def audience(self, event: RoomEvent, room: Room, /) -> Audience | None:
        """Whispers are for two."""
        if isinstance(event, Whispered):
            return Audience(only=(f"user:{event.member}", f"user:{event.to}"))
        return None


service = Service(name="room", entities=(RoomRules(),))

KITCHEN = Name.of("room", "acme", "kitchen")
ANN, BOB, EVE = (Actor(user=user, roles=()) for user in ("ann", "bob", "eve"))


async def say(client: Client, by: Actor, text: str, *, to: str | None = None) -> None:
    """Speak in the kitchen."""
    await client.send(KITCHEN, "say", msgspec.json.encode({"text": text, "to": to}), by=by)


def heard(commit: Commit, viewer: Actor) -> Sequence[str]:
    """What a viewer hears of a commit; the gateway sends the same to sockets."""
    events: list[dict[str, Any]] = [msgspec.json.decode(render_for(event, viewer)) for event in commit.events]
    return [f"{event['seq']} {event['type']} {event.get('data', {}).get('text', '')}".rstrip() for event in events]


async def main(client: Client) -> None:
    """Three members, one whisper, and what Bob and Eve hear."""
    commits: asyncio.Queue[Commit] = asyncio.Queue(maxsize=100)
    for member in (ANN, BOB, EVE):
        await client.send(KITCHEN, "join", by=member)
    following = await client.follow(KITCHEN, commits.put_nowait, gap=lambda: None)
    await say(client, ANN, "hello")
    await say(client, ANN, "do not tell eve", to="bob")
    await client.send(KITCHEN, "leave", by=EVE)
    for _ in range(3):
        commit = await asyncio.wait_for(commits.get(), PATIENCE)
        for viewer in (BOB, EVE):
            print(f"{viewer.user} hears:", *heard(commit, viewer))
    await following.stop()


if __name__ == "__main__":
    standalone(service, main)
