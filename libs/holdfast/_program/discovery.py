"""Find the parts of the program by name, so that the runtime depends on none of them."""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from holdfast._program.errors import CannotStart
from holdfast._service import Service


def service_names() -> Sequence[str]:
    """The names of all services that can be served, in alphabetical order."""
    services = importlib.import_module("services")
    names = (module.name for module in pkgutil.iter_modules(services.__path__) if module.ispkg)
    return sorted(name for name in names if importlib.util.find_spec(f"services.{name}.service"))


def load_service(name: str) -> Service:
    """Import a service by its name, such as `auction`, or from `module:attribute`."""
    module, _, attribute = name.partition(":")
    if not attribute:
        if name not in service_names():
            raise CannotStart(f"there is no service {name!r}; there are: {', '.join(service_names()) or 'none'}")
        module, attribute = f"services.{name}.service", "service"
    elif str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    service = load(module, attribute)
    if not isinstance(service, Service):
        raise CannotStart(f"{module}:{attribute} is not a Service")
    return service


def load_demo(name: str) -> Callable[[Sequence[str]], int]:
    """Import the program of a demo by the name that its module gives it; a service may hold one, in `demo.py`."""
    modules = [f"services.{service}.demo" for service in service_names()]
    demos = {load(module, "DEMO"): module for module in modules if importlib.util.find_spec(module)}
    if name not in demos:
        raise CannotStart(f"there is no demo {name!r}; there are: {', '.join(sorted(demos)) or 'none'}")
    return load(demos[name], "main")


def load(module: str, attribute: str) -> Any:
    """Import a named part of the program, such as the gateway's server."""
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        # A module that lacks one of its own imports is broken, not missing.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise CannotStart(f"there is no module {error.name!r} in this installation") from None
    except AttributeError:
        raise CannotStart(f"the module {module} has no {attribute!r}") from None
