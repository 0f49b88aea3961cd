"""Kitchen printers: what a ticket looks like on paper, and who prints it."""

import asyncio
import os
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from holdfast.worker import Work, Worker

PRINTERS: Final = "HOLDFAST_PRINTERS"
"""The variable that names the folder into which tickets are printed; without it the log tells that there is none."""
DUPLICATE: Final = "*** DUPLICATE {copy} ***"
ALLERGIES: Final = "!!! ALLERGIES: {allergies}"
NO_ALLERGIES: Final = "NO ALLERGIES"
_THOUSAND: Final = 1_000

log = structlog.get_logger(__name__)


class PrintedLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line on paper: how much more, or less, to make of what."""

    sku: str
    delta: int
    mods: tuple[str, ...] = ()
    seat: int | None = None
    course: int | None = None
    note: str = ""


class Slip(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one printer is to print: a ticket, a copy of it, or a word on where guests sit now or what they must not eat."""

    station: str
    kind: Literal["order", "cancel", "moved", "allergies"]
    table_ref: str
    ticket_id: str = ""
    number: int = 0
    copy: int = 1
    lines: tuple[PrintedLine, ...] = ()
    allergies: tuple[str, ...] = ()


def paper(slip: Slip) -> str:
    """The slip as it is printed."""
    if slip.kind == "moved":
        return f"{slip.station}\nMOVED {slip.table_ref}\n"
    if slip.kind == "allergies":
        return f"{slip.station}\nTABLE {slip.table_ref}\n{_warning(slip) or NO_ALLERGIES}\n"
    head = [DUPLICATE.format(copy=slip.copy)] if slip.copy > 1 else []
    head += [f"{slip.station}  #{slip.number}", f"{'CANCEL' if slip.kind == 'cancel' else 'TABLE'} {slip.table_ref}"]
    head += [warning] if (warning := _warning(slip)) else []
    return "\n".join([*head, *map(_line, slip.lines), slip.ticket_id, ""])


def _warning(slip: Slip) -> str:
    return ALLERGIES.format(allergies=", ".join(slip.allergies)) if slip.allergies else ""


def _line(line: PrintedLine) -> str:
    parts = [f"{_quantity(line.delta)} x {line.sku}", *line.mods]
    parts += [f"seat {line.seat}"] if line.seat else []
    parts += [f"course {line.course}"] if line.course else []
    return ", ".join([*parts, *([line.note] if line.note else [])])


def _quantity(milli: int) -> str:
    whole, rest = divmod(abs(milli), _THOUSAND)
    fraction = f".{rest:03}".rstrip("0") if rest else ""
    return f"{'-' if milli < 0 else ''}{whole}{fraction}"


class KitchenPrinter(Worker[Slip]):
    """Prints slips, each into a file of its own that is named by its job: printed a second time, it is the same file."""

    purpose = "floor"
    kind = "kitchen-slip"
    payload = Slip
    at_once = 1
    """Slips of one ticket are best read in the order in which they were caused."""
    seconds = 10.0

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    async def handle(self, work: Work[Slip], /) -> None:
        """Print one slip."""
        named = os.environ.get(PRINTERS)
        folder = self._folder or (Path(named) if named else None)
        if folder is None:
            slip = work.payload
            log.info(
                "kitchen.no_printer", floor=str(work.name), station=slip.station, number=slip.number, setting=PRINTERS
            )
            return
        place = folder / work.name.tenant / work.payload.station
        await asyncio.to_thread(_write, place, f"{work.seq:08}-{work.id}.txt", paper(work.payload))


def _write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}"
    draft.write_text(text, encoding="utf-8")
    draft.replace(folder / name)
