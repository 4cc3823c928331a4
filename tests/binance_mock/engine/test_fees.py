"""Commissions: out of what is received, or in BNB a quarter less where the account has BNB and wants it."""

from decimal import Decimal
from pathlib import Path

import pytest

from binance_mock.engine.amounts import cut
from binance_mock.engine.fees import Part, Rates, in_bnb
from binance_mock.engine.matching import Engine
from binance_mock.engine.orders import Fill
from binance_mock.engine.rules import read_symbols
from binance_mock.state.listings import LISTINGS, exchange_info
from tests.binance_mock.running import Mock, events, start
from tests.binance_mock.support import NOW, amounts, limit, market, trade
from tests.support.machine.processes import Processes

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
        ("TRY", {"USDTTRY": "30", "BNBUSDT": "500"}, "0.00010000"),
        ("TRY", {"USDTTRY": "30"}, None),
    ],
)
def test_bnb_is_priced_in_the_quote_either_way_round_or_by_way_of_another_asset(
    quote: str, prices: dict[str, str], paid: str | None
) -> None:
    found = in_bnb(quote, Decimal(2), Decimal(0), lambda symbol: Decimal(prices.get(symbol, 0)) or None, ("USDT",))
    assert (found if found is None else format(found, "f")) == paid


# --- every part of a commission ---------------------------------------------------------------------------
# The rates of the FAQ's example, a sale of 0.49975 at 35,000.
OF_FAQ = Rates(
    standard=Part(Decimal("0.00000010"), Decimal("0.00000020"), Decimal("0.00000030"), Decimal("0.00000040")),
    special=Part(Decimal("0.01"), Decimal("0.02"), Decimal("0.03"), Decimal("0.04")),
    tax=Part(Decimal("0.00000112"), Decimal("0.00000114"), Decimal("0.00000118"), Decimal("0.00000116")),
)


def test_standard_special_and_tax_are_added_up_as_in_the_faq() -> None:
    standard, others = OF_FAQ.of(Decimal("17491.25"), is_buyer=False, is_maker=False)
    assert (standard, others) == (Decimal("0.01049475"), Decimal("1049.475") + Decimal("0.04022987"))


def test_the_discount_of_bnb_touches_the_standard_part_alone() -> None:
    standard, others = OF_FAQ.of(Decimal("17491.25"), is_buyer=False, is_maker=False)
    found = in_bnb("USDT", standard, others, {"BNBUSDT": Decimal(260)}.get, ())
    # A quarter off 0.01049475, nothing off the rest.
    assert found == Decimal("4.03662731")


@pytest.mark.parametrize(
    ("side", "takes", "rate"),
    [("BUY", False, "0.0017"), ("BUY", True, "0.0027"), ("SELL", False, "0.0032"), ("SELL", True, "0.0042")],
)
@pytest.mark.parametrize("in_what", ["received", "BNB"])
def test_account_pages_and_fills_agree_to_the_last_unit(
    processes: Processes, tmp_path: Path, side: str, takes: bool, rate: str, in_what: str
) -> None:
    mock = start(
        processes,
        tmp_path,
        MOCK_BALANCES="USDT:100000,ETH:10,BNB:5",
        MOCK_COMMISSION="maker=0.0005,taker=0.001,buyer=0.0001,tax_maker=0.0011,tax_taker=0.0016,special_seller=0.0016",
        MOCK_FEES_IN_BNB=int(in_what == "BNB"),
    )
    mock.trade("900", symbol="BNBUSDT")
    mock.trade("3000")
    order = {"symbol": "ETHUSDT", "side": side, "quantity": "0.3337"}
    order |= (
        {"type": "MARKET"}
        if takes
        else {"type": "LIMIT", "timeInForce": "GTC", "price": "2990.01" if side == "BUY" else "3010.01"}
    )
    told = mock.signed("POST", "order/test", **order, computeCommissionRates="true").json()
    mock.signed("POST", "order", **order)
    mock.trade("2980" if side == "BUY" else "3020")
    (fill,) = mock.signed("GET", "myTrades", symbol="ETHUSDT").json()
    assert fill["isMaker"] is not takes

    of_account = mock.signed("GET", "account/commission", symbol="ETHUSDT").json()
    role, part = "taker" if takes else "maker", "buyer" if side == "BUY" else "seller"
    rates = {}
    for kind in ("standard", "special", "tax"):
        page = of_account[f"{kind}Commission"]
        rates[kind] = Decimal(page[role]) + Decimal(page[part])
        assert Decimal(told[f"{kind}CommissionForOrder"][role]) == rates[kind]
    assert sum(rates.values()) == Decimal(rate)
    assert mock.signed("GET", "account").json()["commissionRates"] == of_account["standardCommission"]

    received = Decimal(fill["qty"] if side == "BUY" and in_what == "received" else fill["quoteQty"])
    parts = {kind: cut(received * of_kind) for kind, of_kind in rates.items()}
    if in_what == "BNB":
        parts["standard"] = cut(parts["standard"] * (1 - Decimal(of_account["discount"]["discount"])))
        expected, asset = cut(sum(parts.values(), Decimal(0)) / 900), "BNB"
    else:
        expected, asset = sum(parts.values(), Decimal(0)), "ETH" if side == "BUY" else "USDT"
    assert (Decimal(fill["commission"]), fill["commissionAsset"]) == (expected, asset)


def test_commissions_without_a_setting_are_those_of_the_documents(mock: Mock) -> None:
    shown = mock.signed("GET", "account/commission", symbol="ETHUSDT").json()
    nothing = {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00000000", "seller": "0.00000000"}
    assert shown["standardCommission"] == {**nothing, "maker": "0.00100000", "taker": "0.00100000"}
    assert (shown["specialCommission"], shown["taxCommission"]) == (nothing, nothing)


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
