"""What a buy has really cost, whatever side it was on and whatever paid for it, and what a sale asks for it."""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.core.test_strategy import RECHECK, SETTINGS, decide, order, position
from trading.core.decisions import PlaceBuy, PlaceSell, Wait
from trading.core.events import TradeSeen
from trading.core.fees import Fees
from trading.core.filters import SymbolFilters
from trading.core.money import quote_of
from trading.core.orders import Fill, Order, OrderStatus, Side
from trading.core.position import Position
from trading.core.steps import profit_price, sale_price

FILTERS = SymbolFilters("ETHUSDT", "ETH", "USDT", tick=D("0.01"), step=D("0.0001"), min_notional=D(5))
ZERO_MAKER = Fees(D(0), D("0.001"), D(0), D("0.001"))
TAXED = Fees.flat(D("0.0021"))


def fill(
    commission: str, asset: str = "ETH", worth: str | None = None, *, is_maker: bool = True, price: str = "3000"
) -> Fill:
    """One unit."""
    value = None if worth is None else D(worth)
    return Fill(1, D(price), D(1), D(price), D(commission), asset, is_maker, 0, value)


def bought(*fills: Fill, status: OrderStatus = OrderStatus.FILLED) -> Order:
    numbered = tuple(replace(each, trade_id=number) for number, each in enumerate(fills))
    total = D(len(fills))
    return Order("b", Side.BUY, fills[0].price, total, status, total, numbered)


