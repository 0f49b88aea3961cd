"""Where a successor begins: never behind something that is still open."""

from holdfast._progress import Progress


def test_a_partition_that_is_not_owned_takes_nothing() -> None:
    assert Progress().receive(3, 1) is False


def test_a_command_is_taken_once() -> None:
    progress = Progress()
    progress.begin({3: 10})
    assert [progress.receive(3, sequence) for sequence in (10, 11, 11, 12)] == [False, True, False, True]


def test_the_position_stands_before_the_oldest_open_command() -> None:
    progress = Progress()
    progress.begin({3: 10})
    for sequence in (11, 15, 20):
        progress.receive(3, sequence)
    assert progress.positions() == {3: 10}
    progress.answer(3, 15)
    assert progress.positions() == {3: 10}
    progress.answer(3, 11)
    assert progress.positions() == {3: 19}
    progress.answer(3, 20)
    assert progress.positions() == {3: 20}


def test_reading_begins_behind_the_partition_that_is_furthest_back() -> None:
    progress = Progress()
    progress.begin({3: 10, 4: 7})
    assert progress.next_sequence() == 8
    progress.receive(4, 30)
    assert progress.next_sequence() == 31
    progress.begin({5: 2})
    assert progress.next_sequence() == 3


def test_a_partition_to_which_nothing_is_sent_is_as_far_as_the_reading_of_all() -> None:
    progress = Progress()
    progress.begin({3: 10, 4: 7})
    progress.receive(4, 30)
    progress.receive(9, 35)
    assert progress.positions() == {3: 35, 4: 29}
    progress.answer(4, 30)
    assert progress.positions() == {3: 35, 4: 35}


def test_reading_again_for_a_new_partition_takes_back_nothing_of_the_others() -> None:
    progress = Progress()
    progress.begin({3: 10})
    progress.receive(3, 20)
    progress.receive(9, 40)
    progress.answer(3, 20)
    progress.begin({5: 15})
    assert progress.positions() == {3: 40, 5: 15}
    assert [progress.receive(3, 20), progress.receive(5, 18), progress.receive(3, 41)] == [False, True, True]


def test_a_partition_that_is_owned_already_keeps_its_place() -> None:
    progress = Progress()
    progress.begin({3: 10})
    progress.receive(3, 50)
    progress.begin({3: 10})
    assert progress.receive(3, 50) is False


def test_what_is_no_longer_owned_takes_nothing_and_its_position_stays_known_to_who_gains_it() -> None:
    progress = Progress()
    progress.begin({3: 10, 4: 10})
    for number, sequence in ((3, 11), (4, 12), (4, 13)):
        progress.receive(number, sequence)
    progress.answer(3, 11)
    progress.answer(4, 12)
    progress.end([3, 4, 9])
    progress.answer(4, 13)
    assert progress.receive(4, 14) is False
    assert progress.positions() == {3: 13, 4: 12}
    assert progress.next_sequence() == 1
    progress.begin({4: 20})
    assert progress.positions() == {3: 13, 4: 20}


def test_in_another_life_of_the_stream_nothing_of_the_old_one_counts() -> None:
    progress = Progress()
    progress.begin({3: 10, 4: 10})
    progress.receive(3, 11)
    progress.end([4])
    progress.restart()
    assert progress.positions() == {3: 0}
    assert [progress.next_sequence(), progress.receive(3, 1)] == [1, True]
