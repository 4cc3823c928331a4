"""Columns of trades: cut, joined and merged by id."""

import numpy as np
import pytest

from history.columns import Trades, Unequal, are_equal, between_ids, empty, joined, merged
from history.holes import Hole
from history.verify import holes
from tests.support.trades import trades


def test_trades_are_cut_by_their_ids() -> None:
    assert list(between_ids(trades(1, 2, 3, 5, 6), 2, 5).id) == [2, 3, 5]
    assert list(between_ids(trades(1, 2), 7, 9).id) == []


def test_what_is_there_twice_and_equal_is_merged_whatever_its_order() -> None:
    whole = trades(1, 2, 3, 4, 5)
    for parts in ([[1, 2, 3], [3, 4, 5]], [[4, 5], [1, 2, 3, 4]], [[5, 1, 3, 2, 4]], [[1, 1, 1, 2, 3], [3, 4, 5, 5]]):
        assert are_equal(merged([trades(*each) for each in parts]), whole)


def test_what_is_there_twice_and_differs_is_refused() -> None:
    other = trades(3, 4)
    other.price[0] += 1
    with pytest.raises(Unequal, match=r"^id 3 is there twice with different values$"):
        merged([trades(1, 2, 3), other])


def test_nothing_joins_with_anything() -> None:
    assert are_equal(merged([empty(Trades), trades(1, 2)]), trades(1, 2))
    assert len(merged([empty(Trades), empty(Trades)])) == 0
    assert empty(Trades).maker.dtype == np.bool_


def test_holes_are_told_by_ids() -> None:
    assert holes(joined([trades(1, 2, 5), trades(9)]).id) == [Hole(3, 4), Hole(6, 8)]
