"""Runs workers: every job of a queue is done, tried again, or filed as a dead letter; never lost."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final

import msgspec
import structlog
from opentelemetry.trace import SpanKind

from holdfast._backlog import Backlog
from holdfast._bus import Bus
from holdfast._dead_letters import FailedJob, JobBody, bury
from holdfast._errors import HoldfastError, Rejected, Unavailable, ValidationFailed
from holdfast._names import Name
from holdfast.jetstream import ApiError
from holdfast.jetstream._durable import SHARED_ACK_SECONDS, WELL_SECONDS, Delivery, Durable
from holdfast.jetstream._work import job_stream, job_subject
from holdfast.telemetry import Step, Tracing, name_of
from holdfast.worker import AnyWorker, Work

RETRY_SECONDS: Final = 0.5
MAX_RETRY_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)
_bodies: Final = msgspec.json.Decoder(JobBody)


class WorkerRunner:
    """Runs one worker. Replicas share its queue."""

    def __init__(self, bus: Bus, worker: AnyWorker, *, tracing: Tracing | None = None) -> None:
        self.worker = worker
        self._tracing = tracing
        self._bus = bus
        self._durable = Durable(bus, job_stream(worker.purpose), f"worker-{worker.kind}")
        self._interrupted: list[Delivery] = []
        self.backlog = Backlog(bus, self._durable, purpose=worker.purpose, origin=worker.kind)

    async def prepare(self) -> None:
        """Set up the queue's reading."""
        subject = job_subject(self.worker.purpose, "*", self.worker.kind)
        await self._durable.ensure(subject, starts="beginning", ordered=False)

    async def run(self) -> None:
        """Work until cancelled; what is under way then is tried again at once elsewhere."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.backlog.run(), name=f"backlog of {self.worker.kind}")
                for number in range(self.worker.at_once):
                    group.create_task(self._run(), name=f"worker {self.worker.kind} {number}")
        finally:
            await self._give_back()

    async def _give_back(self) -> None:
        """Leave to others what was under way. Before all readers here have ended, one of them might be sent it."""
        for delivery in self._interrupted:
            with suppress(HoldfastError):
                await self._durable.again(delivery, seconds=0)
        self._interrupted.clear()

    async def _run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with aclosing(self._durable.shared()) as deliveries:
                    async for delivery in deliveries:
                        await self._take(delivery)
                        failures = 0
            except (Unavailable, ApiError) as error:
                failures = 1 if loop.time() - began > WELL_SECONDS else failures + 1
                log.warning("worker.restarting", kind=self.worker.kind, error=str(error))
                await asyncio.sleep(_backoff(failures, RETRY_SECONDS, MAX_RETRY_SECONDS))

    async def _take(self, delivery: Delivery) -> None:
        """Do one job, and settle what becomes of it. `Unavailable` leaves it to the server to deliver it again."""
        try:
            async with self._kept(delivery):
                await self._traced(delivery)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                self._interrupted.append(delivery)
                raise
            await self._failed(delivery, RuntimeError("what it waited for was cancelled"))
        except Rejected as refusal:
            await self._give_up(delivery, refusal)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the job is tried again
            await self._failed(delivery, error)
        else:
            await self._durable.acknowledge(delivery)

    async def _traced(self, delivery: Delivery) -> None:
        """Do a job in a trace of its own, which points to the effect that asked for it: it may be much later."""
        if self._tracing is None:
            await self._do(delivery)
            return
        what, links = f"work {self.worker.kind}", [delivery.traceparent]
        with self._tracing.within(what, kind=SpanKind.CONSUMER, parent="", links=links) as step:
            step.tell(attempt=delivery.attempt)
            await self._do(delivery, step)

    async def _do(self, delivery: Delivery, step: Step | None = None) -> None:
        if delivery.attempt > self.worker.attempts:
            raise Rejected("every attempt ended with the process that made it; look into the logs from before")
        try:
            body = _bodies.decode(delivery.data)
            payload = msgspec.json.decode(body.payload, type=self.worker.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValidationFailed(f"a {self.worker.kind} cannot be read: {error}") from error
        work: Work[Any] = Work(
            id=body.id, name=Name.parse(body.name), seq=body.seq, attempt=delivery.attempt, payload=payload
        )
        if step is not None:
            step.tell(entity=body.name, seq=body.seq, command_id=body.id)
        async with asyncio.timeout(self.worker.seconds):
            await self.worker.handle(work)

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        fields = {"kind": self.worker.kind, "position": delivery.sequence, "attempt": delivery.attempt}
        if delivery.attempt >= self.worker.attempts:
            await self._give_up(delivery, HoldfastError(f"failed {delivery.attempt} times, at last with {error!r}"))
            return
        pause = _backoff(delivery.attempt, self.worker.retry_seconds, self.worker.max_retry_seconds)
        log.warning("job.failed", **fields, error=name_of(error), again_in=pause)
        await self._durable.again(delivery, seconds=pause)

    async def _give_up(self, delivery: Delivery, error: HoldfastError) -> None:
        try:
            body = _bodies.decode(delivery.data)
            id_, name, seq, raw = body.id, Name.parse(body.name), body.seq, delivery.data
        except (msgspec.MsgspecError, UnicodeDecodeError, ValidationFailed):
            _, purpose, tenant, _ = delivery.subject.split(".")
            id_, name, seq = f"unreadable-{delivery.sequence}", Name(purpose, tenant, "unknown"), 0
            raw = msgspec.json.encode(delivery.data.decode(errors="replace"))
        log.error("job.dead", kind=self.worker.kind, id=id_, attempt=delivery.attempt, code=error.code)
        await bury(
            self._bus,
            name,
            seq,
            id_=id_,
            origin=self.worker.kind,
            error=error,
            content=FailedJob(kind=self.worker.kind, body=msgspec.Raw(raw)),
            message_id=f"{id_}-{delivery.sequence}",
        )
        await self._durable.acknowledge(delivery)

    @asynccontextmanager
    async def _kept(self, delivery: Delivery) -> AsyncGenerator[None]:
        """Keep the job from going to another worker while this one is at it."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(SHARED_ACK_SECONDS / 3)
                with suppress(HoldfastError):
                    await self._durable.keep(delivery)

        keeping = asyncio.create_task(keep(), name=f"keeping {delivery.sequence}")
        try:
            yield
        finally:
            keeping.cancel()


def _backoff(failures: int, first: float, longest: float) -> float:
    return min(longest, first * 2 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
