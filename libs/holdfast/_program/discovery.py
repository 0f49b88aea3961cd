"""Find the parts of the program by name, so that the runtime depends on none of them."""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast._program.errors import CannotStart


def service_names() -> Sequence[str]:
    """The names of all services that can be served, in alphabetical order."""
    services = importlib.import_module("services")
    names = (module.name for module in pkgutil.iter_modules(services.__path__) if module.ispkg)
    return sorted(name for name in names if importlib.util.find_spec(f"services.{name}.service"))


def service_package(name: str) -> str:
    """The package of a service, `services.auction`; `CannotStart` names those that there are."""
    if name not in service_names():
        raise CannotStart(f"there is no service {name!r}; there are: {', '.join(service_names()) or 'none'}")
    return f"services.{name}"


def load_service(name: str) -> Any:
    """Import the service `auction`, or the one at `module:attribute`."""
    module_name, _, attribute = name.partition(":")
    if attribute:
        sys.path.insert(0, str(Path.cwd()))
    else:
        module_name, attribute = f"{service_package(name)}.service", "service"
    module = _import(module_name, missing=f"there is no module {module_name!r} for the service {name!r}")
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise CannotStart(f"the module {module_name} has no {attribute!r}") from None


def load(module: str, attribute: str) -> Any:
    """Import a named part of the program, such as the gateway's server."""
    return getattr(_import(module, missing=f"this installation has no {module}"), attribute)


def _import(module: str, *, missing: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A module that lacks one of its own imports is broken, not missing.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise CannotStart(missing) from None
