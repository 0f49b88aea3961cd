"""The HTTP door: commands in, states and events out."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from itertools import takewhile
from typing import Annotated, Any, Final

import msgspec
import structlog
from litestar import MediaType, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream
from litestar.types import Message, Scope

from gateway.auth import Identity
from gateway.authenticator import Authenticator
from gateway.door import Door, check_seq
from gateway.errors import slash_hidden
from gateway.fanout import Fanout, Watch
from gateway.frames import sse_event
from gateway.limits import Limits
from gateway.outbox import Frame, StreamOutbox
from gateway.replay import events_after
from gateway.revocations import Revocations
from gateway.settings import Settings
from gateway.sockets import Sockets
from holdfast import HoldfastError, Name, Unavailable, ValidationFailed
from holdfast.wire import View, render_for, shuts_out

AnyRequest = Request[Any, Any, Any]
Who = NamedDependency[Identity]

MAX_EVENTS: Final = 1000
log = structlog.get_logger(__name__)
_SEQ: Final = re.compile(r"[0-9]{1,16}")
_ETAG: Final = re.compile(r'(?:W/)?"([0-9]{1,16})"')


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some events of an entity; `next` is the `after` of the next page, null at the end."""

    events: tuple[msgspec.Raw, ...]
    seq: int
    next: int | None


def check_target(request: AnyRequest) -> None:
    """Refuse what the framework would read in one of several ways: an escaped slash, a query parameter given twice."""
    if slash_hidden(request):
        raise ValidationFailed("a name holds no slash, escaped or not")
    names = [name for name, _ in request.query_params.multi_items()]
    if len(set(names)) < len(names):
        raise ValidationFailed("each query parameter is given at most once")


async def tell_rates(message: Message, scope: Scope) -> None:
    """Say in every answer to a command, a refusal too, how fast the caller may go on."""
    commanded: tuple[Name, str] | None = scope["state"].get("commanded")
    if message["type"] == "http.response.start" and commanded is not None:
        door: Door = scope["litestar_app"].state.door
        told = [(key.lower().encode(), value.encode()) for key, value in door.rate_headers(*commanded).items()]
        message["headers"] = [*message["headers"], *told]


async def identify(request: AnyRequest, state: State) -> Identity:
    """The caller, from the Authorization header."""
    authenticator: Authenticator = state.authenticator
    return await authenticator.authenticate_header(request.headers.get("authorization"))


@post("/v1/{purpose:str}/{id_:str}/{command:str}", status_code=200, include_in_schema=False)
async def send(  # noqa: D103 - the wire contract describes it
    *, request: AnyRequest, state: State, who: Who, purpose: FromPath[str], id_: FromPath[str], command: FromPath[str]
) -> Response[bytes]:
    door: Door = state.door
    name = door.name_for(who, purpose, id_)
    if "_" in command:
        raise ValidationFailed("commands in URLs are kebab-case, such as open-tab")
    request.state.commanded = (name, who.actor.user)
    accepted = await door.send(
        name,
        command.replace("-", "_"),
        await _body(request),
        by=who.actor,
        command_id=_command_id(request),
        expected_seq=_expected_seq(request),
    )
    return _json(accepted)


@get("/v1/{purpose:str}/{id_:str}", include_in_schema=False)
async def view(  # noqa: D103 - the wire contract describes it
    *,
    state: State,
    who: Who,
    purpose: FromPath[str],
    id_: FromPath[str],
    seq: FromQuery[int | None] = None,
    at: FromQuery[str | None] = None,
) -> Response[bytes]:
    door: Door = state.door
    name = door.name_for(who, purpose, id_)
    if seq is not None and at is not None:
        raise ValidationFailed("ask for the past by seq or by at, not by both")
    moment = None if at is None else _moment(at)
    found: View = await door.view(name, by=who.actor, seq=seq, at=moment)
    return _json(found, {"ETag": f'"{found.seq}"'})


@delete("/v1/{purpose:str}/{id_:str}", include_in_schema=False, status_code=204)
async def remove(  # noqa: D103 - the wire contract describes it
    *, request: AnyRequest, state: State, who: Who, purpose: FromPath[str], id_: FromPath[str]
) -> None:
    door: Door = state.door
    name = door.name_for(who, purpose, id_)
    request.state.commanded = (name, who.actor.user)
    await door.delete(name, by=who.actor, command_id=_command_id(request))


@get("/v1/{purpose:str}/{id_:str}/events", include_in_schema=False)
async def events(  # noqa: D103 - the wire contract describes it
    *,
    request: AnyRequest,
    state: State,
    who: Who,
    purpose: FromPath[str],
    id_: FromPath[str],
    after: FromQuery[int | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_EVENTS)] = 100,
) -> Response[bytes] | Stream:
    door: Door = state.door
    name = door.name_for(who, purpose, id_)
    if "text/event-stream" in request.headers.get("accept", ""):
        return await _stream(state, who, name, _last_event_id(request, after))
    after = after or 0
    head = await _head_beyond(door, name, who, after)
    with door.waiting(name, who.actor):
        page = (await events_after(door.client, name, after, target=head, limit=limit))[:limit]
    found = list(takewhile(lambda event: event.seq <= head or not shuts_out(event, who.actor.tags), page))
    last = found[-1].seq if found else after
    head = max(head, last)
    return _json(
        Page(
            events=tuple(msgspec.Raw(render_for(event, who.actor)) for event in found),
            seq=head,
            next=last if last < head else None,
        )
    )


