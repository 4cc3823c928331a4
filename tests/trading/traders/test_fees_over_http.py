"""Whole cycles at a real mock exchange, over HTTP, under commissions of every kind: each ends at its profit."""

import json
from decimal import Decimal as D
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.core.management import call_command
from pytest_django import Settings

from binance_mock.state.listings import MockSymbol, exchange_info
from hedgehog_project.venues import Venue
from tests.support.exchanges.market import KEY, SECRET, MockExchange, start_mock
from tests.support.machine.processes import Processes
from tests.support.settings import give
from trading.books.arithmetic import arithmetic
from trading.books.booking import position_of
from trading.core.events import TradeSeen
from trading.core.fees import Fees
from trading.core.orders import UNVALUED, Side
from trading.core.strategy import TraderState
from trading.exchange import client as client_module
from trading.exchange.client import exchange_at
from trading.models import Fill, Listing, Order, Trader, TradingSettings
from trading.models.symbols import forget_filters
from trading.reconciliation.audit import audit
from trading.reconciliation.reconcile import reconcile
from trading.symbols import listings as symbols
from trading.traders import acting

pytestmark = pytest.mark.django_db(transaction=True)

MONEY = {"USDT": D(10_000), "BNB": D(1)}


def exchange_with(processes: Processes, home: Path, settings: Settings, **of_mock: object) -> MockExchange:
    """A mock exchange whose listing of ETHUSDT, with our commissions, is known."""
    mock = start_mock(processes, str(home), MOCK_BALANCES="USDT:10000,BNB:1", **of_mock)[0]
    settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = mock.port, KEY, SECRET
    client_module._of_thread.__dict__.clear()
    mock.trade("BNBUSDT", "600")
    mock.trade("ETHUSDT", "3000")
    return mock


def refresh(trader: Trader) -> Fees:
    symbols.refresh(trader.symbol, Venue.MOCK, exchange_at(Venue.MOCK))
    forget_filters()
    return Listing.objects.get().fees


def compare() -> None:
    assert reconcile(Venue.MOCK, exchange_at).stopped == ""


@pytest.mark.parametrize("takes", [False, True], ids=["rests", "takes"])
@pytest.mark.parametrize(
    ("commission", "in_bnb", "fees"),
    [
        ("maker=0.001,taker=0.001", 0, Fees()),
        ("maker=0.001,taker=0.001,tax_maker=0.0011,tax_taker=0.0011", 0, Fees.flat(D("0.0021"))),
        ("maker=0,taker=0.001", 0, Fees(D(0), D("0.001"), D(0), D("0.001"))),
        (
            "maker=0.001,taker=0.002,buyer=0.0002,seller=0.0005,special_taker=0.001",
            0,
            Fees(D("0.0012"), D("0.0032"), D("0.0015"), D("0.0035")),
        ),
        ("maker=0.001,taker=0.001,tax_maker=0.0011,tax_taker=0.0016", 1, None),
    ],
    ids=["usual", "tax", "zero maker", "sides", "tax in BNB"],
)
def test_a_cycle_ends_at_the_wanted_profit(
    processes: Processes,
    tmp_path: Path,
    settings: Settings,
    trader: Trader,
    commission: str,
    in_bnb: int,
    fees: Fees | None,
    takes: bool,
) -> None:
    """A buy that took its price from a market that has come down meanwhile is a taker's."""
    mock = exchange_with(processes, tmp_path, settings, MOCK_COMMISSION=commission, MOCK_FEES_IN_BNB=in_bnb)
    told = refresh(trader)
    assert fees is None or told == fees
    mock.trade("ETHUSDT", "2996" if takes else "3000")
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, D(3000), 0), exchange_at)
    for price in ("2990", "3100"):
        mock.trade("ETHUSDT", price)
        compare()
    assert [fill.is_maker for fill in Fill.objects.order_by("pk")] == [not takes, True]
    ended = Trader.objects.get(pk=trader.pk)
    assert ended.state == TraderState.FINISHED
    terms = arithmetic(position_of(ended), "ETH", "USDT")
    assert ended.profit is not None
    # 0.1 % were wanted. A tick is 0.01, and commissions in BNB are cheaper than the estimate.
    of_cost = ended.profit / terms.cost
    assert D("0.00098") < of_cost < (D("0.0013") if in_bnb else D("0.00101")), f"{of_cost:.6f}"
    assert audit(Venue.MOCK, mock.client(), MONEY) == []
    assert Order.objects.filter(side=Side.SELL).count() == 1


def list_pairs(folder: Path, *pairs: tuple[str, str]) -> Path:
    """An exchangeInfo of these, with the finest of ticks and whole steps."""
    unit = D("0.00000001")
    listings = [MockSymbol(base, quote, unit, D(1), D(1), D(1)) for base, quote in pairs]
    file = folder / "exchange_info.json"
    file.write_text(json.dumps(exchange_info(listings)))
    return file


@pytest.mark.parametrize(
    ("prices", "is_known"),
    [
        ({("DOGE", "BNB"): "0.00025"}, True),
        ({("BNB", "USDT"): "600", ("DOGE", "USDT"): "0.15"}, True),
        ({("BNB", "EUR"): "600", ("DOGE", "EUR"): "0.15"}, False),
    ],
    ids=["by the inverse", "by way of USDT", "in no way"],
)
def test_commissions_in_bnb_count_where_no_pair_values_them_directly(
    redis_client: "redis.Redis", processes: Processes, tmp_path: Path, settings: Settings,
    prices: dict[tuple[str, str], str], is_known: bool,
) -> None:  # fmt: skip
    """One DOGE is 0.00025 BNB in each of these; the last way the exchange knows, and traders do not."""
    mock = start_mock(
        processes, str(tmp_path), MOCK_BALANCES="DOGE:10000,BNB:1", MOCK_FEES_IN_BNB=1,
        MOCK_EXCHANGE_INFO=list_pairs(tmp_path, ("SHIB", "DOGE"), *prices),
    )[0]  # fmt: skip
    settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = mock.port, KEY, SECRET
    client_module._of_thread.__dict__.clear()
    for (base, quote), price in prices.items():
        mock.trade(base + quote, price)
    mock.trade("SHIBDOGE", "0.00010000", "100000000")
    symbol = symbols.add("SHIBDOGE")
    intervals = {"buy_down_interval": D("0.001"), "profit_interval": D("0.001"), "rebuy_interval": None}
    give(TradingSettings.objects.filter(symbol=symbol), budget=D(1000), max_slots=1, status="on", **intervals)
    trader = Trader.born(TradingSettings.objects.select_related("symbol").get(symbol=symbol), Venue.MOCK, 1)
    acting.wake(trader.pk, TradeSeen("SHIBDOGE", 1, D("0.0001"), 0), exchange_at)
    for price in ("0.00009900", "0.00011000"):
        mock.trade("SHIBDOGE", price, "100000000")
        compare()
    ended = Trader.objects.get(pk=trader.pk)
    assert ended.state == TraderState.FINISHED
    assert set(Fill.objects.values_list("commission_asset", flat=True)) == {"BNB"}
    bought, sold = Fill.objects.order_by("pk")
    in_doge = (bought.commission + sold.commission) / D("0.00025")
    clean = sold.quote - bought.quote
    assert ended.profit is not None
    assert ended.has_unvalued_fees is not is_known
    assert abs(ended.profit - (clean - in_doge if is_known else clean)) < D("0.0001")
    out = StringIO()
    call_command("profit", stdout=out)
    assert (UNVALUED in out.getvalue()) is not is_known
