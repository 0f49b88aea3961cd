"""What the log shows of a fault: the place and the kind, and no word that a caller sent."""

import io
import json
import logging
import sys
from collections.abc import Generator

import pytest
import structlog

from holdfast._program.logs import configure_logs

WORDS = "words-of-a-command"


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Generator[io.StringIO]:
    """Where the log goes; afterwards everything is as it was."""
    root, kept = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    levels = {
        name: logger.level for name, logger in root.manager.loggerDict.items() if isinstance(logger, logging.Logger)
    }
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    configure_logs("debug", process="test")
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in list(root.manager.loggerDict):
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    structlog.configure(**kept)


def judge(words: str) -> None:
    raise ValueError(words)


def test_an_exception_is_shown_by_its_place_and_its_kind(stderr: io.StringIO) -> None:
    try:
        judge(WORDS)
    except ValueError:
        structlog.get_logger("test").exception("entity.fault", name="counter:acme:x")
    event = json.loads(stderr.getvalue())

    assert event["event"] == "entity.fault"
    assert ", in judge\n    raise ValueError(words)" in event["exception"]
    assert event["exception"].endswith("\nValueError")
    assert WORDS not in stderr.getvalue()


@pytest.mark.parametrize("library", ["httpx", "httpcore", "urllib3.connectionpool"])
def test_libraries_tell_no_urls_at_any_level(stderr: io.StringIO, library: str) -> None:
    logging.getLogger(library).info("HTTP Request: GET %s", f"https://keys.example/set?code={WORDS}")
    logging.getLogger(library).warning("gone")
    assert json.loads(stderr.getvalue())["event"] == "gone"


def test_causes_and_groups_are_shown_in_the_same_way(stderr: io.StringIO) -> None:
    def fail() -> None:
        try:
            judge(WORDS)
        except ValueError as error:
            raise ExceptionGroup(WORDS, [RuntimeError(WORDS), KeyError(WORDS)]) from error

    try:
        fail()
    except ExceptionGroup:
        logging.getLogger("asyncio").exception("a task failed")
    shown = json.loads(stderr.getvalue())["exception"]

    assert WORDS not in stderr.getvalue()
    assert [
        kind for kind in ("ValueError", "then:", "ExceptionGroup", "RuntimeError", "2 of 2:") if kind not in shown
    ] == []


def test_what_the_interpreter_says_of_the_code_is_shown(stderr: io.StringIO) -> None:
    try:
        str.no_such_method  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    except AttributeError:
        structlog.get_logger("test").exception("entity.fault")

    assert "AttributeError: type object 'str' has no attribute 'no_such_method'" in stderr.getvalue()


@pytest.mark.parametrize("indiscreet", ["aiosqlite", "uvicorn.error", "websockets.server"])
def test_libraries_that_quote_what_they_carry_are_not_heard_at_debug(stderr: io.StringIO, indiscreet: str) -> None:
    logging.getLogger(indiscreet).debug("INSERT %s", WORDS)
    logging.getLogger(indiscreet).info("started")

    assert [json.loads(line)["event"] for line in stderr.getvalue().splitlines()] == ["started"]
