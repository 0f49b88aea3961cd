"""What could not be read from the log again never gets into it."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import pytest

from holdfast import Command, Context, Entity, Event, State
from holdfast._judge import UnreadableEvent
from holdfast.testing import given
from holdfast.tests.world import World

Short = Annotated[str, msgspec.Meta(max_length=5)]


class Note(Command, tag="note"):
    creates = True
    words: Sequence[str]


class Noted(Event, tag="noted"):
    words: tuple[Short, ...]


class Undeclared(Event, tag="undeclared"): ...


class Notes(State):
    words: tuple[str, ...] = ()


class Noting(Entity[Notes, Note, Noted]):
    """Notes what it is told, however long that is."""

    purpose = "counter"
    initial = Notes()

    def decide(self, notes: Notes, command: Note, ctx: Context, /) -> Any:
        return [Undeclared()] if "undeclared" in command.words else [Noted(words=command.words)]  # pyright: ignore[reportArgumentType] - as a careless domain does

    def evolve(self, notes: Notes, event: Noted, /) -> Notes:
        return Notes(words=event.words)


@pytest.mark.parametrize("word", ["much too long", "undeclared"])
async def test_an_event_that_could_not_be_loaded_again_is_a_fault_of_its_command_and_stops_nobody(word: str) -> None:
    world = World(Noting())
    error = (await world.ask("note", data={"words": [word]}))["error"]
    assert (error["code"], error["retryable"]) == ("INTERNAL", False)
    world.host = world.new_host()
    assert (await world.ask("note", data={"words": ["short"]}))["ok"]["seq"] == 1
    assert await world.events() == [(1, "noted")]


def test_a_scenario_finds_it_too() -> None:
    with pytest.raises(UnreadableEvent, match=r"noted.*length <= 5"):
        given(Noting()).when(Note(words=("much too long",)))


def test_what_is_decided_is_obeyed_as_it_will_be_loaded() -> None:
    obeyed: list[Any] = []

    class Watching(Noting):
        def evolve(self, notes: Notes, event: Noted, /) -> Notes:
            obeyed.append(event.words)
            return super().evolve(notes, event)

    given(Watching()).when(Note(words=["a", "b"])).then(Noted(words=("a", "b")))
    assert set(obeyed) == {("a", "b")}
