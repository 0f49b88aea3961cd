"""What every door does with a request: check its names, its size and its rate, then ask the owner."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

import msgspec

from gateway.auth import Identity
from gateway.limits import Limits
from gateway.metrics import Metrics
from holdfast import Actor, Contract, Forbidden, HoldfastError, Name, NotFound, RateLimited, TooLarge, ValidationFailed
from holdfast.client import Client
from holdfast.telemetry import Tracing
from holdfast.wire import ADMIN, Accepted, View

ENVELOPE_BYTES: Final = 4096
"""Room in a NATS message for what surrounds a command's data."""
MAX_SEQ: Final = 2**53 - 1
_COMMAND: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")
_COMMAND_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_object: Final = msgspec.json.Decoder(dict[str, Any])


class Door:
    """One for the whole gateway, shared by HTTP, WebSockets and `ask.`."""

    def __init__(
        self,
        client: Client,
        contracts: Mapping[str, Contract],
        *,
        limits: Limits,
        metrics: Metrics,
        command_timeout: float,
        tracing: Tracing | None = None,
    ) -> None:
        self.client = client
        self.contracts = contracts
        self.metrics = metrics
        self._limits = limits
        self._timeout = command_timeout
        self.tracing = tracing

    def name(self, purpose: str, tenant: str, id_: str) -> Name:
        """Check a name; a purpose that no service has is `NOT_FOUND`."""
        name = Name.of(purpose, tenant, id_)
        if purpose not in self.contracts:
            raise NotFound("no such entity")
        self._note(name)
        return name

    def name_for(self, who: Identity, purpose: str, id_: str) -> Name:
        """Check the name of an entity of the caller's tenant; whoever has a pass finds no other one than its."""
        name = self.name(purpose, who.tenant, id_)
        if not who.may_open(name):
            raise NotFound("no such entity")
        return name

    def parse(self, text: str, who: Identity) -> Name:
        """Read a whole name; another tenant's looks like one that was never written."""
        name = Name.parse(text)
        if name.tenant != who.tenant or name.purpose not in self.contracts or not who.may_open(name):
            raise NotFound("no such entity")
        self._note(name)
        return name

    def _note(self, name: Name) -> None:
        if self.tracing is not None:
            self.tracing.note(entity=name)

    def _note_outcome(
        self, tracing: Tracing, name: Name, command: str, outcome: str, accepted: Accepted | None
    ) -> None:
        """Name a command only when there is one: anything else may be what its sender did not mean to tell."""
        known = command if command in self.contracts[name.purpose].commands else None
        if accepted is None:
            tracing.note(command=known, outcome=outcome)
        else:
            tracing.note(command=known, outcome="REPEATED" if accepted.deduplicated else outcome, seq=accepted.seq)

    async def send(
        self,
        name: Name,
        command: str,
        data: bytes | msgspec.Raw,
        *,
        by: Actor,
        command_id: str | None = None,
        expected_seq: int | None = None,
    ) -> Accepted:
        """Check a command and send it until it is answered; every outcome is counted."""
        outcome, accepted = "INTERNAL", None
        try:
            self._check(command, data, command_id, expected_seq)
            with self._limits.under_way(name, by.user):
                self._limits.spend(name, by.user)
                accepted = await self.client.send(
                    name,
                    command,
                    data,
                    by=by,
                    command_id=command_id,
                    expected_seq=expected_seq,
                    timeout=self._timeout,
                )
        except HoldfastError as error:
            outcome = error.code
            if isinstance(error, RateLimited):
                self.metrics.count("refused", limit="commands")
            raise
        else:
            outcome = "OK"
            return accepted
        finally:
            self.metrics.count("commands", purpose=name.purpose, outcome=outcome)
            if self.tracing is not None:
                self._note_outcome(self.tracing, name, command, outcome, accepted)

    async def delete(self, name: Name, *, by: Actor, command_id: str | None = None) -> None:
        """Delete an entity everywhere; the role `admin` is asked for before anything else, so it tells nothing."""
        if ADMIN not in by.roles:
            raise Forbidden(f"deleting an entity needs the role {ADMIN}")
        self._check("delete", b"{}", command_id, None)
        with self._limits.under_way(name, by.user):
            self._limits.spend(name, by.user)
            await self.client.delete(name, by=by, command_id=command_id, timeout=self._timeout)

    def spend(self, name: Name, user: str) -> None:
        """Count something that is no command like one; `RATE_LIMITED` when it is one too many."""
        self._limits.spend(name, user)

    def refusal(self, name: Name, user: str) -> RateLimited | None:
        """Why a command must not even be looked at now, which is counted; None when it may go on."""
        error = self._limits.refusal(name, user)
        if error is not None:
            self.metrics.count("refused", limit="commands")
            self.metrics.count("commands", purpose=name.purpose, outcome=error.code)
        return error

    def waiting(self, name: Name, by: Actor) -> AbstractContextManager[None]:
        """Hold a place for what is asked of others on this user's behalf; `RATE_LIMITED` when there is none."""
        return self._limits.under_way(name, by.user)

    def spend_presence(self, name: Name, user: str) -> None:
        """Count one show of presence; `RATE_LIMITED` when a user shows too much."""
        try:
            self._limits.spend_presence(name, user)
        except RateLimited:
            self.metrics.count("refused", limit="presence")
            raise

    def rate_headers(self, name: Name, user: str) -> Mapping[str, str]:
        """How a user stands after a command to this entity, for the answer over HTTP."""
        return self._limits.headers(name, user)

    async def view(self, name: Name, *, by: Actor, seq: int | None = None, at: datetime | None = None) -> View:
        """The entity as `by` may see it, now, after `seq`, or at a moment."""
        if seq is not None:
            check_seq("seq", seq)
        with self._limits.under_way(name, by.user):
            return await self.client.view(name, by=by, seq=seq, at=at, timeout=self._timeout)

    async def head(self, name: Name, *, by: Actor) -> int:
        """The entity's last seq; `NOT_FOUND` unless `by` may read it."""
        with self._limits.under_way(name, by.user):
            return await self.client.head(name, by=by, timeout=self._timeout)

    def _check(self, command: str, data: bytes | msgspec.Raw, command_id: str | None, expected_seq: int | None) -> None:
        if not _COMMAND.fullmatch(command):
            raise ValidationFailed("a command is lower-case letters, digits and '_', and starts with a letter")
        if command_id is not None and not _COMMAND_ID.fullmatch(command_id):
            raise ValidationFailed(
                "a command id is 1 to 100 letters, digits, '_', '.', ':' and '-', and starts with a letter or a digit"
            )
        if expected_seq is not None:
            check_seq("expected_seq", expected_seq)
        check_object(data)
        limit = self.client.bus.max_payload - ENVELOPE_BYTES
        if len(memoryview(data)) > limit:
            raise TooLarge(f"the data of a command is at most {limit} bytes here", limit=limit)


def check_object(data: bytes | msgspec.Raw) -> None:
    """Refuse data that is not one JSON object in UTF-8."""
    try:
        _object.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValidationFailed(f"the data of a command must be a JSON object: {error}") from None
    except RecursionError:
        raise ValidationFailed("the data of a command is nested too deeply") from None


def check_seq(label: str, seq: int) -> None:
    """Refuse a sequence number that no entity can have."""
    if not 0 <= seq <= MAX_SEQ:
        raise ValidationFailed(f"{label} is a number from 0 to 2^53-1")
