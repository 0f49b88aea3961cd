from holdfast._places import Places


def test_nobody_takes_more_than_a_quarter_of_the_places() -> None:
    places = Places(8)
    assert [places.take("acme") for _ in range(3)] == [True, True, False]
    assert places.take("globex")
    places.give_back("acme")
    assert [places.take("acme") for _ in range(2)] == [True, False]
    assert places.taken == 3


def test_there_are_no_more_places_than_there_are() -> None:
    places = Places(4)
    assert [places.take(tenant) for tenant in ("a", "b", "c", "d", "e")] == [True] * 4 + [False]
