"""What every `holdfast demo` has beside its play: how it ends, patience with a system that was killed, and its table."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from holdfast.testing.doors import Lost, Refused
from holdfast.testing.system import CannotRun

WRONG: Final = 1
CANNOT_RUN: Final = 2
READ_ATTEMPTS: Final = 40
READ_AGAIN_SECONDS: Final = 0.5
LONGEST_PROBLEM: Final = 600
S = TypeVar("S")
T = TypeVar("T")


def run(play: Coroutine[Any, Any, tuple[str, bool]], *, wrong: Sequence[type[Exception]] = ()) -> int:
    """Play, and print the report; 0 when all of it holds, 1 when something is wrong, 2 when it cannot run.

    What goes `wrong` in a way of the demo's own is told like a lost connection: in one line.
    """
    try:
        return asyncio.run(_played(play))
    except* CannotRun as problems:
        code = _complain(problems, code=CANNOT_RUN)
    except* (Lost, Refused, TimeoutError, *wrong) as problems:
        code = _complain(problems, code=WRONG)
    return code


async def _played(play: Coroutine[Any, Any, tuple[str, bool]]) -> int:
    running = asyncio.current_task()
    assert running is not None  # noqa: S101 - coroutines run in tasks
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    text, good = await play
    print(text, flush=True)
    return 0 if good else WRONG


def _complain(problems: ExceptionGroup[Exception], *, code: int) -> int:
    problem = _first(problems)
    print(f"holdfast demo: {str(problem) or type(problem).__name__}", file=sys.stderr)
    return code


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")


def tell(line: str) -> None:
    """Say what happens, below the headline."""
    print(f"  {line}", flush=True)


async def patiently(ask: Callable[[], Awaitable[T]], *, what: str) -> T:
    """Ask again while the refusal is only for now; `CannotRun` when that does not end."""
    problem: Exception | None = None
    for _ in range(READ_ATTEMPTS):
        try:
            return await ask()
        except (Lost, Refused) as error:
            if isinstance(error, Refused) and not error.retryable:
                raise
            problem = error
        await asyncio.sleep(READ_AGAIN_SECONDS)
    raise CannotRun(f"{what} cannot be read: {problem}")


def table(
    figures: Iterable[tuple[str, str]], checks: Mapping[str, Callable[[S], Iterable[str]]], seen: S, *, seed: int
) -> tuple[str, bool]:
    """The figures and the outcome of each check as text, and whether all of them hold."""
    lines = ["", *(f"  {label:<18} {value}" for label, value in figures), ""]
    good = True
    for label, check in checks.items():
        problems = list(check(seen))
        good = good and not problems
        lines.append(f"  {'FAILED' if problems else 'ok':<8} {label}")
        if problems:
            more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
            lines.append(f"           {problems[0][:LONGEST_PROBLEM]}{more}")
    lines += ["", "All of it holds." if good else f"Something is wrong. Run it again with --seed {seed}."]
    return "\n".join(lines), good


def latency(seconds: Iterable[float]) -> str:
    """How long half of the answers took at the most, and 99 of 100."""
    times = sorted(seconds)
    return f"p50 {_part(times, 0.5):.1f} ms, p99 {_part(times, 0.99):.1f} ms"


def _part(times: Sequence[float], part: float) -> float:
    """A quantile in milliseconds."""
    return times[min(len(times) - 1, int(len(times) * part))] * 1000 if times else 0.0


def count(text: str) -> int:
    """A number on the command line that may be 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be below 0")
    return value


def positive(text: str) -> float:
    """A number on the command line above 0."""
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value
