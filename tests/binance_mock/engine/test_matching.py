"""The matching engine, rule by rule."""

from decimal import Decimal

import pytest

from binance_mock.engine.amounts import ZERO
from binance_mock.engine.errors import Refused
from binance_mock.engine.matching import FillRule
from binance_mock.engine.orders import (
    Balance,
    Deposit,
    NewOrder,
    OrderStatus,
    OrderType,
    Position,
    Report,
    SelfTrade,
    Side,
)
from tests.binance_mock.support import (
    NOW,
    amounts,
    filled,
    limit,
    market,
    new_engine,
    place,
    plain,
    trade,
)


@pytest.mark.parametrize(
    ("rule", "side", "price", "traded", "fills"),
    [
        ("strict", "BUY", "2990", "2990.01", False),
        ("strict", "BUY", "2990", "2990", False),
        ("strict", "BUY", "2990", "2989.99", True),
        ("touch", "BUY", "2990", "2990.01", False),
        ("touch", "BUY", "2990", "2990", True),
        ("touch", "BUY", "2990", "2989.99", True),
        ("strict", "SELL", "3010", "3009.99", False),
        ("strict", "SELL", "3010", "3010", False),
        ("strict", "SELL", "3010", "3010.01", True),
        ("touch", "SELL", "3010", "3009.99", False),
        ("touch", "SELL", "3010", "3010", True),
        ("touch", "SELL", "3010", "3010.01", True),
    ],
)
def test_a_resting_order_fills_by_the_rule(rule: str, side: str, price: str, traded: str, fills: bool) -> None:
    engine = new_engine(FillRule(rule))
    order = place(engine, limit(side, price, "1"))
    assert order.status is OrderStatus.NEW
    assert filled(trade(engine, traded)) == ([(order.order_id, price, "1")] if fills else [])


@pytest.mark.parametrize(
    ("new", "price", "quantity"),
    [
        (limit("BUY", "3000", "1"), "3000", "1"),
        (limit("BUY", "3100", "1"), "3000", "1"),
        (limit("SELL", "3000", "1"), "3000", "1"),
        (limit("SELL", "2900", "2"), "3000", "2"),
        (limit("BUY", "3000", "1", tif="IOC"), "3000", "1"),
        (limit("BUY", "3000", "1", tif="FOK"), "3000", "1"),
        (market("BUY", "1"), "3000", "1"),
        (market("SELL", "1"), "3000", "1"),
        (market("BUY", quote="100"), "3000", "0.0333"),
        (market("SELL", quote="100"), "3000", "0.0333"),
    ],
)
def test_an_order_that_crosses_fills_at_once_at_the_last_price_as_taker(
    new: NewOrder, price: str, quantity: str
) -> None:
    changes = new_engine().place(new, NOW)
    (fill,) = changes.fills
    assert (plain(fill.price), plain(fill.quantity), fill.is_maker) == (price, quantity, False)
    assert [report.execution for report in changes.reports] == ["NEW", "TRADE"]
    assert changes.reports[-1].order.status is OrderStatus.FILLED
    (shown,) = changes.trades
    assert (shown.trade_id, shown.buyer_is_maker) == (fill.trade_id, new.side is Side.SELL)


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
def test_what_may_not_rest_and_does_not_cross_expires(tif: str) -> None:
    engine = new_engine()
    order = place(engine, limit("BUY", "2999.99", "1", tif=tif))
    assert order.status is OrderStatus.EXPIRED
    assert engine.open_orders() == []
    assert engine.ledger.balances()["USDT"].locked == 0


def test_a_market_order_without_a_market_expires() -> None:
    engine = new_engine(last=None)
    assert place(engine, market("BUY", "1")).status is OrderStatus.EXPIRED


def test_the_best_price_fills_first_then_the_oldest_and_never_more_than_was_traded() -> None:
    engine = new_engine()
    low = place(engine, limit("BUY", "2980", "1"))
    older = place(engine, limit("BUY", "2990", "1"))
    younger = place(engine, limit("BUY", "2990", "1"))
    changes = trade(engine, "2970", "2.5")
    assert filled(changes) == [
        (older.order_id, "2990", "1"),
        (younger.order_id, "2990", "1"),
        (low.order_id, "2980", "0.5"),
    ]
    assert changes.order(low.order_id).status is OrderStatus.PARTIALLY_FILLED
    # The whole volume shows in public trades, none of it twice; nothing was left to trade at 2970.
    assert [(plain(t.price), plain(t.quantity)) for t in changes.trades] == [
        ("2990", "1"),
        ("2990", "1"),
        ("2980", "0.5"),
    ]


