import re

import msgspec
import pytest

from holdfast import Command
from holdfast.money import CURRENCIES, minor_digits
from services.auction.contract import contract
from services.auction.tests.scenes import ANN, listed


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_message_is_tagged_with_its_name_in_snake_case() -> None:
    for tag, message in (*contract.commands.items(), *contract.events.items()):
        assert tag == snake_case(message.__name__)


def test_the_codes_of_the_specification_are_declared() -> None:
    assert {
        *("NOT_OPEN", "AUCTION_ENDED", "BID_TOO_LOW", "NOT_HIGHER_THAN_OWN_MAX", "SHILL_BID", "NOT_ELIGIBLE"),
        *("CREDIT_LIMIT", "CURRENCY_MISMATCH", "AMOUNT_INVALID", "BUY_NOW_GONE", "RETRACTION_WINDOW", "REASON_INVALID"),
        *("HAS_BIDS", "TOO_LATE"),
    } <= set(contract.codes)


@pytest.mark.parametrize("command", contract.commands.values(), ids=lambda command: command.tag)
def test_every_command_names_the_roles_that_may_send_it(command: type[Command]) -> None:
    assert command.roles


def test_all_messages_and_the_view_have_a_json_schema() -> None:
    kinds = [*contract.commands.values(), *contract.events.values(), contract.view]
    schemas, _ = msgspec.json.schema_components(kinds)
    assert len(schemas) == len(kinds)


def test_the_view_reads_back_as_its_declared_type() -> None:
    encoded = msgspec.json.encode(listed().view(ANN))
    assert msgspec.json.decode(encoded, type=contract.view).status == "open"


def test_an_extension_is_told_as_from_and_to() -> None:
    assert set(msgspec.json.schema(contract.events["end_extended"])["$defs"]["EndExtended"]["properties"]) == {
        "from",
        "to",
    }


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("USD", 2), ("AFN", 2), ("MGA", 2), ("HUF", 2), ("JPY", 0), ("UGX", 0), ("KWD", 3), ("CLF", 4)],
)
def test_minor_units_are_those_of_iso_4217(currency: str, digits: int) -> None:
    assert currency in CURRENCIES
    assert minor_digits(currency) == digits


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        ("create_lot", '{"currency":"USD","start_minor":100,"ends_at":"2026-01-04T12:00:00"}'),
        ("create_lot", '{"currency":"USD","start_minor":"100","ends_at":"2026-01-04T12:00:00Z"}'),
        ("place_bid", '{"max_minor":100,"bid_id":"a b"}'),
        ("place_bid", '{"max_minor":true}'),
        ("place_bid", '{"max_minor":100,"surprise":1}'),
        ("commit_bid", '{"commitment":"short"}'),
        ("reveal_bid", '{"max_minor":100,"nonce":"short"}'),
        ("resume_lot", '{"credit_s":-1}'),
    ],
)
def test_data_of_another_form_is_not_read(tag: str, data: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=contract.commands[tag])
