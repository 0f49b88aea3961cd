"""The examples keep what they promise: their rules in given / when / then, and each of them as the program it is."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from examples.chat_room import Join, Leave, RoomRules, Said, Say, Whispered
from examples.lease import Acquire, Ended, Granted, LeaseRules, Release
from examples.rate_limiter import BURST, ONE_TOKEN, BucketRules, Take, Taken, TooOften
from holdfast import Actor, Forbidden, StateConflict
from holdfast.testing import START, given

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.stem for path in ROOT.glob("examples/*.py"))
PATIENCE = 60.0
ANN, BOB, EVE = (Actor(user=user, roles=()) for user in ("ann", "bob", "eve"))
HELD = Granted(holder="ann", token=1, until=START + timedelta(seconds=10))

SAID = {
    "chat_room": [
        "bob hears: 4 said hello",
        "eve hears: 4 said hello",
        "bob hears: 5 whispered do not tell eve",
        "eve hears: 5 redacted",
        "bob hears: 6 left",
    ],
    "lease": ["ann holds the printer", "bob: ann holds it: wait for the end", "bob holds the printer, with token 2"],
    "rate_limiter": [f"mail {number} is out" for number in range(1, 6)],
}


@pytest.mark.sends
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_as_it_says(example: str) -> None:
    run = [sys.executable, "-m", f"examples.{example}"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    for line in SAID[example]:
        _, found, said = said.partition(line)
        assert found, f"{line!r} is missing, or not in its place, in\n{done.stdout}"


def test_a_free_lease_is_granted_with_the_next_token() -> None:
    given(LeaseRules(), HELD, Ended(holder="ann", cause="released")).when(Acquire(), by=BOB).then(
        Granted(holder="bob", token=2, until=HELD.until)
    )


def test_a_held_lease_is_refused_to_others_and_prolonged_for_its_holder() -> None:
    given(LeaseRules(), HELD).when(Acquire(), by=BOB).then_rejected(StateConflict, until=HELD.until)
    given(LeaseRules(), HELD).when(Acquire(), by=ANN).then(HELD)


def test_only_the_holder_gives_a_lease_back_and_giving_back_twice_changes_nothing() -> None:
    given(LeaseRules(), HELD).when(Release(), by=BOB).then_nothing()
    given(LeaseRules(), HELD).when(Release(), by=ANN).then(Ended(holder="ann", cause="released"))
    given(LeaseRules(), HELD, Ended(holder="ann", cause="released")).when(Release(), by=ANN).then_nothing()


def test_a_lease_lapses_at_its_end_however_late_that_is_noticed() -> None:
    late = given(LeaseRules(), HELD).when(Acquire(), by=BOB, at=HELD.until)
    late.then_first_expired(Ended(holder="ann", cause="lapsed")).then_includes(Granted, holder="bob", token=2)


def test_a_full_bucket_lets_a_burst_through_and_then_one_in_every_token_s_time() -> None:
    bucket = given(BucketRules())
    for taken in range(1, BURST + 1):
        bucket.when(Take()).then(Taken(full_at=START + taken * ONE_TOKEN))
    bucket.when(Take()).then_rejected(TooOften, retry_after_ms=200)
    bucket.when(Take(), at=START + ONE_TOKEN).then_includes(Taken)


def test_whoever_is_not_in_the_room_does_not_speak_there() -> None:
    room = given(RoomRules()).when(Join(), by=ANN)
    room.when(Say(text="hello"), by=BOB).then_rejected(Forbidden)
    room.when(Say(text="hello", to="bob"), by=ANN).then_rejected(Forbidden)
    room.when(Say(text="hello"), by=ANN).then(Said(member="ann", text="hello"))


def test_coming_in_or_going_out_twice_changes_nothing() -> None:
    room = given(RoomRules()).when(Join(), by=ANN)
    room.when(Join(), by=ANN).then_nothing()
    room.when(Leave(), by=BOB).then_nothing()


def test_a_whisper_is_seen_by_two() -> None:
    room = given(RoomRules()).when(Join(), by=ANN).when(Join(), by=BOB).when(Say(text="pst", to="bob"), by=ANN)
    room.then(Whispered(member="ann", to="bob", text="pst"))
    assert [room.seen_by(viewer)[-1]["type"] for viewer in (ANN, BOB, EVE)] == ["whispered", "whispered", "redacted"]
    assert "pst" not in str(room.view(EVE))
