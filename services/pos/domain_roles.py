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
CUSTOMER_DISPLAY: Final = "customer_display"
"""The screen that a guest sees at a terminal, by the credential of that device: the tab that is shown there, and nothing else."""
GUEST: Final = "guest"
"""Whoever has scanned the code at a table: the tab of that code, and nothing else."""

ADMINS: Final = frozenset({ADMIN})
MANAGERS: Final = frozenset({MANAGER, ADMIN})
CASHIERS: Final = frozenset({CASHIER, *MANAGERS})
STAFF: Final = frozenset({WAITER, *CASHIERS})
TERMINALS: Final = frozenset({DISPLAY, *STAFF})
SETTLERS: Final = frozenset({SERVICE, *STAFF})
SERVICES: Final = frozenset({SERVICE})
INSIDERS: Final = frozenset({SERVICE, *TERMINALS})
"""Who may see what is ordered."""
READERS: Final = frozenset({CUSTOMER_DISPLAY, *INSIDERS})
"""And guests, while their code counts."""
GUESTS: Final = frozenset({GUEST})
