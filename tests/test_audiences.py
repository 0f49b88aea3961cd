"""Who sees no money in the view of a till or a floor sees none in any event, also in one that is yet to be written."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import msgspec
import pytest
from msgspec import inspect

from holdfast import Actor, Audience, Event
from holdfast._sight import sight
from services.floor.domain import RestaurantFloor
from services.floor.tests.scenes import COOK, HOST, TILL, run, seated, till
from services.pos.contract import ApplyDiscount
from services.pos.domain import PosSession
from services.pos.tests.scenes import DISPLAY, WAITER, paid, with_tab

COUNTS: Final = re.compile(
    r"\w*_milli|\w*version|\w*_seq|\w*_s|number|day|z_no|seats?|course|guest_count|guests|heard|from|to|facts|rank"
    r"|weekdays|opens|closes|min|max|minor_digits|combo_parts"
)
"""The integers of a till that are no money. Any other one is, until its name stands here."""
MENU: Final = frozenset({"item_set", "price_book_set"})
"""What the view shows everyone who may look at a till: what its items cost."""
ON_TICKETS: Final = frozenset({"price_minor", "unit_price_minor"})
"""What the view of a floor shows with each order: what a wish costs, and the price that a manager gave."""


def is_money_of_a_till(name: str) -> bool:
    return not COUNTS.fullmatch(name)


def is_money_of_a_floor(name: str) -> bool:
    return name.endswith("minor") and name not in ON_TICKETS


def examples_of(kind: inspect.Type) -> Any:  # noqa: C901, PLR0911 - one line for each kind of type
    """The least that can be read as this type."""
    match kind:
        case inspect.IntType(ge=least):
            return least or 0
        case inspect.BoolType():
            return False
        case inspect.StrType():
            return "A"
        case inspect.DateTimeType():
            return "2026-06-01T12:00:00Z"
        case inspect.DateType():
            return "2026-06-01"
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.UnionType(types=types):
            return None if any(isinstance(each, inspect.NoneType) for each in types) else examples_of(types[0])
        case inspect.VarTupleType(item_type=item, min_length=least):
            return [examples_of(item)] * (least or 0)
        case inspect.DictType():
            return {}
        case inspect.StructType(fields=fields, tag_field=tag_field, tag=tag):
            found = {each.encode_name: examples_of(each.type) for each in fields if each.required}
            return found if tag_field is None else {tag_field: tag, **found}
        case _:
            raise NotImplementedError(kind)


def numbers_in(name: str, kind: inspect.Type) -> Iterator[str]:
    """The names of all integers of a field, however deep."""
    match kind:
        case inspect.IntType() | inspect.FloatType():
            yield name
        case inspect.UnionType(types=types):
            for each in types:
                yield from numbers_in(name, each)
        case inspect.VarTupleType(item_type=item):
            yield from numbers_in(name, item)
        case inspect.DictType(value_type=value):
            yield from numbers_in(name, value)
        case inspect.StructType(fields=fields):
            for each in fields:
                yield from numbers_in(each.encode_name, each.type)
        case _:
            pass


def money_of(event: type[Event], is_money: Callable[[str], bool]) -> set[str]:
    """The fields of an event that hold money."""
    kind = inspect.type_info(event)
    assert isinstance(kind, inspect.StructType)
    return {each.encode_name for each in kind.fields if any(map(is_money, numbers_in(each.encode_name, each.type)))}


def shown_to(viewer: Actor, entity: Any, event: type[Event]) -> set[str]:
    """The fields of such an event that a viewer sees."""
    fields = {each.encode_name for each in msgspec.structs.fields(event)}
    example = msgspec.convert(examples_of(inspect.type_info(event)), type=event)
    audience: Audience = entity.audience(example, entity.initial) or Audience()
    whole, *single = sight(audience, viewer.tags)
    hidden = {field for field, seen in zip(audience.fields, single, strict=True) if not seen}
    return fields - hidden if whole else set()


def numbers_shown(shown: Any, name: str = "") -> Iterator[str]:
    """The names of all integers in what a viewer sees as JSON."""
    match shown:
        case dict():
            for key, value in cast("dict[str, Any]", shown).items():
                yield from numbers_shown(value, key)
        case list():
            for each in cast("list[Any]", shown):
                yield from numbers_shown(each, name)
        case int() if not isinstance(shown, bool):
            yield name
        case _:
            pass


@pytest.mark.parametrize("tag", PosSession.event_types)
def test_a_screen_sees_no_money_in_the_events_of_a_till(tag: str) -> None:
    event = PosSession.event_types[tag]
    assert tag in MENU or not money_of(event, is_money_of_a_till) & shown_to(DISPLAY, PosSession(), event)


def test_a_screen_sees_no_money_in_the_view_of_a_till_but_what_items_cost() -> None:
    scene = paid(with_tab("beer", "cake").when(ApplyDiscount(tab_id="t1", discount_id="ten"), by=WAITER))
    shown = {part: value for part, value in scene.view(DISPLAY).items() if part not in {"items", "available_milli"}}
    assert shown["tabs"]["t1"]["lines"]
    assert not list(filter(is_money_of_a_till, numbers_shown(shown)))


@pytest.mark.parametrize("tag", RestaurantFloor.event_types)
def test_the_kitchen_sees_no_bills_in_the_events_of_a_floor(tag: str) -> None:
    event = RestaurantFloor.event_types[tag]
    assert not money_of(event, is_money_of_a_floor) & shown_to(COOK, RestaurantFloor(), event)


def test_the_kitchen_sees_no_bills_in_the_view_of_a_floor() -> None:
    scene = seated()
    run(scene, till(scene, balance_minor=700, paid_minor=500), by=TILL)
    assert scene.view(HOST)["parties"][0]["balance_minor"] == 700
    assert not list(filter(is_money_of_a_floor, numbers_shown(scene.view(COOK))))
