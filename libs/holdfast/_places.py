"""Places for what is under way, of which nobody may take all."""

from collections import Counter
from collections.abc import Hashable
from typing import Final

SHARE: Final = 4
"""One tenant takes at most this part of the places."""


class Places:
    """So many places in all, and for each key at most a quarter of them."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._of_one = max(1, total // SHARE)
        self._taken: Counter[Hashable] = Counter()

    def take(self, key: Hashable) -> bool:
        """Take a place, to be given back; False when there is none for this key."""
        if self._taken.total() >= self._total or self._taken[key] >= self._of_one:
            return False
        self._taken[key] += 1
        return True

    def give_back(self, key: Hashable) -> None:
        """Let another one have the place."""
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]
