"""Serves the counter in a process of its own, for tests that kill it and for the benchmark."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog
import uvloop

from holdfast.jetstream import NatsBus
from holdfast.runtime import serve
from holdfast.telemetry.otlp import exporting
from holdfast.testing.counter import service

READY: Final = b"ready"


@contextmanager
def owner(urls: list[str], folder: Path, *options: str) -> Generator[subprocess.Popen[bytes]]:
    """An owner that takes commands, in a process of its own; killed at the end."""
    arguments = [sys.executable, "-m", "holdfast.testing.owner", ",".join(urls), str(folder), *options]
    with (folder / "owner.log").open("ab") as log:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log)  # noqa: S603 - this very module
    try:
        if process.stdout is None or process.stdout.readline().strip() != READY:
            raise RuntimeError((folder / "owner.log").read_text())
        yield process
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls")
    parser.add_argument("folder")
    parser.add_argument("--die-before-answer", action="store_true", help="once something is committed")
    given = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if given.die_before_answer:
        NatsBus.publish = _die_before_answer(NatsBus.publish)
    urls = given.urls.split(",")
    database = f"sqlite+aiosqlite:///{given.folder}/{{service}}.db"
    with exporting("owner", os.environ) as tracing:
        work = serve(
            [service],
            servers=urls,
            database=database,
            replicas=len(urls),
            tracing=tracing,
            ready=lambda: print("ready", flush=True),
        )
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
        uvloop.run(work)


def _die_before_answer(publish: Any) -> Any:
    """End the process as a crash does, between the commit and its answer."""

    async def dying(
        bus: NatsBus, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, reply: str = ""
    ) -> None:
        if subject.startswith("_INBOX.") and b'"events":[{' in data:
            os.kill(os.getpid(), signal.SIGKILL)
        await publish(bus, subject, data, headers=headers, reply=reply)

    return dying


if __name__ == "__main__":
    main()
