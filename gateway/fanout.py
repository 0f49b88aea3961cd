"""Committed events to many viewers: one subscription per watched entity, one encoding per sight and form."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import structlog

from gateway.batch import Batch, Form
from gateway.comparison import Comparison
from gateway.metrics import Metrics
from gateway.outbox import Outbox
from gateway.replay import events_after
from holdfast import HoldfastError, Name, NotFound, ResumeGap, Unavailable
from holdfast.client import Client
from holdfast.wire import Commit, Reach, RecordedEvent, Subscription, render, shuts_out, sight

Ending = Literal["lagging", "deleted", "shut out"]

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
EVENTS_AT_ONCE: Final = 64
"""Frames that are written to a viewer in one piece."""
log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Watch:
    """One viewer of one entity. `seq` is the last event put into its outbox."""

    name: Name
    tags: frozenset[str]
    form: Form
    outbox: Outbox
    dropped: Callable[["Watch"], None]
    """Called once when the watch ends: its viewer was too slow, the log lost what it needs, the entity is gone, or the
    viewer may no longer read it."""
    seq: int = 0
    allowed_at: int = 0
    """The seq at which the owner said that its viewer may read; readers that change later are noticed here."""
    ending: Ending = "lagging"
    """Why it ended, once it has."""


@dataclass(eq=False, slots=True)
class _Topic:
    """A watched entity. Its live watches have seen everything up to `seq`, so they never miss `seq + 1`."""

    name: Name
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    subscription: Subscription | None = None
    users: int = 0
    live: set[Watch] = field(default_factory=set[Watch])
    seq: int = 0
    heard: int = 0
    """The highest seq that is known to exist."""
    doubtful: bool = False
    """Commits may have been missed, and only the log knows."""
    catching_up: bool = False
    gathered: list[RecordedEvent] | None = None
    """What waits to be passed on together; None when the next event is passed on at once."""
    quiet: bool = True
    """Nothing was heard since the last check."""
    compared: bool = False
    """It was compared with the log since somebody watches it live."""


class Fanout:
    """All watched entities of this process. `running` owns its tasks."""

    def __init__(self, client: Client, metrics: Metrics, *, check_interval: float, coalesce: float = 0.0) -> None:
        self._client = client
        self._coalesce = coalesce
        self._metrics = metrics
        self._check_interval = check_interval
        self._comparison = Comparison(client)
        self._gap = asyncio.Event()
        """Set when any entity may have missed something, as after a lost connection."""
        self._topics: dict[Name, _Topic] = {}
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def topics(self) -> int:
        """How many entities are watched."""
        return len(self._topics)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Fanout", None]:
        """Run the tasks that keep live watches complete, until the end of the block."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            checking = tasks.create_task(self._check_regularly())
            end_gap = self._client.bus.on_gap(self._gap.set)
            try:
                yield self
            finally:
                end_gap()
                self._tasks = None
                checking.cancel()
                for topic in self._topics.values():
                    topic.live.clear()
                    topic.doubtful = False

    async def join(self, watch: Watch) -> None:
        """Subscribe for a watch, which then must be left. What is committed from now on cannot be missed."""
        topic = self._topics.setdefault(watch.name, _Topic(watch.name))
        topic.users += 1
        try:
            async with topic.lock:
                if topic.subscription is None:
                    topic.subscription = await self._client.hear(
                        watch.name, lambda commit: self._receive(topic, commit), unreadable=lambda: self._doubt(topic)
                    )
        except BaseException:
            self._release(topic)
            raise

    async def replay(self, watch: Watch, *, until: int) -> None:
        """Put the events after `watch.seq` into its outbox from the log, at its pace, up to `until` or further.

        `NOT_FOUND` at an event that takes the entity away from its viewer.
        """
        while watch.seq < until:
            for event in await events_after(self._client, watch.name, watch.seq, target=until):
                if event.seq > watch.allowed_at and shuts_out(event, watch.tags):
                    raise NotFound("no such entity")
                await watch.outbox.put(watch.form(watch.name, event.seq, render(event, sight(event.to, watch.tags))))
                watch.seq = event.seq

    async def go_live(self, watch: Watch) -> None:
        """Replay what happened meanwhile and go over to live events without a hole between the two."""
        topic = self._topics[watch.name]
        while watch.seq < topic.seq:
            await self.replay(watch, until=topic.seq)
        # No await from here on: nothing can be passed on between the comparison above and the attachment.
        if not topic.live:
            topic.seq = watch.seq
            topic.compared = False
        topic.live.add(watch)
        if topic.heard > topic.seq:
            self._catch_up(topic)

    def leave(self, watch: Watch) -> None:
        """End a joined watch; the last one of an entity ends its subscription."""
        topic = self._topics[watch.name]
        topic.live.discard(watch)
        self._release(topic)

    def _release(self, topic: _Topic) -> None:
        topic.users -= 1
        if topic.users == 0:
            del self._topics[topic.name]
            self._spawn(self._stop(topic))

    async def _stop(self, topic: _Topic) -> None:
        async with topic.lock:
            if topic.subscription is not None:
                await topic.subscription.stop()

    def _receive(self, topic: _Topic, commit: Commit) -> None:
        topic.quiet = False
        if not commit.events:
            self._end(topic)
        elif topic.gathered is None:
            if self._coalesce > 0:
                self._gather(topic)
            self._take(topic, commit.events)
        else:
            topic.gathered += commit.events
            if len(topic.gathered) >= EVENTS_AT_ONCE:
                self._take_gathered(topic)

    def _gather(self, topic: _Topic) -> None:
        """Let what comes soon after wait, so that a busy entity costs each viewer fewer writes."""
        topic.gathered = []
        asyncio.get_running_loop().call_later(self._coalesce, self._gathered, topic)

    def _gathered(self, topic: _Topic) -> None:
        if topic.gathered:
            self._take_gathered(topic)
            self._gather(topic)
        else:
            topic.gathered = None

    def _take_gathered(self, topic: _Topic) -> None:
        if topic.gathered:
            events, topic.gathered = tuple(topic.gathered), []
            self._take(topic, events)

    def _take(self, topic: _Topic, events: tuple[RecordedEvent, ...]) -> None:
        last = events[-1].seq
        topic.heard = max(topic.heard, last)
        if not topic.live:
            topic.seq = max(topic.seq, last)
        elif events[0].seq <= topic.seq + 1:
            self._pass_on(topic, events)
        else:
            self._catch_up(topic)

    def _pass_on(self, topic: _Topic, events: tuple[RecordedEvent, ...]) -> None:
        """Hand on what follows the last event that all live watches have seen."""
        following: list[RecordedEvent] = []
        for event in events:
            if event.seq == topic.seq + 1:
                topic.seq = event.seq
                following.append(event)
        for run in _runs(following):
            self._hand(topic, Batch(topic.name, run))

    def _hand(self, topic: _Topic, batch: Batch) -> None:
        handed = 0
        for watch in tuple(topic.live):
            if watch.seq >= batch.last:
                continue
            if batch.shuts_out(max(watch.seq, watch.allowed_at), watch.tags):
                self._finish(topic, watch, "shut out")
            elif self._offer(watch, batch):
                handed += batch.after(watch.seq)
                watch.seq = batch.last
            else:
                self.drop(watch)
        self._metrics.count("frames", handed)

    def _offer(self, watch: Watch, batch: Batch) -> bool:
        """Whether the outbox takes it; what cannot be written in one viewer's form must not keep it from the others."""
        try:
            frames = batch.run(watch.seq, watch.tags, watch.form)
        except Exception:
            log.exception("gateway.event_not_written", name=str(watch.name))
            return False
        return watch.outbox.offer(frames)

    def drop(self, watch: Watch) -> None:
        """End a live watch that cannot be kept complete; its owner tells the viewer where to resume, and leaves."""
        topic = self._topics.get(watch.name)
        if topic is not None and watch in topic.live:
            self._metrics.count("lagging")
            self._finish(topic, watch, "lagging")

    def _finish(self, topic: _Topic, watch: Watch, ending: Ending) -> None:
        topic.live.discard(watch)
        watch.ending = ending
        watch.dropped(watch)

    def _end(self, topic: _Topic) -> None:
        """The entity was deleted: its watches end, and what is watched under this name later begins anew."""
        self._take_gathered(topic)
        topic.seq = topic.heard = 0
        for watch in tuple(topic.live):
            self._finish(topic, watch, "deleted")

    def _doubt(self, topic: _Topic) -> None:
        topic.doubtful = True
        self._catch_up(topic)

    def _catch_up(self, topic: _Topic) -> None:
        if topic.live and not topic.catching_up:
            topic.catching_up = True
            self._spawn(self._fill(topic))

    async def _fill(self, topic: _Topic) -> None:
        """Read from the log what the subscription missed, as long as someone watches."""
        pause = FIRST_PAUSE
        self._metrics.count("gaps")
        try:
            while topic.live and (topic.doubtful or topic.seq < topic.heard):
                topic.doubtful = False
                try:
                    events = await events_after(self._client, topic.name, topic.seq, target=topic.heard)
                except (ResumeGap, NotFound):
                    for watch in tuple(topic.live):
                        self.drop(watch)
                    return
                except HoldfastError as error:
                    topic.doubtful = True
                    log.warning("gateway.catch_up_delayed", name=str(topic.name), code=error.code)
                    await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
                    pause = min(pause * 2, LONGEST_PAUSE)
                    continue
                if events:
                    topic.heard = max(topic.heard, events[-1].seq)
                    topic.doubtful = True  # there may be more: only an empty answer ends the doubt
                    self._pass_on(topic, tuple(events))
        finally:
            topic.catching_up = False

    async def _check_regularly(self) -> None:
        """Compare quiet entities with the log, since the server republishes without a promise; all of them after a gap."""
        pause = FIRST_PAUSE
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._check_interval):
                    await self._gap.wait()
            gap = self._gap.is_set()
            self._gap.clear()
            if await self._check_all(gap=gap) or not gap:
                pause = FIRST_PAUSE
                continue
            self._gap.set()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _check_all(self, *, gap: bool) -> bool:
        """Compare those that were not heard since the last time, or all; says whether every log could be looked at.

        Where the logs end is asked first: what is heard meanwhile must count for the look that has it in its reach.
        """
        purposes = {topic.name.purpose for topic in self._topics.values() if topic.live}
        reaches = {purpose: await self._reach(purpose) for purpose in purposes}
        compared: dict[str, list[_Topic]] = {}
        for topic in self._topics.values():
            if topic.catching_up:
                topic.doubtful |= gap
            elif topic.live and (topic.quiet or gap):
                compared.setdefault(topic.name.purpose, []).append(topic)
            topic.quiet = True
        known = {purpose: reach for purpose, reach in reaches.items() if reach is not None}
        well = [await self._compared(known[each], topics) for each, topics in compared.items() if each in known]
        return all(well) and len(known) == len(reaches)

    async def _reach(self, purpose: str) -> Reach | None:
        try:
            return await self._client.reach(purpose)
        except Unavailable as error:
            log.warning("gateway.check_failed", purpose=purpose, code=error.code)
            return None

    async def _compared(self, reach: Reach, topics: Sequence[_Topic]) -> bool:
        purpose = topics[0].name.purpose
        try:
            await self._compare(purpose, reach, topics)
        except Unavailable as error:
            log.warning("gateway.check_failed", purpose=purpose, code=error.code)
            return False
        return True

    async def _compare(self, purpose: str, reach: Reach, topics: Sequence[_Topic]) -> None:
        shown = {topic.name: topic.seq for topic in topics}
        new = [topic.name for topic in topics if not topic.compared]
        differing = await self._comparison.differing(purpose, reach, shown, new=new)
        for topic in topics:
            topic.compared = True
        for name, seq in differing.items():
            topic = self._topics.get(name)
            if topic is None or not topic.live:
                continue
            if seq > topic.seq:
                self._doubt(topic)
            elif seq < shown[name]:
                await self._check(topic)

    async def _check(self, topic: _Topic) -> None:
        """Ask the log's leader, which is never behind."""
        shown = topic.seq
        last = await self._client.last_seq(topic.name)
        if last < shown:
            self._end(topic)
        elif last > topic.seq:
            self._doubt(topic)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            work.close()
            return
        self._tasks.create_task(_logged(work))


def _runs(events: Sequence[RecordedEvent]) -> Iterator[Sequence[RecordedEvent]]:
    """Cut events into batches; one that may take the entity away from viewers is the first of its batch."""
    run: list[RecordedEvent] = []
    for event in events:
        if len(run) == EVENTS_AT_ONCE or (run and event.to is not None and event.to.readers is not None):
            yield run
            run = []
        run.append(event)
    if run:
        yield run


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    """Keep one entity's failure away from the others."""
    try:
        await work
    except Exception:  # a bug here must not end the other entities' tasks
        log.exception("gateway.fanout_failed")
