"""What waits for one viewer: bounded, in order, and of presence only the newest."""

import asyncio

import pytest

from gateway import framing
from gateway.outbox import SocketOutbox


class Line:
    """A socket's transport whose congestion the test decides."""

    def __init__(self) -> None:
        self.congested = False
        self.written: list[bytes] = []

    def write(self, frames: bytes) -> None:
        self.written.append(frames)


@pytest.fixture
def line() -> Line:
    return Line()


def test_frames_are_written_at_once_while_the_viewer_takes_them(line: Line) -> None:
    outbox = SocketOutbox(line, frames=1, size=1)
    for number in range(3):
        assert outbox.offer(b"%d" % number)
    assert line.written == [b"0", b"1", b"2"]
    assert outbox.is_empty


def test_a_congested_viewer_has_a_bounded_queue_and_keeps_the_order(line: Line) -> None:
    outbox = SocketOutbox(line, frames=2, size=100)
    line.congested = True
    assert [outbox.offer(frame) for frame in (b"a", b"b", b"c")] == [True, True, False]
    outbox.push(b"lagging")
    assert line.written == []
    line.congested = False
    outbox.flush()
    assert outbox.offer(b"d")
    assert line.written == [b"a", b"b", b"lagging", b"d"]


def test_a_queue_is_bounded_in_bytes_but_takes_one_frame_of_any_size(line: Line) -> None:
    outbox = SocketOutbox(line, frames=100, size=10)
    line.congested = True
    assert outbox.offer(b"x" * 1000)
    assert not outbox.offer(b"y")
    assert not outbox.offer_newest(("name", "c1"), b"z")


def test_of_what_one_connection_shows_a_slow_viewer_gets_the_newest(line: Line) -> None:
    outbox = SocketOutbox(line, frames=3, size=100)
    line.congested = True
    for number in range(1000):
        assert outbox.offer_newest(("name", "c1"), b"c1 shows %d" % number)
        assert outbox.offer_newest(("name", "c2"), b"c2 shows %d" % number)
    line.congested = False
    outbox.flush()
    assert sorted(line.written) == [b"c1 shows 999", b"c2 shows 999"]


def test_more_of_it_than_the_queue_holds_is_refused_aloud(line: Line) -> None:
    outbox = SocketOutbox(line, frames=2, size=100)
    line.congested = True
    assert [outbox.offer_newest(("name", f"c{number}"), b"x") for number in range(3)] == [True, True, False]


def test_presence_that_waits_leaves_after_the_events_before_it(line: Line) -> None:
    outbox = SocketOutbox(line, frames=10, size=100)
    line.congested = True
    outbox.push(b"event")
    outbox.offer_newest(("name", "c1"), b"presence")
    line.congested = False
    outbox.flush()
    assert line.written == [b"event", b"presence"]


async def test_replay_waits_for_room_and_is_freed_when_the_socket_ends(line: Line) -> None:
    outbox = SocketOutbox(line, frames=1, size=100)
    line.congested = True
    await outbox.put(b"1")
    waiting = [asyncio.create_task(outbox.put(frame)) for frame in (b"2", b"3")]
    done, _ = await asyncio.wait(waiting, timeout=0)
    assert not done
    line.congested = False
    outbox.flush()
    await asyncio.gather(*waiting)
    assert line.written == [b"1", b"2", b"3"]
    line.congested = True
    await outbox.put(b"4")
    last = asyncio.create_task(outbox.put(b"5"))
    await asyncio.wait([last], timeout=0)
    outbox.drop()
    await last


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_says_its_length_as_rfc_6455_wants_it(size: int) -> None:
    payload = b"x" * size
    for frame, first in ((framing.text(payload), 0x81), (framing.binary(payload), 0x82)):
        assert frame[0] == first
        length, header = frame[1], 2
        if length == 126:
            length, header = int.from_bytes(frame[2:4], "big"), 4
        elif length == 127:
            length, header = int.from_bytes(frame[2:10], "big"), 10
        assert (length, frame[header:]) == (size, payload)
