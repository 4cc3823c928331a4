"""An order's reports in any order, doubled and cut short: what they come to depends on what was told, not on when."""

from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conftest import BOUNDED
from trading.core.orders import MOVES, OPEN, Fill, Order, OrderReport, OrderStatus, Side, fold

ENDS = (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH)


@dataclass(frozen=True)
class Life:
    """What truly happened to one order at the exchange, and all that was ever said of it."""

    order: Order
    fills: tuple[Fill, ...]
    status: OrderStatus
    reports: tuple[OrderReport, ...]


@st.composite
def lives(draw: st.DrawFn) -> Life:
    parts = draw(st.lists(st.integers(1, 9), min_size=0, max_size=5))
    rest = draw(st.integers(0 if parts else 1, 5))
    quantity = Decimal(sum(parts) + rest)
    fills = tuple(_fill(number, Decimal(part)) for number, part in enumerate(parts, 1))
    order = Order("hh-1-b-1", Side.BUY, Decimal(10), quantity, OrderStatus.SUBMITTING)
    new = OrderReport("hh-1-b-1", 7, "ETHUSDT", Side.BUY, OrderStatus.NEW, Decimal(10), quantity, Decimal(0))
    reports, executed = [new], Decimal(0)
    for fill in fills:
        executed += fill.quantity
        status = OrderStatus.FILLED if executed == quantity else OrderStatus.PARTIALLY_FILLED
        reports.append(replace(new, status=status, executed=executed, fills=(fill,)))
        reports.append(replace(new, status=status, executed=executed))  # as a query shows it, without fills
    last = OrderStatus.FILLED
    if rest:
        last = draw(st.sampled_from(ENDS))
        reports.append(replace(new, status=last, executed=executed))
    # myTrades tells of all fills at once.
    reports.append(replace(new, status=last, executed=executed, fills=fills))
    return Life(order, fills, last, tuple(reports))


def _fill(number: int, quantity: Decimal) -> Fill:
    return Fill(number, Decimal(10), quantity, 10 * quantity, quantity / 1000, "ETH", True, number)


@st.composite
def tellings(draw: st.DrawFn) -> tuple[Life, list[OrderReport]]:
    """A life, and some of its reports, shuffled, some of them more than once."""
    life = draw(lives())
    return life, draw(st.lists(st.sampled_from(life.reports), max_size=2 * len(life.reports)))


@BOUNDED
@given(tellings())
def test_books_only_move_forward_and_never_past_the_truth(telling: tuple[Life, list[OrderReport]]) -> None:
    life, reports = telling
    order = life.order
    for report in reports:
        after = fold(order, report)
        assert after.status == order.status or after.status in _reach(order.status)
        assert order.executed <= after.executed <= life.order.quantity
        assert after.booked <= after.executed
        assert set(order.fills) <= set(after.fills) <= set(life.fills)
        assert fold(after, report) == after, "telling it again changes nothing"
        order = after


@BOUNDED
@given(tellings())
def test_an_order_that_counts_as_whole_is_known_to_the_last_fill(telling: tuple[Life, list[OrderReport]]) -> None:
    life, reports = telling
    order = life.order
    for report in reports:
        order = fold(order, report)
    if order.is_whole:
        assert (order.status, order.fills) == (life.status, life.fills)


@BOUNDED
@given(st.data())
def test_whatever_the_order_of_reports_the_end_is_the_same(data: st.DataObject) -> None:
    life = data.draw(lives())
    again = data.draw(st.lists(st.sampled_from(life.reports), max_size=4))
    order = life.order
    for report in data.draw(st.permutations([*life.reports, *again])):
        order = fold(order, report)
    assert (order.status, order.fills, order.executed) == (
        life.status,
        life.fills,
        sum(f.quantity for f in life.fills),
    )
    assert order.is_whole


@BOUNDED
@given(tellings(), st.sampled_from(sorted(OrderStatus)), st.integers(0, 50))
def test_even_a_report_that_lies_can_not_open_an_ended_order(
    telling: tuple[Life, list[OrderReport]], lie: OrderStatus, executed: int
) -> None:
    life, reports = telling
    order = life.order
    for report in reports:
        order = fold(order, report)
    after = fold(order, replace(life.reports[0], status=lie, executed=Decimal(executed)))
    if order.status not in OPEN:
        assert after.status in (order.status, OrderStatus.FILLED)
    assert after.executed >= order.executed


def _reach(start: OrderStatus) -> set[OrderStatus]:
    reach: set[OrderStatus] = set()
    todo = [start]
    while todo:
        for status in MOVES[todo.pop()] - reach:
            reach.add(status)
            todo.append(status)
    return reach
