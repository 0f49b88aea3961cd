"""Serves the counter to the benchmark: `owner.py NATS_URL FOLDER`, says `ready` when it takes commands."""

import sys

import structlog
import uvloop

from holdfast.runtime import serve
from holdfast.testing.counter import service


def main() -> None:
    """Serve until ended."""
    url, folder = sys.argv[1:3]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    database = f"sqlite+aiosqlite:///{folder}/{{service}}.db"
    uvloop.run(serve([service], servers=url, database=database, ready=lambda: print("ready", flush=True)))


if __name__ == "__main__":
    main()
