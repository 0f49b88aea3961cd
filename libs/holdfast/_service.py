"""What a service hands to the program."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast._entity import AnyEntity

if TYPE_CHECKING:  # domains and gateways import this, and have no use for SQLAlchemy
    from holdfast._projection import AnyProjection
    from holdfast.worker import AnyReactor, AnyWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A deployable set of entity kinds with one schema in SQL; `name` is that of its folder."""

    name: str
    entities: tuple[AnyEntity, ...]
    projections: "tuple[AnyProjection, ...]" = ()
    """Its read models, one class each in `readmodel.py`."""
    reactors: "tuple[AnyReactor, ...]" = ()
    """What its events cause elsewhere, declared in `effects.py`."""
    workers: "tuple[AnyWorker, ...]" = ()
    """Who does the jobs of its reactors."""
    package: str | None = None
    """The package whose `migrations` make this service's own tables, if it has any."""
