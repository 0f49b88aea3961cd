"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

DRAW_SECONDS: Final = 0.2
LINE_SECONDS: Final = 5.0
_SHORTEST: Final = 0.001


class Report:
    """Tells of one piece of work: how much of it is done, how many events went through, how fast, and what is left.

    `only_if_long`: nothing, not even the result, of what is over before there was anything to tell.
    """

    def __init__(
        self,
        what: str,
        unit: str,
        out: TextIO,
        clock: Callable[[], float] = time.monotonic,
        *,
        only_if_long: bool = False,
    ) -> None:
        self._what = what
        self._unit = unit
        self._out = out
        self._clock = clock
        self._began = self._told = clock()
        self._done = self._total = self._events = 0
        self._silent = only_if_long
        self._bar: Progress | None = None
        if out.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[told]}"))
            console = Console(file=out, highlight=False, markup=False)
            self._bar = Progress(*columns, console=console, auto_refresh=False)
            self._task = self._bar.add_task(what, told="")

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last form where it is; what ended well is told whole."""
        if error is None:
            self._done = self._total
            if not self._silent:
                self._tell(self._result())
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int, *, events: int) -> None:
        """Note how far it is."""
        self._done, self._total, self._events = done, total, events
        if self._clock() - self._told >= (LINE_SECONDS if self._bar is None else DRAW_SECONDS):
            self._told = self._clock()
            self._tell(self._state())

    def _tell(self, told: str) -> None:
        self._silent = False
        if self._bar is None:
            self._out.write(f"{self._what}: {told}\n")
            self._out.flush()
        else:
            self._bar.update(self._task, completed=self._done, total=max(1, self._total), told=told, refresh=True)

    def _state(self) -> str:
        share = self._done / self._total if self._total else 1.0
        passed = self._clock() - self._began
        left = f", {_duration(passed * (1 - share) / share)} left" if share else ""
        done = f"{self._done:,} of {self._total:,} {self._unit} ({share:.0%})"
        return f"{done}, {self._events:,} events, {self._rate(passed)}{left}"

    def _result(self) -> str:
        passed = self._clock() - self._began
        return f"{self._total:,} {self._unit}, {self._events:,} events in {_duration(passed)}, {self._rate(passed)}"

    def _rate(self, passed: float) -> str:
        return f"{self._events / max(passed, _SHORTEST):,.0f} events/s"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
