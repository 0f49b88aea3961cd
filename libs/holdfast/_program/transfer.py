"""Export entities from the log as lines of JSON, and import them into another, byte for byte the same."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TextIO

import msgspec

from holdfast._bus import Bus
from holdfast._errors import HoldfastError, NoRoom, Unavailable
from holdfast._history import EntityHistory
from holdfast._judge import Judge
from holdfast._log import Conflict, Judged, NewCommit, StoredCommit
from holdfast._messages import Commit, State
from holdfast._names import Name
from holdfast._program.discovery import load_service
from holdfast._program.errors import CannotStart
from holdfast._program.progress import Report
from holdfast._service import Service
from holdfast.jetstream import JetStreamAlarms, JetStreamLog, NatsBus, ensure_streams
from holdfast.jetstream._names import NamesPage, name_pages
from holdfast.sql import SqlArchive, open_database

STORE_SECONDS: Final = 60.0
"""How long an import waits for a log that acknowledges nothing: what is cut off in an entity has to be done anew."""
AGAIN_SECONDS: Final = 0.2


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One commit, with all that the log holds of it but its position."""

    commit: Commit
    commit_id: str
    judged: tuple[int, int]
    digests: tuple[tuple[str, str], ...]


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Line)


async def export_tenant(
    services: Sequence[str], *, tenant: str, name: str | None, nats: str, database: str, out: BinaryIO, err: TextIO
) -> int:
    """Write the tenant's entities, or one of them, entity after entity; returns how many there were."""
    one = None if name is None else _one(name, tenant)
    exported = 0
    async with _connected(nats) as bus:
        for service in [load_service(each) for each in services]:
            purposes = sorted(entity.purpose for entity in service.entities)
            async with _history(bus, service, database) as history:
                for purpose in purposes if one is None else {one.purpose}.intersection(purposes):
                    with Report(purpose, "entities", err, only_if_long=True) as report:
                        exporting = _Exporter(history, out, report)
                        await (exporting.all(name_pages(bus, purpose, tenant)) if one is None else exporting.one(one))
                    exported += exporting.entities
    if one is not None and not exported:
        raise CannotStart(f"{one} does not exist")
    return exported


@asynccontextmanager
async def _history(bus: Bus, service: Service, database: str) -> AsyncGenerator[EntityHistory]:
    """The service's log with its archive, which is asked only for what the log no longer keeps."""
    engine = open_database(database, service.name)
    try:
        yield EntityHistory(JetStreamLog(bus), SqlArchive(engine))
    finally:
        await engine.dispose()


class _Exporter:
    """Writes commit by commit, so that an entity of any length fits into memory."""

    def __init__(self, history: EntityHistory, out: BinaryIO, report: Report) -> None:
        self.entities = 0
        self._events = 0
        self._history = history
        self._out = out
        self._report = report

    async def all(self, pages: AsyncGenerator[NamesPage]) -> None:
        """Write every entity."""
        async with aclosing(pages):
            async for page in pages:
                for name in page.names:
                    await self.one(name, of=page.total)

    async def one(self, name: Name, *, of: int = 1) -> None:
        """Write one entity, which may have been deleted meanwhile."""
        written = False
        async with aclosing(self._history.commits(name)) as commits:
            async for stored in commits:
                self._out.write(_encoder.encode(_line(stored)) + b"\n")
                written = True
                self._events += len(stored.commit.events)
                self._report(self.entities, of, events=self._events)
        self.entities += written


def _line(stored: StoredCommit) -> Line:
    return Line(commit=stored.commit, commit_id=stored.commit_id, judged=stored.judged, digests=tuple(stored.digests))


async def import_file(services: Sequence[str], *, file: Path, nats: str, err: TextIO) -> int:
    """Append what was exported, and arm its alarms; returns how many entities there were.

    `CannotStart` before anything is written when a line is not of the exported form, or when an entity exists.
    """
    judges = _judges([load_service(service) for service in services])
    async with _connected(nats) as bus:
        try:
            names = _checked(file, judges)
        except OSError as error:
            raise CannotStart(f"{file} cannot be read: {error.strerror}") from None
        for purpose in sorted({name.purpose for name in names}):
            await ensure_streams(bus, purpose)
        log = JetStreamLog(bus)
        for name in names:
            if await log.last(name) is not None:
                raise CannotStart(f"{name} exists already: delete it first, or export and import another one")
        with Report(file.name, "bytes", err, only_if_long=True) as report:
            await _Importer(bus, judges).append(_lines(file), report, size=_size(file))
    return len(names)


