"""How a long command tells how far it is."""

import io

import pytest

from holdfast._program.progress import DRAW_SECONDS, LINE_SECONDS, Report


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_elsewhere_than_on_a_terminal_a_line_comes_now_and_then() -> None:
    clock, out = Clock(), io.StringIO()
    with Report("lots", "commits", out, clock) as report:
        report(10, 4_000, events=20)
        clock.now += LINE_SECONDS
        report(1_000, 4_000, events=2_500)
        report(1_001, 4_000, events=2_502)
        clock.now += LINE_SECONDS
        report(4_000, 4_000, events=10_000)
    assert out.getvalue().splitlines() == [
        "lots: 1,000 of 4,000 commits (25%), 2,500 events, 500 events/s, 0:00:15 left",
        "lots: 4,000 of 4,000 commits (100%), 10,000 events, 1,000 events/s, 0:00:00 left",
        "lots: 4,000 commits, 10,000 events in 0:00:10, 1,000 events/s",
    ]


def test_on_a_terminal_a_bar_fills_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    clock, out = Clock(), Terminal()
    with Report("lots", "commits", out, clock) as report:
        clock.now += DRAW_SECONDS
        report(1_000, 4_000, events=2_000)
        half_way = out.getvalue()
        clock.now += 3600
    assert "1,000 of 4,000 commits (25%), 2,000 events, 10,000 events/s, 0:00:01 left" in half_way
    assert "4,000 commits, 2,000 events in 1:00:00, 1 events/s" in out.getvalue()
    assert "\u2501" in half_way


def test_what_fails_is_not_told_as_done() -> None:
    out = io.StringIO()
    report = Report("lots", "commits", out, Clock())

    def fail() -> None:
        with report:
            report(1, 2, events=1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not out.getvalue()


def test_nothing_to_do_is_told_too() -> None:
    out = io.StringIO()
    with Report("lots", "commits", out, Clock()):
        pass
    assert out.getvalue() == "lots: 0 commits, 0 events in 0:00:00, 0 events/s\n"
