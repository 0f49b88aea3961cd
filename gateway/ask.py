"""The `ask.` door: any NATS client sends a command as an ordinary request."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog
from opentelemetry.trace import SpanKind

from gateway.auth import check_actor
from gateway.door import Door
from holdfast import Actor, ErrorBody, HoldfastError, Name, TooLarge, Unavailable, ValidationFailed
from holdfast.telemetry import TRACEPARENT
from holdfast.wire import Accepted, Message, Places

SUBJECT: Final = "ask.*.*.*"
QUEUE: Final = "gateway"
MAX_IN_FLIGHT: Final = 1000
"""Requests to one purpose that wait; of one tenant a quarter of them. A purpose that is slow takes no place of another one."""
log = structlog.get_logger(__name__)


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request. Who may publish here for whom is up to the server's permissions."""

    command: str
    by: Actor
    data: msgspec.Raw = msgspec.Raw(b"{}")
    command_id: str | None = None
    expected_seq: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of a reply: one of the two."""

    ok: Accepted | None = None
    error: ErrorBody | None = None


_ask: Final = msgspec.json.Decoder(Ask)


@asynccontextmanager
async def serving(door: Door) -> AsyncGenerator[None, None]:
    """Serve requests until the end of the block, and finish those that have begun."""
    bus = door.client.bus
    places = {purpose: Places(MAX_IN_FLIGHT) for purpose in door.contracts}
    unknown = Places(MAX_IN_FLIGHT)

    async def reply(message: Message, answer: Answer) -> None:
        try:
            await bus.publish(message.reply, msgspec.json.encode(answer))
        except TooLarge as error:
            await reply(message, Answer(error=error.body()))
        except Unavailable as error:  # whoever asks asks again
            log.warning("gateway.ask_not_answered", subject=message.subject, error=error.message)

    async def serve(message: Message, taken: Places, tenant: str) -> None:
        try:
            await reply(message, await _traced(door, message))
        except Exception:  # a bug ends this request, not the door
            log.exception("gateway.ask_failed", subject=message.subject)
            await reply(message, Answer(error=HoldfastError("a bug in the gateway; it is in its log").body()))
        finally:
            taken.give_back(tenant)

    async with asyncio.TaskGroup() as tasks:

        async def receive(message: Message) -> None:
            if not message.reply:
                return
            _, purpose, tenant, _ = message.subject.split(".")
            room = places.get(purpose, unknown)
            if not room.take(tenant):
                await reply(message, Answer(error=Unavailable("too many requests at once: try again").body()))
                return
            tasks.create_task(serve(message, room, tenant))

        subscription = await bus.subscribe(SUBJECT, receive, queue=QUEUE)
        try:
            yield
        finally:
            await subscription.stop()


async def _traced(door: Door, message: Message) -> Answer:
    if door.tracing is None:
        return await _answer(door, message)
    parent = message.headers.get(TRACEPARENT, "")
    with door.tracing.within("ask", kind=SpanKind.SERVER, parent=parent) as step:
        answer = await _answer(door, message)
        if answer.error is not None:
            step.tell(outcome=answer.error.code)
        return answer


async def _answer(door: Door, message: Message) -> Answer:
    try:
        name = Name.from_subject(message.subject)
        name = door.name(*name)
        ask = _read(message.data)
        check_actor(ask.by)
        return Answer(
            ok=await door.send(
                name,
                ask.command,
                ask.data,
                by=ask.by,
                command_id=ask.command_id,
                expected_seq=ask.expected_seq,
            )
        )
    except HoldfastError as error:
        return Answer(error=error.body())


def _read(body: bytes) -> Ask:
    try:
        return _ask.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValidationFailed(f"the request is not of the documented form: {error}") from None
    except RecursionError:
        raise ValidationFailed("the request is nested too deeply") from None