class _Importer:
    """Appends line after line; of the entity that is under way it knows the state, for its alarm."""

    def __init__(self, bus: Bus, judges: Mapping[str, Judge]) -> None:
        self._bus = bus
        self._judges = judges
        self._log = JetStreamLog(bus)

    async def append(self, lines: Iterator["_Read"], report: Report, *, size: int) -> None:
        """Append all lines; what is interrupted in the middle of an entity has to be deleted and imported anew."""
        name: Name | None = None
        position = 0
        state: State | None = None
        events = 0
        for _, line, done in lines:
            found = Name.parse(line.commit.name)
            if found != name:
                await self._arm(name, state)
                name, position, state = found, 0, self._judges[found.purpose].entity.initial
            assert state is not None  # noqa: S101 - set together with the name
            state = self._judges[found.purpose].fold(state, line.commit.events)
            try:
                position = await self._store(
                    NewCommit(found, position, line.commit_id, line.commit, Judged(*line.judged), line.digests)
                )
            except Conflict:
                raise CannotStart(f"{found} was written by someone else in the middle of the import") from None
            events += len(line.commit.events)
            report(done, size, events=events)
        await self._arm(name, state)

    async def _store(self, commit: NewCommit) -> int:
        """Append a commit, again while nobody tells what became of it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STORE_SECONDS
        tried = False
        while True:
            try:
                return await self._store_once(commit, tried=tried)
            except NoRoom:
                raise
            except Unavailable:
                if loop.time() >= deadline:
                    raise
            tried = True
            await asyncio.sleep(AGAIN_SECONDS)

    async def _store_once(self, commit: NewCommit, *, tried: bool) -> int:
        """Append a commit; one that an attempt before stored is found there."""
        try:
            return await self._log.append(commit)
        except Conflict:
            last = await self._log.last(commit.name) if tried else None
            if last is None or last.commit_id != commit.commit_id:
                raise
            return last.position

    async def _arm(self, name: Name | None, state: State | None) -> None:
        if name is None or (at := self._judges[name.purpose].entity.alarm_at(state)) is None:
            return
        alarms = JetStreamAlarms(self._bus, name.purpose)
        armed = await alarms.armed(name)
        await alarms.arm(name, at, expected=armed.sequence if armed else 0)


def _checked(file: Path, judges: Mapping[str, Judge]) -> list[Name]:
    """The names in the file; a line that cannot be imported is a `CannotStart` with its number."""
    names: dict[Name, None] = {}
    name: Name | None = None
    seq = 0
    for number, line, _ in _lines(file):
        where = f"{file}, line {number}"
        try:
            found = Name.parse(line.commit.name)
        except HoldfastError as error:
            raise CannotStart(f"{where}: {error}") from None
        if found.purpose not in judges:
            raise CannotStart(f"{where}: no service here has the purpose {found.purpose}")
        if found != name:
            if found in names:
                raise CannotStart(f"{where}: the lines of {found} are not all together")
            name, seq = found, 0
            names[found] = None
        if [event.seq for event in line.commit.events] != list(range(seq + 1, seq + 1 + len(line.commit.events))):
            raise CannotStart(f"{where}: the events of {found} have to go on at seq {seq + 1}")
        seq += len(line.commit.events)
    return list(names)


class _Read(NamedTuple):
    """A line, its number, and the bytes of the file up to its end."""

    number: int
    line: Line
    done: int


def _size(file: Path) -> int:
    return file.stat().st_size


def _lines(file: Path) -> Iterator[_Read]:
    done = 0
    with file.open("rb") as source:
        for number, text in enumerate(source, start=1):
            try:
                line = _decoder.decode(text)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise CannotStart(f"{file}, line {number} is not of an export: {error}") from None
            if not line.commit.events:
                raise CannotStart(f"{file}, line {number} has no events")
            done += len(text)
            yield _Read(number, line, done)


def _judges(services: Sequence[Service]) -> dict[str, Judge]:
    return {entity.purpose: Judge(entity) for service in services for entity in service.entities}


def _one(text: str, tenant: str) -> Name:
    name = Name.parse(text)
    if name.tenant != tenant:
        raise CannotStart(f"{name} is not of the tenant {tenant}")
    return name


@asynccontextmanager
async def _connected(nats: str) -> AsyncGenerator[NatsBus]:
    bus = await NatsBus.connect(nats, name="holdfast transfer")
    try:
        yield bus
    finally:
        await bus.close()
