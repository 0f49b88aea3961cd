"""The gateway as one Litestar application."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from litestar import Litestar, MediaType, Response, WebSocket, get, websocket
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath

import services
from gateway import ask, http, lists, passes
from gateway.asyncapi import asyncapi_document
from gateway.authenticator import Authenticator, Rules
from gateway.contracts import discover
from gateway.door import Door
from gateway.errors import on_crash, on_http_exception, on_refusal
from gateway.fanout import Fanout
from gateway.keys import Freshness, KeySet
from gateway.limits import Limits, Rates
from gateway.metrics import Metrics
from gateway.openapi import openapi_document
from gateway.operations import Doors
from gateway.outbox import StreamOutbox
from gateway.presence import PresenceBoard
from gateway.revocations import Revocations
from gateway.settings import Settings
from gateway.sockets import Sockets
from holdfast import Contract, HoldfastError, NotFound
from holdfast.client import Client
from holdfast.jetstream import watch_nats
from holdfast.telemetry import Health, Tracing
from holdfast.telemetry import door as operators
from holdfast.telemetry.requests import TraceRequests

log = structlog.get_logger(__name__)
WEB: Final = Path(__file__).parent / "web"
EXPOSED: Final = ["ETag", "RateLimit", "RateLimit-Policy", "Retry-After"]
"""Headers of answers that pages of other origins may read."""
PAGE_POLICY: Final = (
    "default-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
ASSETS: Final = {
    "link.js": "text/javascript",
    "lot.js": "text/javascript",
    "lot.css": "text/css",
    "floor.js": "text/javascript",
    "floor.css": "text/css",
    "pay.js": "text/javascript",
    "pay.css": "text/css",
    "lot.svg": "image/svg+xml",
}


def create_app(
    settings: Settings, *, contracts: Mapping[str, Contract] | None = None, tracing: Tracing | None = None
) -> Litestar:
    """Build the application; its lifespan connects to NATS and fails with `Unavailable` when it cannot.

    `contracts` are by purpose; those of all services when absent.
    """
    contracts = discover(services) if contracts is None else contracts
    documents = {
        "schema": msgspec.json.encode(openapi_document(contracts)),
        "asyncapi": msgspec.json.encode(asyncapi_document(contracts)),
    }
    origins = sorted(settings.allowed_origins)
    return Litestar(
        route_handlers=[
            http.send,
            passes.issue,
            http.view,
            http.remove,
            http.events,
            lists.items,
            operators.livez,
            operators.readyz,
            operators.metrics,
            _socket,
            _schema,
            _asyncapi,
            _lot_page,
            _floor_page,
            _pay_page,
            _asset,
        ],
        dependencies={"who": Provide(http.identify)},
        before_request=http.check_target,
        before_send=[http.tell_rates],
        exception_handlers={HoldfastError: on_refusal, HTTPException: on_http_exception, Exception: on_crash},
        lifespan=[partial(_running, settings, tracing)],
        middleware=[TraceRequests(tracing, under="/v1/")] if tracing is not None else [],
        state=State({"settings": settings, "contracts": contracts, "documents": documents, "tracing": tracing}),
        request_max_body_size=settings.max_body,
        cors_config=CORSConfig(allow_origins=origins, expose_headers=EXPOSED) if origins else None,
        openapi_config=None,
        logging_config=None,
    )


async def drain(app: Litestar) -> None:
    """Take nothing new, tell every socket and stream to come again, and wait until the sockets are closed."""
    sockets: Sockets | None = getattr(app.state, "sockets", None)
    if sockets is None:
        return
    settings: Settings = app.state.settings
    streams: set[StreamOutbox] = app.state.streams
    for stream in streams:
        stream.end()
    await sockets.drain(timeout=settings.drain_timeout)


@asynccontextmanager
async def _running(settings: Settings, tracing: Tracing | None, app: Litestar) -> AsyncGenerator[None, None]:
    """Connect everything that the application needs, and end it in order."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            await Client.connect(settings.nats, name="holdfast gateway", replicas=settings.replicas, tracing=tracing)
        )
        _mind_the_size_of_messages(client, settings)
        metrics, health = Metrics(), Health()
        limits = _limits(settings)
        door = Door(
            client,
            app.state.contracts,
            limits=limits,
            metrics=metrics,
            command_timeout=settings.command_timeout,
            tracing=tracing,
        )
        fanout = await stack.enter_async_context(
            Fanout(client, metrics, check_interval=settings.check_interval, coalesce=settings.coalesce).running()
        )
        presence = await stack.enter_async_context(
            PresenceBoard(
                client.bus, interval=settings.presence_interval, lifetime=settings.presence_lifetime
            ).running()
        )
        revocations = await stack.enter_async_context(_revocations(settings, client).running())
        health.check("revocations", revocations.trouble)
        authenticator = await stack.enter_async_context(_authenticating(settings, revocations, health))
        await stack.enter_async_context(ask.serving(door))
        doors = Doors(
            door=door,
            fanout=fanout,
            presence=presence,
            authenticator=authenticator,
            revocations=revocations,
            settings=settings,
            tracing=tracing,
        )
        sockets = await stack.enter_async_context(Sockets(doors, limits).running())
        streams = set[StreamOutbox]()
        _show(metrics, doors, sockets, streams)
        watch_nats(health, client.bus)
        health.check("sockets", lambda: "this gateway is about to stop" if sockets.draining else None)
        await stack.enter_async_context(health.running())
        app.state.update(
            {
                "health": health,
                "registry": metrics.registry,
                "door": door,
                "fanout": fanout,
                "authenticator": authenticator,
                "revocations": revocations,
                "sockets": sockets,
                "streams": streams,
            }
        )
        try:
            yield
        finally:
            await drain(app)


