"""The till's messages and codes, as others rely on them."""

import re
from pathlib import Path

import msgspec
import pytest

from holdfast import Command
from services.pos import domain_errors
from services.pos.contract import contract

TESTS = "\n".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py")))
SPECIFIED = [
    "TAB_EXISTS",
    "DAY_CLOSED",
    "TAB_NOT_OPEN",
    "UNKNOWN_SKU",
    "QTY_INVALID",
    "PRICE_OVERRIDE_FORBIDDEN",
    "LINE_EXISTS",
    "INSUFFICIENT_STOCK",
    "LINE_SENT",
    "REASON_REQUIRED",
    "REASON_UNKNOWN",
    "APPROVAL_REQUIRED",
    "LINE_PAID",
    "DISCOUNT_INACTIVE",
    "NOT_COMBINABLE",
    "HOLD_NOT_FOUND",
    "HOLD_EXPIRED",
    "EXTENSION_LIMIT",
    "NOTHING_TO_SEND",
    "PAYMENT_IN_PROGRESS",
    "AMOUNT_EXCEEDS_DUE",
    "DRAWER_NOT_OPEN",
    "PAYMENT_UNKNOWN",
    "PAYMENT_ALREADY_FINAL",
    "BALANCE_DUE",
    "TAB_PAID",
    "SPLIT_INVALID",
    "REFUND_EXCEEDS_PAID",
    "DRAWER_STATE",
    "TERMINAL_SEQ_GAP",
    "TERMINAL_REVOKED",
    "AMOUNT_INVALID",
    "CURRENCY_MISMATCH",
]


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_message_is_tagged_with_its_name_in_snake_case() -> None:
    for tag, message in (*contract.commands.items(), *contract.events.items()):
        assert tag == snake_case(message.__name__)


@pytest.mark.parametrize("code", SPECIFIED)
def test_the_codes_of_the_specification_are_declared(code: str) -> None:
    assert code in contract.codes


@pytest.mark.parametrize("error", [each for each in vars(domain_errors).values() if hasattr(each, "code")])
def test_every_code_is_raised_in_a_test(error: type[domain_errors.Rejected]) -> None:
    names = {error.__name__, *re.findall(rf"\b{error.__name__} as (\w+)", TESTS)}
    assert any(re.search(rf"then_rejected\(\s*{name}\b", TESTS) for name in names) or error.code == "RULE_VIOLATION"


@pytest.mark.parametrize("command", contract.commands.values(), ids=lambda command: command.tag)
def test_every_command_names_the_roles_that_may_send_it(command: type[Command]) -> None:
    assert command.roles


def test_all_messages_and_the_view_have_a_json_schema() -> None:
    kinds = [*contract.commands.values(), *contract.events.values(), contract.view]
    schemas, _ = msgspec.json.schema_components(kinds)
    assert len(schemas) >= len(kinds)


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        ("open_tab", '{"tab_id":"a b"}'),
        ("open_tab", '{"tab_id":"t1","surprise":1}'),
        ("open_tab", '{"tab_id":"t1","guest_count":0}'),
        ("add_line", '{"tab_id":"t1","line_id":"l1","sku":"beer","qty_milli":1.5}'),
        ("place_hold", '{"tab_id":"t1","hold_id":"h","sku":"cake","ttl_s":59}'),
        ("place_hold", '{"tab_id":"t1","hold_id":"h","sku":"cake","ttl_s":3601}'),
        ("begin_payment", '{"tab_id":"t1","payment_id":"p","amount_minor":"5","tender":"card"}'),
        ("submit_offline", '{"terminal_id":"t","terminal_seq":0,"facts":[]}'),
        ("configure", '{"settings":{"currency":"USD","hold_ttl_s":59},"expected_version":0}'),
    ],
)
def test_data_of_another_form_is_not_read(tag: str, data: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=contract.commands[tag])
