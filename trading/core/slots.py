"""Which slots of a symbol are open, and in which of them a trader is missing: arithmetic of sets, for one venue.

A symbol that is turned on begins with one slot, where its traders ask for others beside them, any other with all.
A request opens the next, up to max slots. Turning it off closes all, and whoever trades there lives out its cycle.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

NONE: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Slots:
    """A symbol's slots. `open` may have a trader each, but for those of them that a person has `closed`; in those
    that are `taken` one lives, open or not. A slot that is not open is not closed by hand either.
    """

    max_slots: int
    begins_with_one: bool = True
    open: frozenset[int] = NONE
    closed: frozenset[int] = NONE
    taken: frozenset[int] = NONE


@dataclass(frozen=True)
class Filled:
    """What becomes of them. `heard`: of those that asked for a slot, how many got one, the first of them."""

    slots: Slots
    births: tuple[int, ...]  # the slots in which a cycle begins
    heard: int = 0


def begins_with_one(settings: Any) -> bool:
    """Whether a strategy's traders ask for others beside them: where its settings have a rebuy_interval."""
    return getattr(settings, "rebuy_interval", None) is not None


def is_wanted(slot: int, max_slots: int, is_on: bool) -> bool:
    """Whether anybody should trade there at all."""
    return is_on and 1 <= slot <= max_slots


def goes_on(slot: int, max_slots: int, *, is_on: bool, is_open: bool, is_here: bool) -> bool:
    """Whether the next cycle follows in the slot of one that has ended. `is_here`: new traders trade at its venue."""
    return is_wanted(slot, max_slots, is_on) and is_open and is_here


def first(count: int, max_slots: int, begins_with_one: bool) -> tuple[int, ...]:
    """Those that are opened by themselves where so many are open."""
    if not begins_with_one:
        return tuple(range(1, max_slots + 1))
    return (1,) if count == 0 else ()


def next_free(max_slots: int, used: Collection[int]) -> int | None:
    """The one that a request opens, of those neither open nor taken; None where there is none left."""
    return next((number for number in range(1, max_slots + 1) if number not in used), None)


def empty(slots: Slots) -> tuple[int, ...]:
    """The open ones in which nobody lives."""
    return tuple(sorted(slots.open - slots.closed - slots.taken))


def fill(slots: Slots, is_on: bool, asking: int = 0) -> Filled:
    """All of a beat, in its order: closes what nobody wants, opens what is asked for, finds where nobody trades.

    `asking`: so many traders have asked for another one beside them and wait for it.
    """
    wanted = frozenset(number for number in slots.open if is_wanted(number, slots.max_slots, is_on))
    closed, heard = slots.closed & wanted, 0
    while is_on and heard < asking and (number := next_free(slots.max_slots, wanted | slots.taken)) is not None:
        wanted, heard = wanted | {number}, heard + 1
    if is_on:
        # Of a symbol that was turned on again: it goes on where its traders live.
        wanted |= {number for number in slots.taken if is_wanted(number, slots.max_slots, is_on)}
        wanted |= set(first(len(wanted), slots.max_slots, slots.begins_with_one))
    after = Slots(slots.max_slots, slots.begins_with_one, wanted, closed, slots.taken)
    return Filled(after, empty(after), heard)
