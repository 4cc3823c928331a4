"""Commissions: out of what is received, or in BNB a quarter less where the account has BNB and wants it."""

from decimal import Decimal

import pytest

from binance_mock.engine import Engine
from binance_mock.fees import in_bnb
from binance_mock.orders import Fill
from binance_mock.rules import read_symbols
from binance_mock.symbols import LISTINGS, exchange_info
from tests.binance_mock.running import Mock, events
from tests.binance_mock.support import NOW, amounts, limit, market, trade

INFO = exchange_info([LISTINGS["ETHUSDT"], LISTINGS["BNBUSDT"], LISTINGS["ETHBTC"]])


def new_engine(**balances: str) -> Engine:
    """ETHUSDT at 3000, BNB at 900; the account is rich, and has 1 BNB, unless told otherwise."""
    engine = Engine(read_symbols(INFO), fees_in_bnb=True)
    engine.reset(amounts(**(balances or {"USDT": "100000", "ETH": "10", "BTC": "1", "BNB": "1"})), NOW)
    trade(engine, "3000")
    trade(engine, "900", symbol="BNBUSDT")
    return engine


def commissions(fills: list[Fill]) -> list[tuple[str, str]]:
    return [(format(fill.commission, "f"), fill.commission_asset) for fill in fills]


def test_a_buys_commission_is_paid_in_bnb_at_a_discount() -> None:
    engine = new_engine()
    fills = engine.place(market("BUY", "1"), NOW).fills
    # 3000 USDT * 0.1 % * 75 % = 2.25 USDT at 900 USDT a BNB.
    assert commissions(fills) == [("0.00250000", "BNB")]
    assert engine.ledger.free("ETH") == 11
    assert engine.ledger.free("BNB") == Decimal("0.9975")
    assert engine.ledger.holdings["BNB"].fees == Decimal("0.0025")


def test_a_sells_commission_is_paid_in_bnb_at_a_discount() -> None:
    engine = new_engine()
    assert commissions(engine.place(market("SELL", "1"), NOW).fills) == [("0.00250000", "BNB")]
    assert engine.ledger.free("USDT") == 103_000


def test_each_part_of_an_order_pays_as_long_as_there_is_bnb() -> None:
    engine = new_engine(USDT="100000", ETH="10", BNB="0.003")
    engine.place(limit("SELL", "3010", "2"), NOW)
    fills = [fill for quantity in ("1", "9") for fill in trade(engine, "3020", quantity).fills]
    # The second needs 0.00250833 BNB as well, and 0.00049167 is left.
    assert commissions(fills) == [("0.00250833", "BNB"), ("3.01000000", "USDT")]
    assert engine.ledger.free("BNB") == Decimal("0.00049167")


@pytest.mark.parametrize("balances", [{"USDT": "9000"}, {"USDT": "9000", "BNB": "0.002"}])
def test_without_enough_bnb_the_whole_commission_is_taken_of_what_was_received(balances: dict[str, str]) -> None:
    engine = new_engine(**balances)
    assert commissions(engine.place(market("BUY", "1"), NOW).fills) == [("0.00100000", "ETH")]


def test_without_a_price_of_bnb_it_is_taken_of_what_was_received() -> None:
    engine = new_engine()
    trade(engine, "0.03", symbol="ETHBTC")
    new = limit("BUY", "0.03", "1")
    fills = engine.place(type(new)("ETHBTC", new.side, new.type, new.quantity, new.price), NOW).fills
    assert commissions(fills) == [("0.00100000", "ETH")]


def test_bnb_that_is_locked_in_an_order_pays_no_commission() -> None:
    """Sells all BNB in two parts: what the second needs must still be there after the first."""
    engine = new_engine(BNB="1")
    new = limit("SELL", "910", "1")
    engine.place(type(new)("BNBUSDT", new.side, new.type, new.quantity, new.price), NOW)
    first = trade(engine, "920", "0.4", "BNBUSDT").fills
    second = trade(engine, "920", "9", "BNBUSDT").fills
    assert commissions(first + second) == [("0.36400000", "USDT"), ("0.54600000", "USDT")]
    assert engine.ledger.free("BNB") == engine.ledger.holdings["BNB"].locked == 0


def test_bought_bnb_pays_for_itself() -> None:
    engine = new_engine(USDT="1000")
    new = market("BUY", "1")
    fills = engine.place(type(new)("BNBUSDT", new.side, new.type, new.quantity), NOW).fills
    assert commissions(fills) == [("0.00075000", "BNB")]
    assert engine.ledger.free("BNB") == Decimal("0.99925")


@pytest.mark.parametrize(
    ("quote", "prices", "paid"),
    [
        ("USDT", {"BNBUSDT": "500"}, "0.00300000"),
        ("BNB", {}, "1.50000000"),
        ("TRY", {"TRYBNB": "0.001"}, "0.00150000"),
        ("TRY", {}, None),
    ],
)
def test_bnb_is_priced_in_the_quote_either_way_round(quote: str, prices: dict[str, str], paid: str | None) -> None:
    found = in_bnb(quote, Decimal(2), lambda symbol: Decimal(prices[symbol]) if symbol in prices else None)
    assert (found if found is None else format(found, "f")) == paid


def test_it_is_switched_while_it_runs_and_all_that_is_told_agrees(mock: Mock) -> None:
    client = mock.client()
    mock.trade("900", symbol="BNBUSDT")
    client.order_market_buy(symbol="BNBUSDT", quantity="0.01")
    shown = mock.signed("GET", "account/commission", symbol="ETHUSDT").json()["discount"]
    assert (shown["enabledForAccount"], shown["discount"]) == (False, "0.25000000")
    before = client.get_asset_balance("BNB")["free"]
    told = mock.user_events()
    assert client.toggle_bnb_burn_spot_margin(spotBNBBurn="true")["spotBNBBurn"] is True
    assert client.get_bnb_burn_spot_margin() == {"spotBNBBurn": True, "interestBNBBurn": False}
    fill = client.order_market_sell(symbol="ETHUSDT", quantity="1")["fills"][0]
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00250000", "BNB")
    kept = client.get_my_trades(symbol="ETHUSDT")[-1]
    assert (kept["commission"], kept["commissionAsset"]) == ("0.00250000", "BNB")
    report, position = events(told, 3)[1:]
    assert (report["n"], report["N"]) == ("0.00250000", "BNB")
    left = format(Decimal(before) - Decimal("0.0025"), ".8f")
    assert {each["a"]: each["f"] for each in position["B"]}["BNB"] == left
    assert client.get_asset_balance("BNB")["free"] == left
    assert mock.signed("GET", "account/commission", symbol="ETHUSDT").json()["discount"]["enabledForAccount"] is True
    mock.control("reset")
    assert client.get_bnb_burn_spot_margin()["spotBNBBurn"] is False
    told.close()
