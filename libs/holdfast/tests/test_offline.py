"""The queue of a terminal that is cut off: what was recorded is there after any death, and arrives once, in order."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast import NotFound, Rejected, Unavailable
from holdfast.offline import LONGEST_FACT, OfflineQueue, QueueFull, QueueInUse, QueueStuck

PROGRAM = """
import itertools, sys
from holdfast.offline import OfflineQueue
queue = OfflineQueue(sys.argv[1])
for number in itertools.count():
    print(queue.record({"fact": "sale", "number": number}), flush=True)
"""


class SeqGap(Rejected):
    code = "TERMINAL_SEQ_GAP"


class Revoked(Rejected):
    code = "TERMINAL_REVOKED"


class Books:
    """Takes facts as a till does: in their order, known ones again without effect, and asks for those that it lacks."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.lodged: list[Any] = []
        self.ids: dict[str, bytes] = {}
        self.revoked = False
        self.away = 0
        self.loses_answers = 0

    async def bring(self, command: str, data: bytes, command_id: str, /) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the network is down")
        assert self.ids.setdefault(command_id, data) == data
        first, facts = msgspec.json.decode(data)
        if command == "review":
            self.lodged += facts
            return
        if self.revoked:
            raise Revoked("this terminal was revoked")
        expected = len(self.taken) + 1
        if first > expected:
            raise SeqGap("facts are missing", expected=expected)
        self.taken += facts[expected - first :]
        if self.loses_answers:
            self.loses_answers -= 1
            raise Unavailable("the answer was lost")


def submit(first: int, facts: Sequence[msgspec.Raw]) -> tuple[str, object]:
    return "submit", [first, facts]


def review(first: int, facts: Sequence[msgspec.Raw]) -> tuple[str, object]:
    return "review", [first, facts]


def numbers(facts: Sequence[Any]) -> list[int]:
    return [fact["number"] for fact in facts]


def recorded(path: Path, *which: int) -> OfflineQueue:
    queue = OfflineQueue(path)
    for number in which:
        queue.record({"number": number})
    return queue


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "till-1.queue"


async def test_facts_arrive_in_their_order_with_a_time(path: Path) -> None:
    books = Books()
    with recorded(path, *range(250)) as queue:
        assert await queue.submit(books.bring, submit) == 250
        assert (queue.waiting, await queue.submit(books.bring, submit)) == (0, 0)
    assert numbers(books.taken) == list(range(250))
    assert all(fact["occurred_at"].endswith("Z") for fact in books.taken)
    assert len(books.ids) == 3


async def test_what_was_recorded_is_there_after_a_restart(path: Path) -> None:
    with recorded(path, 1, 2):
        pass
    books = Books()
    with recorded(path, 3) as queue:
        assert await queue.submit(books.bring, submit) == 3
    assert numbers(books.taken) == [1, 2, 3]


async def test_a_lost_answer_sends_the_same_command_again_and_changes_nothing(path: Path) -> None:
    books = Books()
    books.loses_answers = 1
    with recorded(path, 1, 2) as queue:
        with pytest.raises(Unavailable):
            await queue.submit(books.bring, submit)
        assert queue.waiting == 2
        await queue.submit(books.bring, submit)
    assert numbers(books.taken) == [1, 2]
    assert len(books.ids) == 1


async def test_more_facts_after_a_lost_answer_go_under_another_id(path: Path) -> None:
    books = Books()
    books.loses_answers = 1
    with recorded(path, 1) as queue:
        with pytest.raises(Unavailable):
            await queue.submit(books.bring, submit)
        queue.record({"number": 2})
        await queue.submit(books.bring, submit)
    assert numbers(books.taken) == [1, 2]
    assert len(books.ids) == 2


async def test_a_gap_is_filled_from_what_was_delivered_before(path: Path) -> None:
    with recorded(path, 1, 2, 3) as queue:
        await queue.submit(Books().bring, submit)
        restored = Books()  # from a backup that is older than the three
        queue.record({"number": 4})
        await queue.submit(restored.bring, submit)
    assert numbers(restored.taken) == [1, 2, 3, 4]


async def test_a_gap_that_the_file_cannot_fill_is_told_and_nothing_is_lost(path: Path) -> None:
    with OfflineQueue(path, first_seq=7) as queue:
        assert queue.record({"number": 7}) == 7
        with pytest.raises(QueueStuck, match="asks for fact 1"):
            await queue.submit(Books().bring, submit)
        assert queue.record({"number": 8}) == 8
        assert [seq for seq, _ in queue.kept()] == [7, 8]


