"""Credentials that count no longer, in a key-value bucket that keeps them as long as a token can live."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

import msgspec
import structlog

from holdfast._bus import Bus
from holdfast._errors import Unavailable, ValidationFailed
from holdfast._names import Name
from holdfast.jetstream import _api
from holdfast.jetstream._committer import acknowledged
from holdfast.jetstream._consumer import OrderedConsumer, ReceivedMessage

BUCKET: Final = "holdfast-revocations"
STREAM: Final = f"KV_{BUCKET}"
KEEP_SECONDS: Final = 30 * 86_400.0
STORE_SECONDS: Final = 5.0
MAX_LENGTH: Final = 200
_SUBJECT: Final = f"$KV.{BUCKET}."
_NANOSECONDS: Final = 1_000_000_000

log = structlog.get_logger(__name__)


class Revocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which tokens no longer count: the one with this id, or all of a tenant's user that were made until `at`."""

    at: float
    """Seconds since the epoch."""
    token: str | None = None
    tenant: str | None = None
    user: str | None = None

    @classmethod
    def of_token(cls, token_id: str, *, at: float) -> Self:
        """Revoke one token by its `jti`."""
        _check("token", token_id)
        return cls(at=at, token=token_id)

    @classmethod
    def of_user(cls, tenant: str, user: str, *, at: float) -> Self:
        """Revoke everything that a user holds; tokens made later count again."""
        Name.of("any", tenant, "any")
        _check("user", user)
        return cls(at=at, tenant=tenant, user=user)

    @property
    def key(self) -> str:
        """Its key in the bucket: any text gives a safe one."""
        return _key("token", self.token) if self.token is not None else _key("user", self.tenant or "", self.user or "")


def key_of_token(token_id: str) -> str:
    """Where the revocation of a token would be."""
    return _key("token", token_id)


def key_of_user(tenant: str, user: str) -> str:
    """Where the revocation of a user would be."""
    return _key("user", tenant, user)


_decoder: Final = msgspec.json.Decoder(Revocation)


async def ensure_revocations(bus: Bus, *, keep: float = KEEP_SECONDS, replicas: int = 1) -> None:
    """Create the bucket, or let it keep longer and on more servers; never less, as another process may need it."""
    wanted: dict[str, Any] = {
        "name": STREAM,
        "subjects": [f"{_SUBJECT}>"],
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "max_age": int(keep * _NANOSECONDS),
        "num_replicas": replicas,
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
    }
    try:
        await _ensure(bus, wanted)
    except _api.ApiError as error:
        raise Unavailable(f"the bucket of revocations cannot be set up: {error.description}") from error


async def _ensure(bus: Bus, wanted: dict[str, Any]) -> None:
    try:
        found = (await _api.call(bus, f"STREAM.INFO.{STREAM}"))["config"]
    except _api.ApiError as error:
        if error.code != _api.STREAM_NOT_FOUND:
            raise
        found = (await _api.call(bus, f"STREAM.CREATE.{STREAM}", wanted))["config"]
        log.info("stream.created", stream=STREAM, replicas=wanted["num_replicas"])
    grown = {each: max(found[each], wanted[each]) for each in ("max_age", "num_replicas")}
    if any(found[each] != value for each, value in grown.items()):
        await _api.call(bus, f"STREAM.UPDATE.{STREAM}", {**found, **grown})


async def revoke(bus: Bus, revocation: Revocation) -> None:
    """Store a revocation durably; every gateway hears of it. `Unavailable` when it is not known to be stored."""
    try:
        body = msgspec.json.encode(revocation)
        acknowledged(await bus.request(_SUBJECT + revocation.key, body, timeout=STORE_SECONDS))
    except _api.ApiError as error:
        raise Unavailable(f"the revocation is not stored: {error.description}; try again") from error


def revocations(bus: Bus, receive: Callable[[Revocation], None], *, keep: float, replicas: int = 1) -> OrderedConsumer:
    """Read all revocations that are kept, and every new one."""

    async def on_message(message: ReceivedMessage) -> None:
        try:
            receive(_decoder.decode(message.data))
        except msgspec.MsgspecError as error:
            log.warning("revocation.unreadable", subject=message.subject, error=str(error))

    def ensure() -> Awaitable[None]:
        return ensure_revocations(bus, keep=keep, replicas=replicas)

    return OrderedConsumer(bus, STREAM, [f"{_SUBJECT}>"], on_message, ensure=ensure)


def _key(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _check(label: str, text: str) -> None:
    if not 0 < len(text) <= MAX_LENGTH or not text.isprintable():
        raise ValidationFailed(f"the name of a {label} is 1 to {MAX_LENGTH} printable characters")
