"""How a trader's triggers moved, for the chart of its cycle."""

from decimal import Decimal as D

from trading.core.decisions import ANY_PRICE
from trading.core.moves import KEPT, Move, Stretch, moved, stretches


def test_what_has_not_moved_is_not_told_again() -> None:
    moves = moved((), 10, D("2990.10"), None)
    assert moves == [[10, "2990.1", None]]
    assert moved(moves, 20, D("2990.1"), None) == moves
    assert moved(moves, 20, D("2990.1"), D(3010)) == [[10, "2990.1", None], [20, "2990.1", "3010"]]


def test_any_price_is_no_trigger_to_draw() -> None:
    assert moved((), 10, ANY_PRICE, None) == [[10, None, None]]


def test_sides_are_apart_and_end_where_they_were_gone() -> None:
    moves: list[Move] = []
    armed = ((None, None), (D(90), D(110)), (D(95), D(110)), (None, D(111)), (D(97), None))
    for at, (below_now, above_now) in enumerate(armed, 1):
        moves = moved(moves, at, below_now, above_now)
    below, above = stretches(moves)
    assert below == [Stretch([(2, D(90)), (3, D(95))], until=4), Stretch([(5, D(97))])]
    assert above == [Stretch([(2, D(110)), (4, D(111))], until=5)]


def test_thousands_of_moves_keep_the_first_and_the_newest() -> None:
    moves: list[Move] = []
    for n in range(5_000):
        moves = moved(moves, n, D(n + 1), None)
        assert len(moves) <= KEPT
    assert moves[0] == [0, "1", None]
    assert [at for at, *_ in moves[-KEPT // 2 :]] == list(range(5_000 - KEPT // 2, 5_000))