async def test_an_entity_that_asks_for_the_same_again_and_again_does_not_hold_the_queue_in_a_loop(path: Path) -> None:
    async def never_content(*_: object) -> None:
        raise SeqGap("facts are missing", expected=1)

    with recorded(path, 1, 2, 3) as queue:
        await queue.submit(Books().bring, submit)
        queue.record({"number": 4})
        with pytest.raises(QueueStuck):
            await queue.submit(never_content, submit)


async def test_a_revoked_terminal_keeps_its_facts_and_lodges_them_for_review(path: Path) -> None:
    books = Books()
    books.revoked = True
    with recorded(path, 1, 2) as queue:
        assert await queue.submit(books.bring, submit) == 0
        assert queue.revoked == "this terminal was revoked"
    with recorded(path, 3) as queue:
        assert await queue.submit(books.bring, submit, review=review) == 3
        assert (queue.revoked, len(queue.kept())) == ("this terminal was revoked", 3)
    assert (books.taken, numbers(books.lodged)) == ([], [1, 2, 3])


async def test_any_other_refusal_is_the_callers_to_see(path: Path) -> None:
    async def refuse(*_: object) -> None:
        raise NotFound("no such till")

    with recorded(path, 1) as queue:
        with pytest.raises(NotFound):
            await queue.submit(refuse, submit)
        assert queue.waiting == 1


async def test_it_keeps_submitting_whatever_comes_until_it_is_stopped(path: Path) -> None:
    books = Books()
    books.away = 2
    with recorded(path, 1) as queue:
        task = asyncio.create_task(queue.keep_submitting(books.bring, submit))
        async with asyncio.timeout(60):
            for number in (2, 3):
                while queue.waiting:
                    await asyncio.sleep(0.01)
                queue.record({"number": number})
            while queue.waiting:
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert numbers(books.taken) == [1, 2, 3]


def test_a_full_queue_refuses_more_and_says_what_to_do(path: Path) -> None:
    with OfflineQueue(path, limit=2) as queue:
        queue.record({"number": 1})
        queue.record({"number": 2})
        with pytest.raises(QueueFull, match="back on the network"):
            queue.record({"number": 3})
        assert queue.waiting == 2


def test_a_fact_has_a_size(path: Path) -> None:
    with OfflineQueue(path) as queue, pytest.raises(ValueError, match="split it"):
        queue.record({"note": "x" * LONGEST_FACT})


async def test_a_batch_is_bounded_in_bytes(path: Path) -> None:
    books = Books()
    with OfflineQueue(path) as queue:
        for number in range(5):
            queue.record({"number": number, "note": "x" * 200_000})
        await queue.submit(books.bring, submit)
    assert numbers(books.taken) == [0, 1, 2, 3, 4]
    assert len(books.ids) == 3


def test_a_file_is_one_queues_at_a_time(path: Path) -> None:
    with OfflineQueue(path):
        with pytest.raises(QueueInUse):
            OfflineQueue(path)
        script = f"import holdfast.offline as offline; offline.OfflineQueue({str(path)!r})"
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "QueueInUse" in other.stderr
    OfflineQueue(path).close()


def test_a_file_of_a_newer_format_is_left_alone(path: Path) -> None:
    with OfflineQueue(path) as queue:
        queue.record({"number": 1})
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ValueError, match="format 99"):
        OfflineQueue(path)


def test_delivered_facts_do_not_pile_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.offline.KEPT_DELIVERED", 10)
    with recorded(path, *range(30)) as queue:
        asyncio.run(queue.submit(Books().bring, submit))
        assert [seq for seq, _ in queue.kept()] == list(range(21, 31))


@pytest.mark.parametrize("facts", [1, 40, 90])
def test_a_kill_at_any_point_loses_nothing_that_was_recorded(path: Path, facts: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(facts)]
    os.kill(process.pid, signal.SIGKILL)
    told += [int(line) for line in process.stdout.read().splitlines()]
    process.wait()
    process.stdout.close()

    with OfflineQueue(path) as queue:
        found = queue.kept(limit=1_000_000)
        assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
        assert [fact["number"] for _, fact in found] == list(range(len(found)))
        assert told == list(range(1, len(told) + 1))
        assert len(found) - len(told) in (0, 1)  # the last one may have been on disk without having been told
        assert queue.record({"number": -1}) == len(found) + 1