async def _stream(state: State, who: Identity, name: Name, after: int) -> Stream:
    """Begin the event stream: refusals are told here, by status, before the first byte."""
    fanout: Fanout = state.fanout
    settings: Settings = state.settings
    sockets: Sockets = state.sockets
    if sockets.draining:
        raise Unavailable("this gateway is about to stop: connect again", retry_after_ms=1000)
    limits = sockets.limits
    with limits.socket(who):  # a place must be free now; the stream takes it when it begins
        head = await _head_beyond(state.door, name, who, after)
        await events_after(state.door.client, name, after, target=head, limit=1)
    outbox = StreamOutbox(frames=settings.queue_frames, size=settings.queue_bytes)
    watch = Watch(name, who.actor.tags, sse_event, outbox, lambda _: outbox.end(), seq=after, allowed_at=head)
    content = _content(fanout, watch, outbox=outbox, head=head, heartbeat=settings.heartbeat, streams=state.streams)
    held = _held(state.revocations, who, outbox, content)
    return Stream(_in_place(limits, who, held), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _in_place(limits: Limits, who: Identity, content: AsyncGenerator[Frame]) -> AsyncIterator[Frame]:
    """Hold one of the user's places for as long as the stream lasts."""
    with limits.socket(who):
        async with aclosing(content):
            async for frame in content:
                yield frame


async def _held(
    revocations: Revocations, who: Identity, outbox: StreamOutbox, content: AsyncGenerator[Frame]
) -> AsyncGenerator[Frame]:
    """End the stream with its credential."""
    hold = revocations.hold(who, lambda _: outbox.end())
    try:
        async with aclosing(content):
            async for frame in content:
                yield frame
    finally:
        hold.release()


async def _content(
    fanout: Fanout,
    watch: Watch,
    *,
    outbox: StreamOutbox,
    head: int,
    heartbeat: float,
    streams: set[StreamOutbox],
) -> AsyncGenerator[Frame]:
    """Replay, then live, with a comment now and then; ends when its outbox does."""
    await fanout.join(watch)
    streams.add(outbox)
    catching_up = asyncio.create_task(_catch_up(fanout, watch, head))
    try:
        while True:
            try:
                async with asyncio.timeout(heartbeat):
                    frame = await outbox.take()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if frame is None:
                return
            yield frame
    finally:
        streams.discard(outbox)
        catching_up.cancel()
        fanout.leave(watch)


async def _catch_up(fanout: Fanout, watch: Watch, head: int) -> None:
    """Bring the viewer up to date; when that fails the stream ends, and the viewer resumes by itself."""
    try:
        await fanout.replay(watch, until=head)
        await fanout.go_live(watch)
    except HoldfastError:
        watch.dropped(watch)
    except Exception:  # a bug must not leave a stream that shows nothing more
        log.exception("gateway.stream_failed", name=str(watch.name))
        watch.dropped(watch)


async def _head_beyond(door: Door, name: Name, who: Identity, after: int) -> int:
    check_seq("after", after)
    head = await door.head(name, by=who.actor)
    if after > head:
        raise ValidationFailed(f"after is at most the entity's last seq, {head}", seq=head)
    return head


def _last_event_id(request: AnyRequest, after: int | None) -> int:
    """Where an event stream resumes: the header that browsers send by themselves counts before the query."""
    header = request.headers.get("last-event-id")
    if header is None:
        return after or 0
    if not _SEQ.fullmatch(header):
        raise ValidationFailed("Last-Event-ID is the seq of the last event seen")
    return int(header)


def _moment(text: str) -> datetime:
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValidationFailed("at is a time with its offset from UTC (RFC 3339), such as 2026-01-31T12:00:00Z")
    return moment


async def _body(request: AnyRequest) -> bytes:
    try:
        return await request.body() or b"{}"
    except InternalServerException:  # what the framework makes of a client that left in the middle of its request
        raise Unavailable("the request did not arrive whole: send it again") from None


def _command_id(request: AnyRequest) -> str | None:
    header = request.headers.get("idempotency-key")
    return None if header is None else header.removeprefix('"').removesuffix('"')


def _expected_seq(request: AnyRequest) -> int | None:
    header = request.headers.get("if-match")
    if header is None:
        return None
    found = _ETAG.fullmatch(header.strip())
    if found is None:
        raise ValidationFailed('If-Match is the ETag of the state that was seen, such as "57"')
    return int(found[1])


def _json(content: msgspec.Struct, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(
        msgspec.json.encode(content),
        media_type=MediaType.JSON,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
