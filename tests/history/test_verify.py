"""Whether trades can be right."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from history import verify
from history.columns import MINUTE_US, Candles, Ints
from history.holes import Hole, hole_between
from history.periods import day_of, parse
from history.verify import Difference
from tests.support.archive import candles, recorded

Columns = tuple[Ints, Ints, Ints, Ints]


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def columns(name: str = "ETHUSDT-trades-2019") -> Columns:
    """Ids, prices, quantities and times of recorded trades."""
    rows = recorded(name)
    units = [[int(Decimal(row[place]).scaleb(8)) for row in rows] for place in (1, 2)]
    return ints(*(int(r[0]) for r in rows)), ints(*units[0]), ints(*units[1]), ints(*(int(r[4]) * 1000 for r in rows))


def their_candles(rows: list[tuple[str, ...]]) -> Candles:
    amounts = [[int(Decimal(row[place]).scaleb(8)) for row in rows] for place in range(1, 6)]
    volume = ints(*amounts[4])
    return Candles(
        ints(*(int(row[0]) * 1000 for row in rows)),
        ints(*amounts[0]),
        ints(*amounts[1]),
        ints(*amounts[2]),
        ints(*amounts[3]),
        volume // 10**8,
        volume % 10**8,
        ints(*(int(row[8]) for row in rows)),
    )


def test_missing_ids_are_found_as_ranges() -> None:
    assert verify.holes(ints(1, 2, 5, 6, 8)) == [Hole(3, 4), Hole(7, 7)]
    assert verify.holes(ints(1, 2, 3)) == verify.holes(ints(1)) == verify.holes(ints()) == []
    assert hole_between(10, 14) == [Hole(11, 13)]
    assert hole_between(10, 11) == hole_between(10, 10) == []
    assert Hole(11, 13).size == 3


@given(st.sets(st.integers(0, 60), min_size=2), st.sets(st.integers(0, 60)))
def test_what_is_left_of_holes_is_what_nobody_has(here: set[int], more: set[int]) -> None:
    ids = ints(*sorted(here))
    left = verify.without(verify.holes(ids), ints(*sorted(more)))
    assert left == verify.holes(ints(*sorted(here | {each for each in more if min(here) < each < max(here)})))


def test_order_times_and_amounts_are_looked_at() -> None:
    assert verify.is_rising(ints(1, 2, 9)) and not verify.is_rising(ints(1, 1)) and not verify.is_rising(ints(2, 1))
    day = day_of(date(2024, 1, 15))
    times = ints(day.begins_us - 1, day.begins_us, day.ends_us - 1, day.ends_us)
    assert verify.outside(times, day) == 2
    assert verify.outside(times, parse("2024-01")) == 0
    assert verify.not_positive(ints(1, 0, 1), ints(1, 1, -1)) == 2


@pytest.mark.parametrize("name", ["ETHUSDT-trades-2019", "XRPUSDT-trades-2019", "TRXUSDT-trades-2025-03-04"])
def test_candles_of_trades_are_those_of_the_archive(name: str) -> None:
    ids, price, quantity, time_us = columns(name)
    found = verify.candles_of(price, quantity, time_us)
    theirs = their_candles(candles(recorded(name)))
    assert len(found) == len(theirs) > 3
    assert verify.differences(found, theirs) == []
    # Without one trade of the third minute:
    keep = ids != ids[np.searchsorted(time_us, found.time_us[2])]
    lacking = verify.candles_of(price[keep], quantity[keep], time_us[keep])
    (one,) = verify.differences(lacking, theirs)
    assert one.begins_us == found.time_us[2]
    assert {"volume", "trades"} <= set(one.of)


def test_a_minute_that_only_one_has_is_a_difference_and_one_without_trades_is_none() -> None:
    minute = MINUTE_US
    ours = verify.candles_of(ints(5, 6, 4), ints(1, 1, 1), ints(0, 1, 2 * minute))
    assert list(ours.trades) == [2, 1] and list(ours.high) == [6, 4]
    six, nothing = ints(6), ints(0)
    empty = Candles(ints(minute), six, six, six, six, nothing, nothing, nothing)
    first, second = Difference(0, ("trades",)), Difference(2 * minute, ("trades",))
    assert verify.differences(ours, empty) == [first, second]
    assert verify.differences(verify.candles_of(ints(), ints(), ints()), empty) == []


def test_trades_out_of_the_order_of_time_make_the_same_candles() -> None:
    minute = MINUTE_US
    found = verify.candles_of(ints(1, 9, 2), ints(1, 1, 1), ints(0, minute, 5))
    assert list(found.time_us) == [0, minute]
    assert (list(found.open), list(found.close)) == ([1, 9], [2, 9])


def test_a_volume_may_be_larger_than_64_bits() -> None:
    huge = 9 * 10**18
    found = verify.candles_of(ints(*[1] * 20), ints(*[huge] * 20), ints(*[0] * 20))
    assert (found.volume_whole[0], found.volume_rest[0]) == (20 * 9 * 10**10, 0)
