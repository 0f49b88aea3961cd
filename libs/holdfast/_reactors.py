"""Runs reactors: every event's effects leave in the order of its entity, exactly once in effect (rule C13)."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec
import structlog

from holdfast._backlog import Backlog
from holdfast._bus import Bus
from holdfast._dead_letters import JobBody, RefusedSend, bury
from holdfast._errors import HoldfastError, Unavailable
from holdfast._judge import Judge
from holdfast._messages import Commit
from holdfast._names import Name
from holdfast._projection import StoredEvent
from holdfast.client import Client
from holdfast.jetstream import ApiError
from holdfast.jetstream._durable import REACTOR, WELL_SECONDS, Delivery, Durable, Superseded
from holdfast.jetstream._streams import log_stream
from holdfast.jetstream._work import job_subject, store
from holdfast.telemetry import Tracing
from holdfast.worker import AnyReactor, Effect, Job, Send, effect_id

AT_ONCE: Final = 64
"""Entities whose effects leave at the same time."""
RETRY_SECONDS: Final = 0.2
MAX_RETRY_SECONDS: Final = 30.0
FRESH_SECONDS: Final = 1.0
"""A commit that waited here for longer is looked for before its effects leave: its entity may be deleted."""

log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()
_commits: Final = msgspec.json.Decoder(Commit)


class ReactorRunner:
    """Runs one reactor. Of several at once, one reads and the others stand by, so that order holds among them."""

    def __init__(
        self,
        bus: Bus,
        reactor: AnyReactor,
        *,
        judge: Judge,
        client: Client,
        retry_seconds: float = RETRY_SECONDS,
        tracing: Tracing | None = None,
    ) -> None:
        self.reactor = reactor
        self._bus = bus
        self._judge = judge
        self._client = client
        self._retry = retry_seconds
        self._failures = 0
        self._tracing = tracing
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._durable = Durable(bus, log_stream(reactor.purpose), f"{REACTOR}{reactor.name}")
        self.backlog = Backlog(bus, self._durable, purpose=reactor.purpose, origin=reactor.name)

    async def prepare(self) -> None:
        """Note where the reactor begins, if it is new. Events from now on will not be missed."""
        await self._durable.ensure(f"evt.{self.reactor.purpose}.*.*", starts=self.reactor.starts, ordered=True)

    async def run(self) -> None:
        """React until cancelled; what was not finished is done again by whoever comes next."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.backlog.run(), name=f"backlog of {self.reactor.name}")
            group.create_task(self._run(), name=f"reading of {self.reactor.name}")

    async def _run(self) -> None:
        """Read again after each failure, after longer pauses the more there were since a reading went well."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._read()
            except Superseded:
                log.info("reactor.superseded", reactor=self.reactor.name)
                self._failures = 0
            except (Unavailable, ApiError) as error:
                self._failures = 1 if loop.time() - began > WELL_SECONDS else self._failures + 1
                pause = _backoff(self._failures, self._retry)
                log.warning("reactor.restarting", reactor=self.reactor.name, error=str(error), again_in=pause)
                await asyncio.sleep(pause)

    async def _read(self) -> None:
        pin = await self._durable.take()
        log.info("reactor.reading", reactor=self.reactor.name, purpose=self.reactor.purpose)
        lanes = Lanes(self._finish)
        try:
            async with aclosing(self._durable.in_order(pin)) as deliveries:
                async for delivery in deliveries:
                    lanes.put(delivery)
                    self._failures = 0
        except asyncio.CancelledError:
            await lanes.stop()
            await self._durable.leave()
            raise
        finally:
            await lanes.stop()

    async def _finish(self, delivery: Delivery, arrived: float) -> None:
        """Let everything happen that one commit causes, however long that takes, unless it is deleted meanwhile."""
        settled: set[str] = set()
        failures = 0
        clock = asyncio.get_running_loop().time
        while True:
            fields = {"reactor": self.reactor.name, "subject": delivery.subject, "position": delivery.sequence}
            try:
                async with self._turns:
                    if clock() - arrived > FRESH_SECONDS and not await self._durable.is_kept(delivery):
                        log.info("reactor.deleted", **fields)
                        return await self._durable.acknowledge(delivery)
                    return await self._react(delivery, settled)
            except HoldfastError as error:
                reason = str(error) if error.retryable else error.code
                log.warning("reactor.waiting", **fields, failures=failures, reason=reason)
            except Exception:  # a bug in a reactor, or an event of newer code: later effects of this entity wait
                log.exception("reactor.stopped", **fields, failures=failures)
            failures += 1
            await asyncio.sleep(_backoff(failures, self._retry))

    async def _react(self, delivery: Delivery, settled: set[str]) -> None:
        name = Name.from_subject(delivery.subject)
        for recorded in _commits.decode(delivery.data).events:
            stored: StoredEvent[Any] = StoredEvent(
                name=name, position=delivery.sequence, recorded=recorded, judge=self._judge
            )
            for effect in self._effects(stored):
                id_ = effect_id(stored, self.reactor.name, effect.step)
                if id_ not in settled:
                    await self._traced(stored, effect, id_, delivery.traceparent)
                    settled.add(id_)
        await self._durable.acknowledge(delivery)

    def _effects(self, stored: StoredEvent[Any]) -> Sequence[Effect]:
        effects = self.reactor.react(stored)
        if len({effect.step for effect in effects}) < len(effects):
            raise ValueError(f"two effects of event {stored.seq} share a step: give each a step of its own")
        for effect in effects:
            if isinstance(effect, Send) and effect.name.tenant != stored.name.tenant:
                raise ValueError(f"event {stored.seq} reaches for {effect.name}, which is another tenant's")
        return effects

    async def _traced(self, stored: StoredEvent[Any], effect: Effect, id_: str, committed: str) -> None:
        """Let an effect out in a trace of its own, which points to the commit: it may be much later."""
        if self._tracing is None:
            await self._let_out(stored, effect, id_)
            return
        with self._tracing.within(f"react {self.reactor.name}", parent="", links=[committed]) as step:
            step.tell(entity=stored.name, seq=stored.seq, command_id=id_)
            await self._let_out(stored, effect, id_, step.header)

    async def _let_out(self, stored: StoredEvent[Any], effect: Effect, id_: str, traceparent: str = "") -> None:
        match effect:
            case Send():
                await self._send(stored, effect, id_)
            case Job(kind=kind, payload=payload):
                source = stored.name
                body = JobBody(id=id_, name=str(source), seq=stored.seq, payload=msgspec.Raw(_encoder.encode(payload)))
                subject = job_subject(source.purpose, source.tenant, kind)
                encoded = _encoder.encode(body)
                await store(self._bus, subject, encoded, message_id=id_, traceparent=traceparent)

    async def _send(self, stored: StoredEvent[Any], send: Send, id_: str) -> None:
        data = msgspec.Raw(_encoder.encode(send.command))
        by = self.reactor.actor
        try:
            await self._client.send(send.name, send.command.tag, data, by=by, command_id=id_)
        except HoldfastError as refusal:
            if refusal.retryable:
                raise
            log.warning("reactor.refused", reactor=self.reactor.name, to=str(send.name), id=id_, code=refusal.code)
            content = RefusedSend(to=str(send.name), command=send.command.tag, data=data, by=by)
            await bury(
                self._bus,
                stored.name,
                stored.seq,
                id_=id_,
                origin=self.reactor.name,
                error=refusal,
                content=content,
                message_id=id_,
            )


class Lanes:
    """Works on deliveries: those of one subject one after the other, those of different ones side by side."""

    def __init__(self, work: Callable[[Delivery, float], Awaitable[None]]) -> None:
        self._work = work
        self._waiting: dict[str, deque[tuple[Delivery, float]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, delivery: Delivery) -> None:
        """Work on this one after all of its subject that came before. The server bounds how many there are."""
        lane = self._waiting.get(delivery.subject)
        arrived = (delivery, asyncio.get_running_loop().time())
        if lane is not None:
            lane.append(arrived)
            return
        self._waiting[delivery.subject] = deque([arrived])
        task = asyncio.create_task(self._run(delivery.subject), name=f"lane of {delivery.subject}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Drop what is not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, subject: str) -> None:
        lane = self._waiting[subject]
        while lane:
            await self._work(*lane[0])
            lane.popleft()
        del self._waiting[subject]


def _backoff(failures: int, first: float) -> float:
    return min(MAX_RETRY_SECONDS, first * 2 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
