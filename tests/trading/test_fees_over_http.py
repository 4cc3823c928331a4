"""Whole cycles at a real mock exchange, over HTTP, under commissions of every kind: each ends at its profit."""

from decimal import Decimal as D
from pathlib import Path

import pytest
from pytest_django import Settings

from hedgehog_project.venues import Venue
from tests.support.market import KEY, SECRET, MockExchange, start_mock
from tests.support.processes import Processes
from trading import symbols, traders
from trading.accounting.arithmetic import arithmetic
from trading.books.audit import audit
from trading.books.booking import position_of
from trading.books.reconcile import reconcile
from trading.core.events import TradeSeen
from trading.core.fees import Fees
from trading.core.orders import Side
from trading.core.strategy import TraderState
from trading.exchange import client as client_module
from trading.exchange.client import exchange_at
from trading.models import Fill, Listing, Order, Trader
from trading.models.symbols import forget_rules

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
    forget_rules()
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
    traders.wake(trader.pk, TradeSeen("ETHUSDT", 1, D(3000), 0), exchange_at)
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
    assert D("0.00098") < of_cost < (D("0.0016") if in_bnb else D("0.00101")), f"{of_cost:.6f}"
    assert audit(Venue.MOCK, mock.client(), MONEY) == []
    assert Order.objects.filter(side=Side.SELL).count() == 1
