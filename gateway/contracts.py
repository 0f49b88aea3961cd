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
    """Collect `contract`, or all `contracts` of a service with several purposes, from every `<package>.<service>.contract`."""
    found: dict[str, Contract] = {}
    for service in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not service.ispkg or importlib.util.find_spec(f"{service.name}.contract") is None:
            continue
        module = importlib.import_module(f"{service.name}.contract")
        exported = getattr(module, "contracts", None) or (getattr(module, "contract", None),)
        for contract in exported:
            if not isinstance(contract, Contract):
                raise ContractInvalid(f"{service.name}.contract must export `contract: holdfast.Contract`")
            if contract.purpose in found:
                raise ContractInvalid(f"{service.name}.contract: there is the purpose {contract.purpose!r} already")
            found[contract.purpose] = contract
    return found