def test_an_order_fills_in_pieces_over_several_trades() -> None:
    engine = new_engine()
    order = place(engine, limit("SELL", "3010", "1"))
    states = [trade(engine, "3011", quantity).order(order.order_id) for quantity in ("0.3", "0.3", "0.9")]
    assert [(each.status, plain(each.executed)) for each in states] == [
        (OrderStatus.PARTIALLY_FILLED, "0.3"),
        (OrderStatus.PARTIALLY_FILLED, "0.6"),
        (OrderStatus.FILLED, "1"),
    ]
    assert plain(states[-1].quote_executed) == "3010"
    assert engine.ledger.balances()["ETH"].locked == 0


def test_what_a_trade_still_has_after_our_fills_follows_at_its_own_price() -> None:
    engine = new_engine()
    place(engine, limit("BUY", "2990", "1"))
    changes = trade(engine, "2980", "3")
    assert [(plain(t.price), plain(t.quantity), t.buyer_is_maker) for t in changes.trades] == [
        ("2990", "1", True),
        ("2980", "2", False),
    ]
    assert [t.trade_id for t in changes.trades] == [2, 3]


def test_the_commission_comes_out_of_what_is_received() -> None:
    engine = new_engine(USDT="10000", ETH="5")
    bought = engine.place(limit("BUY", "3000", "1"), NOW).fills[0]
    sold = engine.place(limit("SELL", "3000", "1"), NOW).fills[0]
    assert (bought.commission, bought.commission_asset) == (Decimal("0.001"), "ETH")
    assert (sold.commission, sold.commission_asset) == (Decimal(3), "USDT")
    assert engine.ledger.balances()["ETH"].free == Decimal("4.999")
    assert engine.ledger.balances()["USDT"].free == Decimal(9997)


def test_a_buy_that_fills_below_its_limit_pays_only_the_price() -> None:
    engine = new_engine(USDT="3100")
    place(engine, limit("BUY", "3100", "1"))
    assert engine.ledger.balances()["USDT"] == (Decimal(100), Decimal(0))


