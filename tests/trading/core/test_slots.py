"""Which slots are open, and where a trader is missing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core import slots
from trading.core.slots import Slots

SOME = st.frozensets(st.integers(1, 7))
ANY = st.builds(Slots, st.integers(1, 5), st.booleans(), SOME, SOME, SOME)


@pytest.mark.parametrize(
    ("has", "is_on", "asking", "births", "is_open"),
    [
        (Slots(3), True, 0, (1,), {1}),  # It begins with one,
        (Slots(3, begins_with_one=False), True, 0, (1, 2, 3), {1, 2, 3}),  # or with all where nobody asks for one.
        (Slots(3), False, 0, (), set()),
        (Slots(3, open=frozenset({1}), taken=frozenset({1})), True, 1, (2,), {1, 2}),
        (Slots(2, open=frozenset({1, 2}), taken=frozenset({1, 2})), True, 1, (), {1, 2}),  # All are open: it waits.
        (Slots(3, open=frozenset({1, 3}), taken=frozenset({1})), True, 0, (3,), {1, 3}),
        (Slots(3, open=frozenset({1, 2}), closed=frozenset({2})), True, 0, (1,), {1, 2}),  # Closed by hand.
        (Slots(3, taken=frozenset({2})), True, 0, (), {2}),  # Turned on again: it goes on where its trader lives.
        (Slots(1, open=frozenset({1, 2}), taken=frozenset({2})), True, 0, (1,), {1}),  # It may have fewer by now.
    ],
)
def test_a_beat_opens_and_closes(
    has: Slots, is_on: bool, asking: int, births: tuple[int, ...], is_open: set[int]
) -> None:
    filled = slots.fill(has, is_on, asking)
    assert filled.births == births
    assert filled.slots.open == is_open


@given(ANY, st.booleans(), st.integers(0, 4))
def test_no_slot_has_two_traders_and_nobody_trades_where_nobody_should(has: Slots, is_on: bool, asking: int) -> None:
    filled = slots.fill(has, is_on, asking)
    assert not set(filled.births) & has.taken
    assert not set(filled.births) & has.closed & has.open
    assert all(slots.is_wanted(number, has.max_slots, is_on) for number in filled.slots.open)
    assert filled.heard <= asking
    born = replace(filled.slots, taken=has.taken | set(filled.births))
    assert slots.fill(born, is_on).births == ()  # A second leader finds nothing to do.


def test_the_next_cycle_follows_only_where_the_slot_is_still_wanted() -> None:
    assert slots.goes_on(2, 2, is_on=True, is_open=True, is_here=True)
    assert not slots.goes_on(3, 2, is_on=True, is_open=True, is_here=True)
    for missing in ("is_on", "is_open", "is_here"):
        assert not slots.goes_on(1, 2, **{"is_on": True, "is_open": True, "is_here": True, missing: False})
