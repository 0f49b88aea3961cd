"""See the effects that did not happen, and let them happen after all."""

from collections.abc import Sequence
from typing import TextIO

import msgspec

from holdfast._dead_letters import FailedJob, FiledLetter, RefusedSend, letter_at, letters, redrive
from holdfast._errors import HoldfastError, NotFound
from holdfast._program.errors import CannotStart
from holdfast.client import Client
from holdfast.jetstream import ApiError
from holdfast.jetstream._work import purposes_with_letters


async def list_letters(*, purpose: str | None, nats: str, out: TextIO) -> None:
    """Write a line for each dead letter, oldest first."""
    async with await Client.connect(nats, name="holdfast dead") as client:
        found = 0
        for each in await _purposes(client):
            if purpose in (None, each):
                async for filed in letters(client.bus, each):
                    out.write(_line(each, filed) + "\n")
                    found += 1
    if not found:
        out.write("no dead letters\n")


async def show_letter(label: str, *, nats: str, out: TextIO) -> None:
    """Write all of one dead letter as JSON."""
    async with await Client.connect(nats, name="holdfast dead") as client:
        _, filed = await _find(client, label)
    out.write(msgspec.json.format(msgspec.json.encode(filed.letter), indent=2).decode() + "\n")


async def redrive_letters(labels: Sequence[str], *, nats: str, out: TextIO) -> bool:
    """Let these effects happen under their old ids; False when one of them was refused again and stays."""
    well = True
    async with await Client.connect(nats, name="holdfast dead") as client:
        for label in labels:
            purpose, filed = await _find(client, label)
            try:
                await redrive(client, purpose, filed)
            except HoldfastError as error:
                well = False
                out.write(f"{label}: {error.code}: {error}; it stays\n")
            else:
                out.write(f"{label}: {'on its queue' if isinstance(filed.letter.content, FailedJob) else 'done'}\n")
    return well


async def _find(client: Client, label: str) -> tuple[str, FiledLetter]:
    purpose, _, sequence = label.partition("/")
    if not sequence.isdecimal():
        raise CannotStart(f"{label!r} is no dead letter: `holdfast dead list` names them, such as auction/3")
    if purpose not in await _purposes(client):
        raise NotFound(f"{purpose} has no dead letters; `holdfast dead list` shows those there are")
    return purpose, await letter_at(client.bus, purpose, int(sequence))


async def _purposes(client: Client) -> Sequence[str]:
    try:
        return await purposes_with_letters(client.bus)
    except ApiError as error:
        raise CannotStart(f"the dead letters cannot be read: {error}") from error


def _line(purpose: str, filed: FiledLetter) -> str:
    letter = filed.letter
    match letter.content:
        case RefusedSend(to=to, command=command):
            what = f"{command} to {to}"
        case FailedJob(kind=kind):
            what = f"job {kind}"
    when = letter.at.isoformat(timespec="seconds")
    return f"{purpose}/{filed.sequence}  {when}  {letter.name} seq {letter.seq}, {letter.origin}: {what}: {letter.error.code}: {letter.error.message}"
