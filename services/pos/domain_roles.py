"""Who may do what at a till."""

from typing import Final

WAITER: Final = "waiter"
CASHIER: Final = "cashier"
MANAGER: Final = "manager"
ADMIN: Final = "admin"
SERVICE: Final = "service"
"""Other services: the floor, and what carries out payments."""
DISPLAY: Final = "display"
"""Screens in kitchen and dining room: they see what is ordered, and no money."""

ADMINS: Final = frozenset({ADMIN})
MANAGERS: Final = frozenset({MANAGER, ADMIN})
CASHIERS: Final = frozenset({CASHIER, *MANAGERS})
STAFF: Final = frozenset({WAITER, *CASHIERS})
TERMINALS: Final = frozenset({DISPLAY, *STAFF})
SETTLERS: Final = frozenset({SERVICE, *STAFF})
SERVICES: Final = frozenset({SERVICE})
READERS: Final = frozenset({SERVICE, *TERMINALS})
