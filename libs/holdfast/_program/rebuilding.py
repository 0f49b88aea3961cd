"""Build read models anew from the log, and say how fast that goes."""

import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, TextIO

from holdfast._program.discovery import load_service
from holdfast._program.errors import CannotStart
from holdfast._read_side import projectors_of
from holdfast._service import Service
from holdfast.jetstream import NatsBus
from holdfast.sql import DatabaseProblem, Projector, migrate, open_database
from holdfast.sql._projector import Stopped

STATEMENT_SECONDS: Final = 600.0
"""Dropping the rows of a large read model is one long statement."""
REPORT_SECONDS: Final = 0.5
BAR: Final = 30


async def rebuild_services(names: Sequence[str], *, nats: str, database: str, out: TextIO) -> None:
    """Rebuild every read model of these services, while they go on serving; the archive stays as it is.

    `CannotStart` when a service declares none, or when its database cannot be used.
    """
    for service in [load_service(name) for name in names]:
        if not service.projections:
            raise CannotStart(f"{service.name} has no read models to rebuild")
        try:
            await _rebuild(service, nats=nats, database=database, out=out)
        except DatabaseProblem as problem:
            raise CannotStart(str(problem)) from problem


async def _rebuild(service: Service, *, nats: str, database: str, out: TextIO) -> None:
    await migrate(database, service.name, package=service.package)
    async with AsyncExitStack() as stack:
        engine = open_database(database, service.name, wait=STATEMENT_SECONDS)
        stack.push_async_callback(engine.dispose)
        bus = await NatsBus.connect(nats, name=f"holdfast rebuild {service.name}")
        stack.push_async_callback(bus.close)
        for projector in projectors_of(bus, service, engine):
            if projector.projection in service.projections:
                await _rebuild_one(projector, out)


async def _rebuild_one(projector: Projector, out: TextIO) -> None:
    report = ProgressLine(projector.projection.name, out)
    try:
        await projector.rebuild(progress=report)
    except Stopped as stopped:
        raise CannotStart(f"{projector.projection.name} cannot be built by this program: {stopped}") from stopped
    report.end()


class ProgressLine:
    """One line that fills up on a terminal; elsewhere only its last form is written."""

    def __init__(self, what: str, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._out = out
        self._clock = clock
        self._began = self._told = clock()
        self._position = self._end = 0

    def __call__(self, position: int, end: int) -> None:
        """Note how far it is."""
        self._position, self._end = position, end
        if self._out.isatty() and self._clock() - self._told >= REPORT_SECONDS:
            self._told = self._clock()
            self._out.write("\r" + self._line())
            self._out.flush()

    def end(self) -> None:
        """Write the result."""
        self._position = self._end
        self._out.write(("\r" if self._out.isatty() else "") + self._line() + "\n")
        self._out.flush()

    def _line(self) -> str:
        share = self._position / self._end if self._end else 1.0
        rate = self._position / max(self._clock() - self._began, 0.001)
        bar = ("#" * int(share * BAR)).ljust(BAR, ".")
        return f"{self._what} [{bar}] {self._position:,} of {self._end:,} commits, {rate:,.0f}/s"
