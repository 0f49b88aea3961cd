"""Passes: a credential for a guest whom an entity has let in, who has no account and scans it from a screen or a slip.

A pass makes nobody a reader: the entity must let `guest-…` in before, and takes back when it likes. The gateway only
signs that whoever has the pass is this guest.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import msgspec
import segno
from litestar import Response, post
from litestar.datastructures import State
from litestar.params import FromPath

from gateway.auth import Claims, sign
from gateway.door import Door
from gateway.http import AnyRequest, Who
from gateway.settings import Settings
from holdfast import Actor, Forbidden, Name, NotFound, ValidationFailed

GUEST: Final = "guest"
MAX_SECONDS: Final = 12 * 3_600
MAX_BODY: Final = 4_096
QR_SCALE: Final = 4


class PassRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which guest, for how long, and the page that the QR code opens."""

    guest: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
    seconds: Annotated[int, msgspec.Meta(ge=60, le=MAX_SECONDS)] = 2 * 3_600
    page: Annotated[str, msgspec.Meta(max_length=300)]


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """A guest's credential, and the link that holds it: behind its `#`, which browsers tell no server."""

    token: str
    user: str
    expires_at: datetime
    link: str
    qr: str
    """The link as an SVG image."""


_requests: Final = msgspec.json.Decoder(PassRequest)


@post("/v1/{purpose:str}/{id_:str}/passes", status_code=201, include_in_schema=False)
async def issue(  # noqa: D103 - the wire contract describes it
    *, request: AnyRequest, state: State, who: Who, purpose: FromPath[str], id_: FromPath[str]
) -> Response[bytes]:
    door: Door = state.door
    settings: Settings = state.settings
    name = door.name_for(who, purpose, id_)
    request.state.commanded = (name, who.actor.user)
    door.spend(name, who.actor.user)
    if set(who.actor.roles) == {GUEST}:
        raise Forbidden("a guest lets nobody in: ask who let you in")
    wanted = _read(await request.body())
    if not settings.key:
        raise Forbidden("this gateway signs no passes: set HOLDFAST_SECRET")
    guest = Actor(user=f"{GUEST}-{wanted.guest}", roles=(GUEST,))
    await door.head(name, by=who.actor)
    # Where anybody may read, nobody was let in: a pass would then give whoever asks as many names as he likes.
    nobody = Actor(user=f"{GUEST}-{uuid4().hex}", roles=(GUEST,))
    if not await _may_read(door, name, guest) or await _may_read(door, name, nobody):
        raise NotFound(f"{name.id} has let no guest {wanted.guest!r} in: do that first")
    signed = _sign(settings, name, guest, wanted.seconds)
    link = f"{wanted.page}#{purpose}/{quote(id_, safe='')}/{signed[0]}"
    qr = segno.make(link, error="l", micro=False).svg_inline(scale=QR_SCALE)
    answer = Pass(token=signed[0], user=guest.user, expires_at=signed[1], link=link, qr=qr)
    return Response(
        msgspec.json.encode(answer),
        status_code=201,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def _may_read(door: Door, name: Name, viewer: Actor) -> bool:
    try:
        await door.head(name, by=viewer)
    except NotFound:
        return False
    return True


def _read(body: bytes) -> PassRequest:
    if len(body) > MAX_BODY:
        raise ValidationFailed(f"a pass is asked for in at most {MAX_BODY} bytes")
    try:
        wanted = _requests.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValidationFailed(f"the body must say for which guest: {error}") from None
    try:
        parts = urlsplit(wanted.page)
    except ValueError as error:
        raise ValidationFailed(f"page: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.fragment:
        raise ValidationFailed("page: the whole address of a page, such as https://shop.example/pay")
    return wanted


def _sign(settings: Settings, name: Name, guest: Actor, seconds: int) -> tuple[str, datetime]:
    """A token that opens this entity and nothing else."""
    now = datetime.now(UTC).replace(microsecond=0)
    expires_at = now + timedelta(seconds=min(seconds, settings.token_lifetime))
    claims = Claims(
        tenant=name.tenant,
        sub=guest.user,
        roles=guest.roles,
        iat=int(now.timestamp()),
        exp=int(expires_at.timestamp()),
        jti=uuid4().hex,
        entity=str(name),
    )
    return sign(claims, settings.key, issuer=settings.issuer, audience=settings.audience), expires_at
