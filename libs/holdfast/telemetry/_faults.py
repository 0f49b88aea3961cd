"""Exceptions as the log shows them: what went wrong and where, without the words that hold what callers sent."""

import traceback
from collections.abc import Iterator
from typing import Any, Final, TextIO, cast

LONGEST_CHAIN: Final = 10
_OF_THE_INTERPRETER: Final = frozenset(
    {AttributeError, ImportError, IndexError, ModuleNotFoundError, NameError, TypeError, UnboundLocalError}
)
"""Their words name parts of the code. Those of all others may quote a command, an event or a row."""


def shown(error: BaseException) -> str:
    """The frames and the type of an exception and of those that led to it."""
    return "\n".join(_lines(error, LONGEST_CHAIN))


def format_fault(exc_info: tuple[Any, Any, Any]) -> str:
    """Render the exception of a log event; for structlog's `ExceptionRenderer`."""
    error: BaseException | None = exc_info[1]
    return "" if error is None else shown(error)


def print_fault(out: TextIO, exc_info: tuple[Any, Any, Any]) -> None:
    """Print the exception of a log event; for structlog's `ConsoleRenderer`."""
    out.write("\n" + format_fault(exc_info))


def name_of(error: BaseException) -> str:
    """The type of an exception, with its words only where they are the interpreter's own."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name}: {error}" if kind in _OF_THE_INTERPRETER else name


def _lines(error: BaseException, left: int) -> Iterator[str]:
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and left > 0:
        yield from _lines(earlier, left - 1)
        yield "\nthen:\n"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    yield name_of(error)
    if isinstance(error, BaseExceptionGroup) and left > 0:
        parts = cast("tuple[BaseException, ...]", error.exceptions)  # pyright: ignore[reportUnknownMemberType]
        for number, each in enumerate(parts, 1):
            yield f"\n{number} of {len(parts)}:\n"
            yield from _lines(each, left - 1)
