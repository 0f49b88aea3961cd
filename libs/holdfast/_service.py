"""What a service hands to the program."""

from dataclasses import dataclass

from holdfast._entity import AnyEntity


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A deployable set of entity kinds with one schema in SQL; `name` is that of its folder."""

    name: str
    entities: tuple[AnyEntity, ...]
    package: str | None = None
    """The package whose `migrations` make this service's own tables, if it has any."""
