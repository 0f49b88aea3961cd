"""Who works on a floor."""

from typing import Final

MANAGERS: Final = frozenset({"manager", "admin"})
HOSTS: Final = MANAGERS | {"host"}
WAITERS: Final = HOSTS | {"waiter"}
COOKS: Final = MANAGERS | {"kitchen"}
SERVICE: Final = frozenset({"service"})
"""Other services, such as the till."""
STAFF: Final = WAITERS | COOKS | SERVICE
FRONT: Final = ("role:waiter", "role:host", "role:manager", "role:admin")
"""Who meets guests, as the audience of what is said of them."""
BILLING: Final = (*FRONT, "role:service")
"""Who sees what a bill comes to: the kitchen does not."""
CARING: Final = (*FRONT, "role:kitchen")
"""Who must know what guests must not eat."""