def _limits(settings: Settings) -> Limits:
    rates = Rates(
        user=settings.commands_per_second,
        tenant=settings.tenant_commands_per_second,
        entity=settings.entity_commands_per_second,
        user_of_entity=settings.user_rate_at_entity,
    )
    return Limits(
        rates,
        sockets_per_user=settings.sockets_per_user,
        tenant_in_flight=settings.tenant_in_flight,
        presence=settings.presence_per_second,
    )


def _revocations(settings: Settings, client: Client) -> Revocations:
    return Revocations(
        client.bus, keep=settings.token_lifetime, grace=settings.revocation_grace, replicas=settings.replicas
    )


def _mind_the_size_of_messages(client: Client, settings: Settings) -> None:
    """Say so when the NATS server takes less than this gateway does."""
    room = client.bus.max_payload
    if room < settings.max_body:
        log.warning("gateway.small_messages", max_payload=room, max_body=settings.max_body)


@asynccontextmanager
async def _authenticating(
    settings: Settings, revocations: Revocations, health: Health
) -> AsyncGenerator[Authenticator, None]:
    """What checks tokens, with the key set kept fresh where there is one."""
    async with AsyncExitStack() as stack:
        keys = None
        if settings.jwks:
            freshness = Freshness(
                refresh=settings.jwks_refresh, max_age=settings.jwks_max_age, cooldown=settings.jwks_cooldown
            )
            keys = await stack.enter_async_context(KeySet(settings.jwks, freshness).running())
            health.check("keys", keys.trouble)
        rules = Rules(
            issuer=settings.issuer,
            audience=settings.audience,
            leeway=settings.leeway,
            lifetime=settings.token_lifetime,
        )
        yield Authenticator(secret=settings.key, keys=keys, rules=rules, revocations=revocations)


def _show(metrics: Metrics, doors: Doors, sockets: Sockets, streams: Collection[StreamOutbox]) -> None:
    """Let it be seen how many are connected, and what waits for them."""
    metrics.gauge("sockets", lambda: sockets.count)
    metrics.gauge("watched_entities", lambda: doors.fanout.topics)
    metrics.gauge("subscriptions", lambda: doors.door.client.bus.listening)
    metrics.gauge("frames_queued", lambda: sockets.queued + sum(stream.waiting for stream in streams))


@websocket("/v1/ws")
async def _socket(socket: WebSocket[Any, Any, Any], state: State) -> None:
    sockets: Sockets = state.sockets
    await sockets.serve(socket)


@get(["/schema", "/schema/openapi.json"], include_in_schema=False)
async def _schema(state: State) -> Response[bytes]:
    return Response(state.documents["schema"], media_type=MediaType.JSON)


@get("/asyncapi.json", include_in_schema=False)
async def _asyncapi(state: State) -> Response[bytes]:
    return Response(state.documents["asyncapi"], media_type=MediaType.JSON)


@get("/", include_in_schema=False, sync_to_thread=True)
def _lot_page() -> Response[str]:
    return _page("index.html")


@get("/floor", include_in_schema=False, sync_to_thread=True)
def _floor_page() -> Response[str]:
    return _page("floor.html")


@get("/pay", include_in_schema=False, sync_to_thread=True)
def _pay_page() -> Response[str]:
    return _page("pay.html")


def _page(file: str) -> Response[str]:
    return Response(
        (WEB / file).read_text(encoding="utf-8"),
        media_type=MediaType.HTML,
        headers={"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"},
    )


@get("/web/{file:str}", include_in_schema=False, sync_to_thread=True)
def _asset(file: FromPath[str]) -> Response[str]:
    if file not in ASSETS:
        raise NotFound("nothing has this path")
    return Response(
        (WEB / file).read_text(encoding="utf-8"), media_type=ASSETS[file], headers={"Cache-Control": "no-cache"}
    )
