import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest

import services
from gateway import frames
from gateway.asyncapi import asyncapi_document
from gateway.contracts import ContractInvalid, discover
from gateway.openapi import openapi_document
from gateway.tests.pad import contract
from gateway.tests.world import World
from holdfast import Contract
from holdfast.testing import ledger_2


def references(document: Any) -> set[str]:
    """Every `$ref` in the document, wherever it stands."""
    return set(re.findall(r'"\$ref":"([^"]+)"', msgspec.json.encode(document).decode()))


def resolves(document: Any, reference: str) -> bool:
    at = document
    for part in reference.removeprefix("#/").split("/"):
        if part not in at:
            return False
        at = at[part]
    return True


async def test_openapi_has_one_operation_for_each_command_with_its_schema_and_codes(world: World) -> None:
    document = (await world.http.get("/schema")).json()
    assert document["openapi"].startswith("3.1")
    operation = document["paths"]["/v1/pad/{id}/write-note"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    assert set(document["components"]["schemas"][body]["properties"]) == {"text", "secret", "times"}
    assert "PAD_FULL" in operation["responses"]["409"]["description"]
    assert "VERSION_CONFLICT" in operation["responses"]["412"]["description"]
    assert operation["summary"] == "Write a note, with a secret that only keepers see."
    assert "keeper" in document["paths"]["/v1/pad/{id}/lock"]["post"]["description"]
    assert "pad.written" in document["components"]["schemas"]


def test_an_event_that_is_written_no_more_is_described_as_deprecated() -> None:
    ledger = Contract.of(ledger_2.LedgerRules, view=ledger_2.Ledger)
    schemas = openapi_document({"ledger": ledger})["components"]["schemas"]
    assert schemas["ledger.noted"]["deprecated"] is True
    assert "deprecated" not in schemas["ledger.remarked"]


async def test_asyncapi_describes_every_operation_and_subject(world: World) -> None:
    document = (await world.http.get("/asyncapi.json")).json()
    assert document["asyncapi"].startswith("3.")
    messages = document["channels"]["socket"]["messages"]
    assert {kind.__name__ for kind in (*get_args(frames.Op), *get_args(frames.Answer))} <= set(messages)
    for kind in ("ask", "cmd", "evt", "live", "now"):
        assert document["channels"][f"{kind}.pad"]["address"] == f"{kind}.pad.{{tenant}}.{{id}}"


@pytest.mark.parametrize("make", [openapi_document, asyncapi_document])
def test_every_reference_of_a_document_resolves(make: Any) -> None:
    for contracts in ({"pad": contract}, {**discover(services), "pad": contract}):
        document = json.loads(json.dumps(make(contracts)))
        assert [reference for reference in references(document) if not resolves(document, reference)] == []


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, **contracts: str) -> ModuleType:
    for service, source in contracts.items():
        (folder / "trades" / service).mkdir(parents=True)
        (folder / "trades" / service / "__init__.py").touch()
        (folder / "trades" / service / "contract.py").write_text(source)
    (folder / "trades" / "bare").mkdir()
    (folder / "trades" / "bare" / "__init__.py").touch()
    module = ModuleType("trades")
    module.__path__ = [str(folder / "trades")]
    monkeypatch.setitem(__import__("sys").modules, "trades", module)
    for service in contracts:
        for name in (f"trades.{service}", f"trades.{service}.contract"):
            monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    return module


def test_a_new_service_is_found_by_its_contract_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from gateway.tests.pad import contract"
    assert discover(package(tmp_path, monkeypatch, seventh=source)) == {"pad": contract}


def test_a_service_of_several_purposes_exports_all_its_contracts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from dataclasses import replace\nfrom gateway.tests.pad import contract\n"
    source += "contracts = (contract, replace(contract, purpose='pads'))"
    assert set(discover(package(tmp_path, monkeypatch, eleventh=source))) == {"pad", "pads"}


def test_a_contract_module_without_a_contract_or_with_a_taken_purpose_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from gateway.tests.pad import contract"
    with pytest.raises(ContractInvalid, match="must export"):
        discover(package(tmp_path / "a", monkeypatch, eighth="contract = 1"))
    with pytest.raises(ContractInvalid, match="purpose"):
        discover(package(tmp_path / "b", monkeypatch, ninth=source, tenth=source))


def test_a_list_is_described_with_its_filters_and_its_items() -> None:
    document: Any = openapi_document(discover(services))
    operation = document["paths"]["/v1/auction"]["get"]
    names = [parameter["name"] for parameter in operation["parameters"]]
    assert names == ["status", "type", "seller", "ends_before", "ends_after", "limit", "cursor", "format"]
    page = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert page["properties"]["items"]["items"] == {"$ref": "#/components/schemas/LotRow"}


def test_named_lists_are_described_with_all_their_filters() -> None:
    operation: Any = openapi_document({"pad": contract})["paths"]["/v1/pad"]["get"]
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
    assert parameters["list"]["schema"]["enum"] == ["types"]
    assert list(parameters) == ["list", "pad", "after", "type", "limit", "cursor", "format"]
    assert "text/csv" in operation["responses"]["200"]["content"]
