"""Bearer tokens in, identities out."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

import jwt
import msgspec

from gateway.auth import SHARED, Claims, Identity, check_claims
from gateway.keys import ALGORITHMS, KeySet
from gateway.revocations import Revocations
from holdfast import Actor, Unauthenticated, ValidationFailed

PUBLIC: Final = frozenset(ALGORITHMS.values())
MAX_TOKEN_LENGTH: Final = 16 * 1024
MAX_KNOWN: Final = 4096
"""Tokens whose signature need not be checked again: of those who were active last."""
_BEARER: Final = "bearer "


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a token must be besides signed. Times are seconds."""

    issuer: str = ""
    """What `iss` must be; empty accepts any."""
    audience: str = ""
    """What `aud` must hold; empty refuses tokens that are meant for someone in particular."""
    leeway: float = 0.0
    """How far the issuer's clock may be off: a token counts that much longer, and that much earlier."""
    lifetime: float = timedelta(days=30).total_seconds()
    """The longest that a token may live, since revocations are kept no longer."""


class _Known(NamedTuple):
    """A token whose signature was checked: by what it is found again, the key that it was checked with, and whose it is."""

    header: dict[str, Any]
    key: Any
    who: Identity


class Authenticator:
    """Checks tokens: HS256 with the shared secret, the algorithms of public keys with the issuer's key set."""

    def __init__(
        self,
        *,
        secret: str,
        keys: KeySet | None = None,
        rules: Rules | None = None,
        revocations: Revocations | None = None,
    ) -> None:
        self._secret = secret
        self._keys = keys
        self._rules = rules or Rules()
        self._revocations = revocations
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def authenticate(self, token: str) -> Identity:
        """Check a token's signature, times and claims; anything wrong is `UNAUTHENTICATED`."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated(f"the token is not valid: it is longer than {MAX_TOKEN_LENGTH} characters")
        who = await self._recognised(token) or await self._checked(token)
        self.require_valid(who)
        return who

    async def _recognised(self, token: str) -> Identity | None:
        """Whose token this is, if its signature was checked before with the key that it would be checked with now."""
        known = self._known.get(token)
        if known is None:
            return None
        try:
            _, key = await self._key(known.header)
        except jwt.PyJWTError:
            key = None
        self._known.pop(token, None)
        if key is not known.key:
            return None
        self._known[token] = known  # as the newest
        return known.who

    async def _checked(self, token: str) -> Identity:
        """Check everything that no later use of the token can change."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key = await self._key(header)
            claims = msgspec.convert(self._payload(token, algorithm, key), Claims)
            check_claims(claims)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired: get a new one") from None
        except (
            jwt.PyJWTError,
            msgspec.ValidationError,
            ValidationFailed,
            ValueError,
            TypeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise Unauthenticated(f"the token is not valid: {error}") from None
        who = self._identity(claims)
        self._known[token] = _Known({"alg": algorithm, "kid": header.get("kid")}, key, who)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return who

    def require_valid(self, who: Identity) -> None:
        """Refuse a credential that has expired or was revoked since it was read."""
        if who.remaining() <= 0:
            raise Unauthenticated("the token has expired: get a new one")
        if self._revocations is not None:
            self._revocations.require_valid(who)

    async def authenticate_header(self, header: str | None) -> Identity:
        """Read `Authorization: Bearer <token>`; a missing header is `UNAUTHENTICATED` too."""
        if header is None:
            raise Unauthenticated("send a token: Authorization: Bearer <JWT>")
        if not header.lower().startswith(_BEARER):
            raise Unauthenticated("the Authorization header must be: Bearer <JWT>")
        return await self.authenticate(header[len(_BEARER) :].strip())

    async def _key(self, header: dict[str, Any]) -> tuple[str, Any]:
        """The key to check with. A token names one of ours, but each key knows its one algorithm (RFC 8725, 3.1)."""
        algorithm = header.get("alg")
        if algorithm == SHARED and self._secret:
            return SHARED, self._secret
        if not isinstance(algorithm, str) or algorithm not in PUBLIC or self._keys is None:
            raise jwt.InvalidAlgorithmError("it is signed in a way that is not accepted here")
        key = await self._keys.find(algorithm, header.get("kid"))
        if key is None:
            raise jwt.InvalidKeyError("no key of its issuer has its kid and algorithm")
        return algorithm, key

    def _payload(self, token: str, algorithm: str, key: Any) -> dict[str, Any]:
        rules = self._rules
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            options={"require": ["exp", "sub"]},
            issuer=rules.issuer or None,
            audience=rules.audience or None,
            leeway=rules.leeway,
        )

    def _identity(self, claims: Claims) -> Identity:
        """A token that lives too long is refused; one that does not say when it was made is taken for the oldest."""
        rules = self._rules
        issued = claims.exp - rules.lifetime if claims.iat is None else claims.iat
        if not (claims.exp - issued <= rules.lifetime and issued <= time.time() + rules.leeway):  # NaN is neither
            days = rules.lifetime / timedelta(days=1).total_seconds()
            raise Unauthenticated(f"the token is not valid: it lives longer than {days:g} days, get a shorter one")
        return Identity(
            tenant=claims.tenant,
            actor=Actor(user=claims.sub, roles=claims.roles, device=claims.device),
            expires=claims.exp + rules.leeway,
            issued=issued - rules.leeway,
            token_id=claims.jti,
            entity=claims.entity,
        )
