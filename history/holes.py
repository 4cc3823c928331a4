"""Ids that are missing. Without numpy: pages and rows know of holes too."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Hole:
    """Ids that are missing, the first and the last of them included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


def hole_between(last_before: int, first_after: int) -> list[Hole]:
    """The ids that are missing between two files: one hole or none."""
    return [Hole(last_before + 1, first_after - 1)] if first_after > last_before + 1 else []