SOLD_A_HALF = Order(
    "s", Side.SELL, D(3010), D(1), OrderStatus.CANCELED, D("0.5"),
    (Fill(9, D(3010), D("0.5"), D(1505), D("1.505"), "USDT", True, 0),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("orders", "fees", "cost"),
    [
        ((), Fees(), None),
        ((order(Side.BUY, OrderStatus.NEW),), Fees(), None),
        # Out of what was bought: there is less for the same money, as a maker or as a taker.
        ((bought(fill("0")),), ZERO_MAKER, "3000"),
        ((bought(fill("0.001", is_maker=False)),), ZERO_MAKER, "3003.003003"),
        ((bought(fill("0"), fill("0.001", is_maker=False)),), ZERO_MAKER, "3001.500750"),
        ((bought(fill("0.0021")),), TAXED, "3006.313258"),
        # In quote.
        ((bought(fill("3", "USDT")),), Fees(), "3003"),
        # In a third asset, at its value; where nobody knows that, by our rate.
        ((bought(fill("0.0025", "BNB", "2.25")),), Fees(), "3002.25"),
        ((bought(fill("0.0025", "BNB")),), Fees(), "3003"),
        ((bought(fill("0.0025", "BNB", is_maker=False)),), ZERO_MAKER, "3003"),
        ((bought(fill("0.0025", "BNB")),), TAXED, "3006.3"),
        # In three assets at once, as where BNB has run out on the way.
        ((bought(fill("0.0025", "BNB", "2.25"), fill("0.001"), fill("3", "USDT")),), Fees(), "3002.750917"),
        # What of it is sold changes nothing in what a unit has cost.
        ((bought(fill("0.001")), SOLD_A_HALF), Fees(), "3003.003003"),
        # Two buys, of which the first was cancelled half-way.
        (
            (bought(fill("0.001"), status=OrderStatus.CANCELED), bought(fill("0.001", price="2900"))),
            Fees(),
            "2952.952953",
        ),
    ],
)
def test_a_unit_costs_what_was_paid_over_what_is_owned(
    orders: tuple[Order, ...], fees: Fees, cost: str | None
) -> None:
    found = Position(orders).unit_cost("ETH", "USDT", fees)
    assert (found if found is None else round(found, 6)) == (None if cost is None else D(cost))


def test_a_base_asset_that_pays_its_own_commissions_makes_what_is_left_dearer() -> None:
    """BNB is bought and sold, and pays for both."""
    sold = replace(
        SOLD_A_HALF, fills=(replace(SOLD_A_HALF.fills[0], commission=D("0.0004"), commission_asset="BNB"),)
    )
    position = Position((bought(fill("0.00075", "BNB")), sold))
    cost = position.unit_cost("BNB", "USDT")
    assert cost is not None
    assert round(cost, 8) == round(D(3000) / (1 - D("0.00075") - D("0.0004")), 8)


@pytest.mark.parametrize(
    ("fills", "fees", "price"),
    [
        # Zero-maker pairs: a buy that rested is sold 0.05 % higher, one that took pays 0.1 % first.
        ([fill("0")], ZERO_MAKER, "3001.50"),
        ([fill("0.001", is_maker=False)], ZERO_MAKER, "3004.50"),
        # A tax on both sides.
        ([fill("0.0021")], TAXED, "3014.13"),
        # Sellers pay more than buyers.
        ([fill("0.001")], Fees(D("0.001"), D("0.001"), D("0.0025"), D("0.0025")), "3012.01"),
    ],
)
def test_a_sale_is_priced_from_what_the_buy_cost_and_by_the_rate_of_a_resting_sale(
    fills: list[Fill], fees: Fees, price: str
) -> None:
    filters = replace(FILTERS, fees=fees)
    settings = replace(SETTINGS, profit_interval=D("0.0005"))
    decision = decide(position(bought(*fills)), RECHECK, filters, settings)
    assert isinstance(decision, PlaceSell)
    assert decision.price == D(price)


def test_a_sale_that_is_meant_to_take_counts_the_takers_commission() -> None:
    filters, stands = replace(FILTERS, fees=ZERO_MAKER), Position((bought(fill("0")),))
    assert sale_price(stands, D("0.0005"), filters) == D("3001.50")
    assert sale_price(stands, D("0.0005"), filters, takes=True) == D("3004.50")


def test_filters_still_tell_a_makers_fee_to_strategies_that_ask_for_it() -> None:
    assert replace(FILTERS, fees=Fees(D(1), D(2), D("0.0015"), D(3))).maker_fee == D("0.0015")


def test_before_the_buy_the_dearer_of_both_its_rates_is_estimated() -> None:
    assert profit_price(D(3000), D("0.0005"), replace(FILTERS, fees=ZERO_MAKER)) == D("3004.50")


def test_nothing_is_bought_that_could_be_sold_only_if_it_rests() -> None:
    """0.0017 at 3000 are worth 5.1: enough to be sold without a commission, and too little with a taker's."""
    filters = replace(FILTERS, min_quantity=D("0.0017"))
    trade = TradeSeen("ETHUSDT", 1, D("3007.6"), 0)
    rests = decide(position(budget="5.12"), trade, replace(filters, fees=Fees.flat(D(0))), SETTINGS)
    assert isinstance(rests, PlaceBuy)
    may_take = decide(position(budget="5.12"), trade, replace(filters, fees=ZERO_MAKER), SETTINGS)
    assert isinstance(may_take, Wait)
    assert "could not be sold" in may_take.reason


rates = st.decimals("0", "0.01", places=5)
worths = st.none() | st.decimals("0", "9", places=4)


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["ETH", "USDT", "BNB"]), worths), min_size=1, max_size=4),
    st.builds(Fees, rates, rates, rates, rates),
    st.decimals("0.0001", "0.05", places=4),
    st.sampled_from([D("0.00000001"), D("0.01"), D(10)]),
)
def test_what_is_sold_at_its_price_returns_all_that_it_cost(
    bought_as: list[tuple[bool, str, D | None]], fees: Fees, profit: D, tick: D
) -> None:
    fills = []
    for is_maker, asset, worth in bought_as:
        rate = fees.buy_maker if is_maker else fees.buy_taker
        paid = {"ETH": rate, "USDT": quote_of(D(3000), rate), "BNB": D("0.001")}[asset]
        fills.append(fill(str(paid), asset, None if worth is None else str(worth), is_maker=is_maker))
    stands, filters = Position((bought(*fills),)), replace(FILTERS, tick=tick, fees=fees)
    price = sale_price(stands, profit, filters)
    owned = stands.owned("ETH")
    commission = quote_of(price * owned, fees.sell_maker)
    brought = Fill(9, price, owned, quote_of(price, owned), commission, "USDT", True, 0)
    sold = Order("s", Side.SELL, price, owned, OrderStatus.FILLED, owned, (brought,))
    # Cut to eight decimals twice: what the sale brings, and the profit.
    assert Position((*stands.orders, sold)).profit("ETH", "USDT") >= -2 * D("0.00000001")
    assert price % tick == 0
