"""Whether a process can do its work: named checks, some read when asked, some asked again and again."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog

from holdfast._errors import HoldfastError

PROBE_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 5.0

log = structlog.get_logger(__name__)


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one check found."""

    ok: bool
    reason: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/readyz`: ready when every check is."""

    ready: bool
    checks: dict[str, Finding]


class Health:
    """The checks of one process. Nothing that a report says holds addresses, credentials or data."""

    def __init__(self, *, interval: float = PROBE_SECONDS) -> None:
        self._interval = interval
        self._checks: dict[str, Callable[[], str | None]] = {}
        self._probes: dict[str, Callable[[], Awaitable[None]]] = {}
        self._found: dict[str, Finding] = {}
        self._failing_since: dict[str, float] = {}
        self._draining = False

    def check(self, name: str, read: Callable[[], str | None]) -> None:
        """Ask `read` at every report; it returns what is wrong, or None."""
        self._checks[name] = read

    def probe(self, name: str, ask: Callable[[], Awaitable[None]]) -> None:
        """Await `ask` about once a second while the checks run; it raises what is wrong."""
        self._probes[name] = ask
        self._found[name] = Finding(ok=False, reason="not asked yet")

    def drain(self) -> None:
        """Be ready no more: this process is about to stop."""
        self._draining = True

    def report(self) -> Report:
        """What every check says now."""
        findings = {name: _finding(read()) for name, read in self._checks.items()} | self._found
        findings["draining"] = _finding("this process is about to stop" if self._draining else None)
        return Report(ready=all(finding.ok for finding in findings.values()), checks=findings)

    def failing_for(self, names: Collection[str]) -> float:
        """The seconds for which one of these probes has failed without a success; 0 when none fails."""
        now = asyncio.get_running_loop().time()
        return max((now - self._failing_since[name] for name in names if name in self._failing_since), default=0.0)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Ask every probe once, then again until the end of the block, each apart from the others."""
        await asyncio.gather(*map(self._ask, self._probes))
        tasks = [asyncio.create_task(self._keep_asking(name), name=f"probe of {name}") for name in self._probes]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_asking(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._interval * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load
            await self._ask(name)

    async def _ask(self, name: str) -> None:
        known = self._found[name]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._probes[name]()
        except HoldfastError as error:
            found = Finding(ok=False, reason=error.message)
        except TimeoutError:
            found = Finding(ok=False, reason=f"no answer within {ANSWER_SECONDS:.0f} s")
        except Exception as error:  # noqa: BLE001 - whatever a probe raises, it says that something is wrong
            found = Finding(ok=False, reason=type(error).__name__)
        else:
            found = Finding(ok=True)
        self._found[name] = found
        if found.ok:
            self._failing_since.pop(name, None)
        else:
            self._failing_since.setdefault(name, asyncio.get_running_loop().time())
        if found != known:
            log.info("health.changed", check=name, ok=found.ok, reason=found.reason)


def _finding(reason: str | None) -> Finding:
    return Finding(ok=True) if reason is None else Finding(ok=False, reason=reason)
