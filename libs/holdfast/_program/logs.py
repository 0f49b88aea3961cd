"""Logs are events with fields: readable on a terminal, JSON lines anywhere else."""

import asyncio
import logging
import sys
from typing import Any

import structlog

from holdfast.telemetry import add_trace_ids, format_fault, print_fault

_TALKATIVE = ("alembic", "nats", "uvicorn")
_INDISCREET = ("aiosqlite", "uvicorn.error", "websockets")
"""What they say at debug holds statements with their values, and frames with what is in them."""
_BLABBING = ("httpcore", "httpx", "urllib3")
"""What they say at any level below a warning holds whole URLs, of which a query may be a credential."""

log = structlog.get_logger(__name__)


def log_faults_of(loop: asyncio.AbstractEventLoop) -> None:
    """Log what a loop has to tell of lost exceptions as an event like any other."""

    def tell(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        log.error("loop.fault", what=context.get("message"), exc_info=context.get("exception"))

    loop.set_exception_handler(tell)


def configure_logs(level: str, *, process: str) -> None:
    """Send structlog and the standard library's loggers to stderr in one form, marked with the process's name."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_trace_ids,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _logger, _method, event: {"process": process, **event},  # pyright: ignore[reportUnknownLambdaType]
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    on_terminal = sys.stderr.isatty()
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=print_fault)]
        if on_terminal
        else [structlog.processors.ExceptionRenderer(format_fault), structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for talkative in _TALKATIVE:
        logging.getLogger(talkative).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    for indiscreet in _INDISCREET:
        logging.getLogger(indiscreet).setLevel(logging.INFO if level == "debug" else logging.WARNING)
    for blabbing in _BLABBING:
        logging.getLogger(blabbing).setLevel(logging.WARNING)
