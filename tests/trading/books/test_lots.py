"""First in, first out: nothing of a fill is lost or made, whatever was bought and sold."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.books.lots import Fifo, Sale, Traded
from trading.core.orders import Side

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
UNIT = D("0.00000001")


def fill(side: Side, quantity: str, quote: str, number: int = 1, **values: object) -> Traded:
    fields = {
        "at": BEGIN + timedelta(days=number),
        "venue": "mock",
        "symbol": "ETHUSDT",
        "base_asset": "ETH",
        "quote_asset": "USDT",
        "price": D(quote) / D(quantity),
        "commission": D(0),
        "commission_asset": "",
        "commission_quote": D(0),
        "is_maker": True,
        "trade_id": number,
        "exchange_order_id": number,
        "client_order_id": f"hh-{number}",
        "trader": 1,
        "slot": 1,
        **values,
    }
    return Traded(side=side, quantity=D(quantity), quote=D(quote), **fields)  # type: ignore[arg-type]


def told(fills: list[Traded]) -> list[Sale]:
    fifo = Fifo()
    return [sale for each in fills for sale in fifo.take_in(each)]


def test_sale_takes_the_oldest_lot_first_and_the_next_for_the_rest() -> None:
    sales = told(
        [
            fill(Side.BUY, "1", "100", 1, trader=1),
            fill(Side.BUY, "2", "220", 2, trader=2),
            fill(Side.SELL, "1.5", "180", 3, trader=2),
        ]
    )
    rows = [(sale.bought and sale.bought.trade_id, sale.quantity, sale.cost, sale.proceeds) for sale in sales]
    assert rows == [(1, D(1), D(100), D(120)), (2, D("0.5"), D(55), D(60))]
    assert [sale.gain for sale in sales] == [D(20), D(5)]


def test_commission_in_the_bought_asset_makes_the_lot_smaller_not_cheaper() -> None:
    fee = {"commission": D("0.001"), "commission_asset": "ETH", "commission_quote": D("0.1")}
    [sale] = told([fill(Side.BUY, "1", "100", 1, **fee), fill(Side.SELL, "0.999", "101", 2)])
    assert (sale.cost, sale.buy_fee, sale.gain) == (D(100), D(0), D(1))


def test_commissions_in_other_assets_are_fees_of_both_sides() -> None:
    bnb = {"commission": D("0.0002"), "commission_asset": "BNB", "commission_quote": D("0.12")}
    usdt = {"commission": D("0.11"), "commission_asset": "USDT", "commission_quote": D("0.11")}
    [sale] = told([fill(Side.BUY, "1", "100", 1, **bnb), fill(Side.SELL, "1", "110", 2, **usdt)])
    assert (sale.buy_fee, sale.sell_fee, sale.gain) == (D("0.12"), D("0.11"), D("9.77"))


def test_commission_of_unknown_value_is_noted_and_counts_as_nothing() -> None:
    bnb = {"commission": D("0.0002"), "commission_asset": "BNB", "commission_quote": None}
    [sale] = told([fill(Side.BUY, "1", "100", 1, **bnb), fill(Side.SELL, "1", "110", 2)])
    assert sale.gain == D(10)
    assert sale.note == "the commission of buying, in BNB, has no known price"


def test_commission_that_a_sale_takes_of_the_asset_leaves_its_lot_too() -> None:
    fee = {"commission": D("0.1"), "commission_asset": "ETH", "commission_quote": D("10")}
    sold, taken = told([fill(Side.BUY, "1", "100", 1), fill(Side.SELL, "0.9", "110", 2, **fee)])
    assert (sold.quantity, sold.proceeds, sold.cost) == (D("0.9"), D(110), D(90))
    assert (taken.quantity, taken.proceeds, taken.cost, taken.note) == (
        D("0.1"),
        D(0),
        D(10),
        "paid as commission",
    )


def test_commission_in_bnb_takes_the_bnb_that_was_bought_here_at_its_worth() -> None:
    bnb = {"commission": D("0.1"), "commission_asset": "BNB", "commission_quote": D(60)}
    fills = [
        fill(Side.BUY, "0.15", "75", 1, base_asset="BNB", symbol="BNBUSDT"),
        fill(Side.BUY, "1", "3000", 2, **bnb),
        fill(Side.SELL, "1", "3200", 3, **bnb),
    ]
    first, sold, last = told(fills)
    assert (first.asset, first.quantity, first.cost, first.proceeds, first.gain) == (
        "BNB",
        D("0.1"),
        D(50),
        D(60),
        D(10),
    )
    assert (sold.asset, sold.buy_fee, sold.sell_fee, sold.gain) == ("ETH", D(60), D(60), D(80))
    # Of this one half was bought here; the rest somebody has paid in.
    assert (last.asset, last.quantity, last.cost, last.proceeds, last.gain) == (
        "BNB",
        D("0.05"),
        D(25),
        D(30),
        D(5),
    )
    assert last.note == "paid as commission"
    # All that came in, 3200, less all that was spent here, and less the worth of what was paid in.
    assert sum(sale.gain or 0 for sale in (first, sold, last)) == 3200 - 3000 - 75 - 30


def test_commission_in_bnb_that_was_not_bought_here_makes_no_row() -> None:
    bnb = {"commission": D("0.1"), "commission_asset": "BNB", "commission_quote": D(60)}
    fifo = Fifo()
    assert fifo.take_in(fill(Side.BUY, "1", "3000", 1, **bnb)) == []
    assert len(fifo.lots) == 1


def test_what_was_never_bought_here_is_told_without_a_gain() -> None:
    known, unknown = told([fill(Side.BUY, "1", "100", 1), fill(Side.SELL, "3", "330", 2)])
    assert (known.quantity, known.gain) == (D(1), D(10))
    assert (unknown.bought, unknown.quantity, unknown.proceeds, unknown.gain) == (None, D(2), D(220), None)
    assert unknown.note == "no matching purchase"


def test_lots_of_other_venues_and_assets_are_left_alone() -> None:
    fills = [fill(Side.BUY, "1", "90", 1, venue="live"), fill(Side.BUY, "1", "80", 2, base_asset="XRP")]
    [sale] = told([*fills, fill(Side.BUY, "1", "100", 3), fill(Side.SELL, "1", "110", 4)])
    assert sale.cost == D(100)


def test_lot_paid_in_another_asset_has_no_gain() -> None:
    [sale] = told([fill(Side.BUY, "1", "0.03", 1, quote_asset="BTC"), fill(Side.SELL, "1", "110", 2)])
    assert (sale.cost, sale.gain, sale.note) == (D("0.03"), None, "paid in BTC, sold for USDT")


def amounts(maximum: int) -> st.SearchStrategy[D]:
    return st.integers(1, maximum).map(lambda units: D(units) * UNIT)


@st.composite
def histories(draw: st.DrawFn) -> list[Traded]:
    """Any purchases and sales of two assets at two venues, with commissions in any asset, one of the two among them;
    sold may be too much."""
    fills = []
    for number in range(draw(st.integers(1, 25))):
        base = draw(st.sampled_from(["ETH", "BNB"]))
        quantity = draw(amounts(10**12))
        asset = draw(st.sampled_from([base, "USDT", "BNB"]))
        fee = min(draw(amounts(10**6)), quantity)
        worth = draw(st.one_of(st.none(), amounts(10**6))) if asset not in (base, "USDT") else fee
        fills.append(
            replace(
                fill(draw(st.sampled_from(list(Side))), str(quantity), str(draw(amounts(10**13))), number),
                venue=draw(st.sampled_from(["mock", "live"])),
                base_asset=base,
                commission=fee,
                commission_asset=asset,
                commission_quote=worth,
            )
        )
    return fills


@given(histories())
def test_rows_and_the_lots_that_are_left_sum_to_the_fills_to_the_last_unit(fills: list[Traded]) -> None:
    fifo = Fifo()
    sales = [sale for each in fills for sale in fifo.take_in(each)]
    for each in fills:
        if each.side == Side.SELL:
            parts = [sale for sale in sales if sale.sold is each and sale.asset == each.base_asset]
            assert sum(sale.proceeds for sale in parts) == each.quote
            assert sum(sale.sell_fee for sale in parts) == each.fee
            assert sum(sale.quantity for sale in parts) == each.quantity + each.commission_base
            continue
        given_away = [sale for sale in sales if sale.bought is each]
        left = [lot for lots in fifo.lots.values() for lot in lots if lot.bought is each]
        bought = each.quantity - each.commission_base
        assert sum(sale.quantity for sale in given_away) + sum(lot.quantity for lot in left) == bought
        if bought:
            assert sum(sale.cost for sale in given_away) + sum(lot.cost for lot in left) == each.quote
            assert sum(sale.buy_fee for sale in given_away) + sum(lot.fee for lot in left) == each.fee
    assert all(amount >= 0 for sale in sales for amount in (sale.cost, sale.buy_fee, sale.proceeds, sale.sell_fee))
    assert all(sale.quantity > 0 for sale in sales)


@given(histories())
def test_no_lot_is_given_before_an_older_one_of_its_asset(fills: list[Traded]) -> None:
    last: dict[tuple[str, str], int] = defaultdict(int)
    for sale in told(fills):
        key = (sale.sold.venue, sale.asset)
        number = sale.bought.trade_id if sale.bought else last[key]
        assert number >= last[key]
        assert sale.bought is None or number <= sale.sold.trade_id
        last[key] = number


@pytest.mark.parametrize("parts", [3, 7])
def test_cost_that_cannot_be_divided_evenly_goes_to_the_last_part(parts: int) -> None:
    fills = [fill(Side.BUY, str(parts), "100", 1), *(fill(Side.SELL, "1", "20", n + 2) for n in range(parts))]
    costs = [sale.cost for sale in told(fills)]
    assert sum(costs) == D(100)
    assert max(costs) - min(costs) <= parts * UNIT
