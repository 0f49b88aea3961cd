"""Public keys of a token issuer: a JSON Web Key Set (RFC 7517), read again and again from a URL or a file."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from holdfast import Unavailable

READ_SECONDS: Final = 5.0
MAX_SET_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
MIN_RSA_BITS: Final = 2048  # RFC 7518, section 3.3
FIRST_RETRY_SECONDS: Final = 0.5
MAX_DOUBLINGS: Final = 16
ALGORITHMS: Final[Mapping[tuple[str, str | None], str]] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
"""The one algorithm of each kind of key, so that neither a token nor a set can choose another (RFC 8725, 3.1)."""
log = structlog.get_logger(__name__)

Keys = Mapping[tuple[str, str | None], jwt.PyJWK]
"""By algorithm and `kid`."""


class KeySetInvalid(ValueError):
    """What was read is no usable set; the message says why."""


class _Set(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How old keys may become, in seconds."""

    refresh: float
    """Between two readings: a key that left the set is dropped within this time."""
    max_age: float
    """How long the last good set serves while its source cannot be read."""
    cooldown: float
    """Between two readings for an unknown `kid`: whoever makes `kid`s up causes no more than these."""


class KeySet:
    """The keys of one issuer. `running` owns the task that keeps them fresh."""

    def __init__(self, source: str, freshness: Freshness, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._shown = _without_secrets(source)
        self._freshness = freshness
        self._clock = clock
        self._keys: Keys = {}
        self._good_at: float | None = None
        self._sought_at: float | None = None
        self._fetch: Callable[[], Awaitable[bytes]] = self._from_file
        self._tasks: asyncio.TaskGroup | None = None
        self._reading: asyncio.Task[bool] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["KeySet", None]:
        """Read the set now, and again and again until the end of the block; a source that is down is tried again."""
        async with AsyncExitStack() as stack:
            if self._source.startswith(("https://", "http://")):
                client = await stack.enter_async_context(httpx.AsyncClient(timeout=READ_SECONDS))
                self._fetch = lambda: _download(client, self._source)
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            well = await self._read()
            keeping = self._tasks.create_task(self._keep(well=well))
            try:
                yield self
            finally:
                self._tasks = None
                keeping.cancel()
                if self._reading is not None:
                    self._reading.cancel()

    async def find(self, algorithm: str, kid: str | None) -> jwt.PyJWK | None:
        """The key that a token names, after another reading when it is new; `Unavailable` when the set is too old."""
        self._require_fresh()
        found = self._keys.get((algorithm, kid))
        if found is None and self._may_seek():
            await self._read()
            self._require_fresh()
            found = self._keys.get((algorithm, kid))
        return found

    def trouble(self) -> str | None:
        """Why tokens of the set's issuer cannot be checked now, for readiness; None when they can."""
        stale = self._good_at is None or self._clock() - self._good_at > self._freshness.max_age
        return "the key set of tokens cannot be read" if stale else None

    def _require_fresh(self) -> None:
        if self.trouble() is not None:
            raise Unavailable("the keys that tokens are checked with cannot be read: try again", retry_after_ms=1000)

    def _may_seek(self) -> bool:
        """Whether an unknown key is worth a reading; those that wait for one under way cost nothing."""
        if self._reading is not None:
            return True
        now = self._clock()
        if self._sought_at is not None and now - self._sought_at < self._freshness.cooldown:
            return False
        self._sought_at = now
        return True

    async def _keep(self, *, well: bool) -> None:
        failures = 0 if well else 1
        while True:
            refresh = self._freshness.refresh
            pause = min(refresh, FIRST_RETRY_SECONDS * 2 ** min(failures, MAX_DOUBLINGS)) if failures else refresh
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
            failures = 0 if await self._read() else failures + 1

    async def _read(self) -> bool:
        """Read the set once for all who ask meanwhile; says whether it was read."""
        if self._tasks is None:
            return False
        if self._reading is None:
            self._reading = self._tasks.create_task(self._read_now())
        return await asyncio.shield(self._reading)

    async def _read_now(self) -> bool:
        try:
            async with asyncio.timeout(READ_SECONDS):
                keys = read_set(await self._fetch())
        except (OSError, httpx.HTTPError, KeySetInvalid) as error:
            log.warning("keys.not_read", source=self._shown, error=_words(error))
            return False
        finally:
            self._reading = None
        if keys.keys() != self._keys.keys():
            log.info("keys.changed", source=self._shown, kids=[kid for _, kid in keys])
        self._keys, self._good_at = keys, self._clock()
        return True

    async def _from_file(self) -> bytes:
        return await asyncio.to_thread(_read_file, Path(self._source))


def _without_secrets(source: str) -> str:
    """A URL without its user and query, which may hold a credential; a file's path as it is."""
    if "://" not in source:
        return source
    parts = urlsplit(source)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _words(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP status {error.response.status_code}"  # its own words quote the whole URL
    return f"{type(error).__name__}: {error}"


def read_set(content: bytes) -> Keys:
    """The usable keys of a set, perhaps none; `KeySetInvalid` when it is no set, too large, or names a key twice."""
    if len(content) > MAX_SET_BYTES:
        raise KeySetInvalid(f"a key set is at most {MAX_SET_BYTES} bytes")
    try:
        found = msgspec.json.decode(content, type=_Set).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise KeySetInvalid(f"not a JSON Web Key Set: {error}") from None
    if len(found) > MAX_KEYS:
        raise KeySetInvalid(f"a key set holds at most {MAX_KEYS} keys")
    keys: dict[tuple[str, str | None], jwt.PyJWK] = {}
    for each in found:
        key = _usable(each)
        if key is None:
            continue
        place = (key.algorithm_name, key.key_id)
        if place in keys:
            raise KeySetInvalid("two keys of the set have the same kid")
        keys[place] = key
    return keys


def _usable(content: dict[str, Any]) -> jwt.PyJWK | None:
    """The key, unless it is of another use or kind, weak, private, or no key at all."""
    kind, curve, kid = content.get("kty"), content.get("crv"), content.get("kid")
    if not isinstance(kind, str) or not isinstance(curve, str | None) or not isinstance(kid, str | None):
        return None
    algorithm = ALGORITHMS.get((kind, curve))
    if algorithm is None or content.get("use", "sig") != "sig" or content.get("alg", algorithm) != algorithm:
        return None
    if "d" in content:
        log.warning("keys.private_key_published", kid=kid)
        return None
    try:
        key = jwt.PyJWK(content, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("keys.key_unreadable", kid=kid, error=type(error).__name__)
        return None
    return None if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS else key


async def _download(client: httpx.AsyncClient, url: str) -> bytes:
    """The body, if it is not too long. Redirects are not followed: the URL of the settings is what is trusted."""
    content = bytearray()
    # Uncompressed, because a small compressed body may become a huge one.
    headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
    async with client.stream("GET", url, headers=headers) as answer:
        answer.raise_for_status()
        async for part in answer.aiter_raw():
            content += part
            if len(content) > MAX_SET_BYTES:
                raise KeySetInvalid(f"a key set is at most {MAX_SET_BYTES} bytes")
    return bytes(content)


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_SET_BYTES + 1)
