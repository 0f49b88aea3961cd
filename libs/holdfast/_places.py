"""Places for what is under way, of which nobody may take all."""

from collections import Counter
from collections.abc import Hashable
from typing import Final

SHARE: Final = 4
"""One key, a tenant or a user, takes at most this part of the places."""


class Places:
    """So many places in all, and for each key at most a quarter of them."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._of_one = max(1, total // SHARE)
        self._taken: Counter[Hashable] = Counter()
        self._all_taken = 0

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._all_taken

    def has_room(self, key: Hashable) -> bool:
        """Whether there is a place for this key."""
        return self._all_taken < self._total and self._taken[key] < self._of_one

    def take(self, key: Hashable) -> bool:
        """Take a place, to be given back; False when there is none for this key."""
        if not self.has_room(key):
            return False
        self._taken[key] += 1
        self._all_taken += 1
        return True

    def give_back(self, key: Hashable) -> None:
        """Let another one have the place."""
        self._all_taken -= 1
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]
