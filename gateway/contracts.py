"""The services that this gateway knows: their contracts are found, never listed."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from types import ModuleType

from holdfast import Contract


class ContractInvalid(TypeError):
    """A service's contract module does not export what the gateway needs."""


def discover(package: ModuleType) -> Mapping[str, Contract]:
    """Collect `contract` from every `<package>.<service>.contract` module, by purpose."""
    found: dict[str, Contract] = {}
    for service in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not service.ispkg or importlib.util.find_spec(f"{service.name}.contract") is None:
            continue
        contract = getattr(importlib.import_module(f"{service.name}.contract"), "contract", None)
        if not isinstance(contract, Contract):
            raise ContractInvalid(f"{service.name}.contract must export `contract: holdfast.Contract`")
        if contract.purpose in found:
            raise ContractInvalid(f"{service.name}.contract: another service has the purpose {contract.purpose!r}")
        found[contract.purpose] = contract
    return found
