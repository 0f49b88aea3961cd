"""When a process should leave its work to others: what it needs has failed for longer than a grace period."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import structlog

from holdfast._share import Share
from holdfast.telemetry import Health

LOOK_SECONDS: Final = 0.5
MEBIBYTE: Final = 1024 * 1024

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitnessSettings:
    """What a process still puts up with."""

    grace_seconds: float = 10.0
    """How long its database or JetStream may fail before it steps back."""
    min_free_bytes: int = 64 * MEBIBYTE
    """On the disk of an SQLite database."""
    max_lag: int = 100_000
    """Commits that a read model may lack before the process is not ready."""


async def keep_fit(shares: Collection[Share], health: Health, *, vital: Collection[str], grace: float) -> None:
    """Let these shares step back while a vital probe fails, and come back once it does not; until cancelled.

    They keep what no other member takes: a service without its database is slower, without an owner it is gone.
    """
    back = False
    while True:
        failing = health.failing_for(vital)
        if not back and failing > grace:
            back = True
            log.warning("share.stepped_back", purposes=[share.purpose for share in shares], failing_for=failing)
        elif back and not failing:
            back = False
            log.info("share.came_back", purposes=[share.purpose for share in shares])
        for share in shares:
            share.stand_aside(aside=back)
        await asyncio.sleep(LOOK_SECONDS)
