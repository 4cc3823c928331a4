"""A small exchange for tests: a few symbols, time that is told, amounts from strings."""

from decimal import Decimal

from binance_mock.engine.matching import Engine, FillRule
from binance_mock.engine.orders import Changes, MarketTrade, NewOrder, Order, OrderType, Side, TimeInForce
from binance_mock.engine.rules import read_symbols
from binance_mock.state.listings import LISTINGS, exchange_info

NOW = 1_700_000_000_000
INFO = exchange_info([LISTINGS["ETHUSDT"], LISTINGS["BTCUSDT"], LISTINGS["ETHBTC"], LISTINGS["BNBUSDT"]])
RICH = {"USDT": "100000", "ETH": "100", "BTC": "10"}


def amounts(**texts: str) -> dict[str, Decimal]:
    return {asset: Decimal(text) for asset, text in texts.items()}


def new_engine(fill_rule: FillRule = FillRule.STRICT, last: str | None = "3000", **balances: str) -> Engine:
    """An engine whose account has `balances` (rich by default) and whose ETHUSDT traded at `last`."""
    engine = Engine(read_symbols(INFO), fill_rule=fill_rule)
    engine.reset(amounts(**(balances or RICH)), NOW)
    if last is not None:
        trade(engine, last)
    return engine


def limit(side: str, price: str, quantity: str, client_id: str = "", tif: str = "GTC") -> NewOrder:
    return NewOrder(
        symbol="ETHUSDT",
        side=Side(side),
        type=OrderType.LIMIT,
        price=Decimal(price),
        quantity=Decimal(quantity),
        client_order_id=client_id,
        time_in_force=TimeInForce(tif),
    )


def market(side: str, quantity: str = "0", quote: str = "0") -> NewOrder:
    return NewOrder(
        symbol="ETHUSDT",
        side=Side(side),
        type=OrderType.MARKET,
        quantity=Decimal(quantity),
        quote_quantity=Decimal(quote),
    )


def place(engine: Engine, new: NewOrder) -> Order:
    """The order as placing left it."""
    changes = engine.place(new, NOW)
    return changes.order(changes.reports[0].order.order_id)


def trade(engine: Engine, price: str, quantity: str = "1000", symbol: str = "ETHUSDT") -> Changes:
    """The market trades."""
    changes = Changes()
    engine.trade(MarketTrade(symbol, Decimal(price), Decimal(quantity), False), NOW, changes)
    return changes


def filled(changes: Changes) -> list[tuple[int, str, str]]:
    """(order id, price, quantity) of each fill, plainly."""
    return [(f.order_id, plain(f.price), plain(f.quantity)) for f in changes.fills]


def plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