@pytest.mark.parametrize(
    ("new", "code", "message"),
    [
        (limit("BUY", "2990", "40"), -2010, "Account has insufficient balance for requested action."),
        (limit("SELL", "3010", "101"), -2010, "Account has insufficient balance for requested action."),
        (market("BUY", "40"), -2010, "Account has insufficient balance for requested action."),
        (market("SELL", "101"), -2010, "Account has insufficient balance for requested action."),
        (limit("BUY", "2990.001", "1"), -1013, "Filter failure: PRICE_FILTER"),
        (limit("BUY", "2000000", "1"), -1013, "Filter failure: PRICE_FILTER"),
        (limit("BUY", "2990", "0.00001"), -1013, "Filter failure: LOT_SIZE"),
        (limit("BUY", "2990", "1.00001"), -1013, "Filter failure: LOT_SIZE"),
        (limit("BUY", "2990", "0.0016"), -1013, "Filter failure: NOTIONAL"),
        (limit("BUY", "599.99", "1"), -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        (limit("SELL", "15000.01", "1"), -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        (market("SELL", "1601"), -1013, "Filter failure: MARKET_LOT_SIZE"),
        (market("BUY", quote="4.99"), -1013, "Filter failure: NOTIONAL"),
        (
            NewOrder("ETHUSDT", Side.BUY, OrderType.LIMIT_MAKER, Decimal(1), Decimal(3000)),
            -2010,
            "Order would immediately match and take.",
        ),
        (NewOrder("NOSUCH", Side.BUY, OrderType.MARKET, Decimal(1)), -1121, "Invalid symbol."),
    ],
)
def test_what_is_refused_is_refused_with_binances_words_and_changes_nothing(
    new: NewOrder, code: int, message: str
) -> None:
    engine = new_engine()
    before = (engine.ledger.balances(), engine.open_orders())
    with pytest.raises(Refused) as refused:
        engine.place(new, NOW)
    assert (refused.value.code, refused.value.message) == (code, message)
    assert (engine.ledger.balances(), engine.open_orders()) == before


def test_at_most_two_hundred_orders_rest_on_a_symbol() -> None:
    engine = new_engine()
    for _ in range(200):
        place(engine, limit("BUY", "2000", "0.01"))
    with pytest.raises(Refused, match="MAX_NUM_ORDERS"):
        place(engine, limit("BUY", "2000", "0.01"))


def test_a_client_order_id_is_unique_among_open_orders_only() -> None:
    engine = new_engine()
    first = place(engine, limit("BUY", "2990", "1", "mine"))
    with pytest.raises(Refused, match=r"Duplicate order sent\."):
        place(engine, limit("BUY", "2980", "1", "mine"))
    trade(engine, "2985")
    second = place(engine, limit("BUY", "2900", "1", "mine"))
    assert second.order_id > first.order_id


def test_a_cancelled_order_frees_what_it_locked() -> None:
    engine = new_engine(USDT="3000")
    order = place(engine, limit("BUY", "2990", "1"))
    assert engine.ledger.balances()["USDT"] == (Decimal(10), Decimal(2990))
    changes = engine.cancel(order, NOW, "cancel-1")
    assert changes.order(order.order_id).status is OrderStatus.CANCELED
    assert engine.ledger.balances()["USDT"] == (Decimal(3000), Decimal(0))
    with pytest.raises(Refused, match=r"Unknown order sent\."):
        engine.cancel(order, NOW)


@pytest.mark.parametrize(
    ("mode", "resting_status", "arriving_status"),
    [
        (SelfTrade.EXPIRE_MAKER, OrderStatus.EXPIRED_IN_MATCH, OrderStatus.FILLED),
        (SelfTrade.EXPIRE_TAKER, OrderStatus.NEW, OrderStatus.EXPIRED_IN_MATCH),
        (SelfTrade.EXPIRE_BOTH, OrderStatus.EXPIRED_IN_MATCH, OrderStatus.EXPIRED_IN_MATCH),
    ],
)
def test_own_orders_never_trade_with_each_other(
    mode: SelfTrade, resting_status: OrderStatus, arriving_status: OrderStatus
) -> None:
    engine = new_engine()
    resting = place(engine, limit("SELL", "3010", "1"))
    trade(engine, "3010")  # The last price is now that of the resting order, which `strict` does not fill.
    arriving = NewOrder("ETHUSDT", Side.BUY, OrderType.LIMIT, Decimal(1), Decimal(3010), self_trade=mode)
    changes = engine.place(arriving, NOW)
    after = {report.order.order_id: report.order.status for report in changes.reports}
    assert after.get(resting.order_id, OrderStatus.NEW) is resting_status
    assert after[resting.order_id + 1] is arriving_status
    locked = sum(order.locks for order in engine.open_orders())
    assert engine.ledger.balances()["ETH"].locked == locked


def test_an_own_order_behind_the_markets_price_is_left_alone() -> None:
    engine = new_engine()
    resting = place(engine, limit("SELL", "3010", "1"))
    # It crosses the resting order's price as well, but the market sells at 3000 first.
    assert place(engine, limit("BUY", "3020", "1")).status is OrderStatus.FILLED
    assert engine.open_orders() == [resting]


def test_without_a_last_price_own_orders_still_do_not_meet() -> None:
    engine = new_engine(last=None)
    resting = place(engine, limit("SELL", "3000", "1"))
    arriving = place(engine, limit("BUY", "3000", "1"))
    assert [order.order_id for order in engine.open_orders()] == [arriving.order_id]
    assert resting.order_id != arriving.order_id


def test_a_symbol_that_is_not_trading_takes_no_orders() -> None:
    engine = new_engine()
    rules = engine.book("ETHUSDT").rules
    object.__setattr__(rules, "status", "BREAK")
    with pytest.raises(Refused, match=r"Market is closed\."):
        place(engine, limit("BUY", "2990", "1"))


def test_the_account_is_told_in_order_new_then_trade_then_balances() -> None:
    changes = new_engine().place(limit("BUY", "3000", "1"), NOW)
    assert [type(event) for event in changes.events] == [Report, Report, Position]
    position = changes.events[-1]
    assert isinstance(position, Position)
    assert sorted(position.balances) == ["ETH", "USDT"]
    assert changes.reports[0].execution_id < changes.reports[1].execution_id


def test_a_reset_cancels_everything_and_restores_the_money_and_ids_go_on() -> None:
    engine = new_engine(USDT="5000")
    place(engine, limit("BUY", "3000", "1"))
    resting = place(engine, limit("BUY", "1500", "1"))
    changes = engine.reset(amounts(USDT="777"), NOW)
    assert [report.order.status for report in changes.reports] == [OrderStatus.CANCELED]
    assert {e.asset: plain(e.delta) for e in changes.events if isinstance(e, Deposit)} == {
        "ETH": "-0.999",
        "USDT": "-1223",
    }
    assert engine.ledger.balances() == {"ETH": Balance(ZERO, ZERO), "USDT": Balance(Decimal(777), ZERO)}
    assert place(engine, limit("BUY", "2000", "0.1")).order_id == resting.order_id + 1
