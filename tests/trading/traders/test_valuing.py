"""What commissions in third assets are worth: by a pair, its inverse, by way of others, or unknown and said so."""

from dataclasses import dataclass, field, replace
from decimal import Decimal as D

import pytest
from celery import current_app

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.settings import give
from tests.trading.conftest import make_symbol
from tests.trading.traders.test_refusals import fill_for_bnb
from tests.trading.traders.test_traders import TRADE, fresh, only_order
from trading.core.events import TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.exchange.errors import ExchangeError, KeyRejected, NotSent, Refused, Throttled
from trading.models import Fill, JournalEntry, Trader, TradingSettings
from trading.traders import acting, cycle_end, valuing
from trading.traders.valuing import rate_of


@pytest.fixture(autouse=True)
def nothing_is_enqueued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **options: None)


@dataclass
class Prices:
    """An exchange that is asked for prices, and notes what it was asked."""

    listed: dict[str, str]
    asked: list[str] = field(default_factory=list)

    def price(self, symbol: str) -> D:
        self.asked.append(symbol)
        if symbol not in self.listed:
            raise Refused("Invalid symbol. (-1121)", -1121)
        return D(self.listed[symbol])


def rate(prices: Prices, asset: str, quote: str) -> valuing.Rate | None:
    return rate_of(asset, quote, Venue.MOCK, prices)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quote", "listed", "value", "how"),
    [
        ("USDT", {"BNBUSDT": "600"}, "600", "BNBUSDT at 600"),
        ("DOGE", {"DOGEBNB": "0.00025"}, "4000", "DOGEBNB at 0.00025"),
        ("DOGE", {"BNBUSDT": "600", "DOGEUSDT": "0.15"}, "4000", "BNBUSDT at 600, DOGEUSDT at 0.15"),
        ("TRY", {"BNBUSDT": "600", "USDTTRY": "30"}, "18000", "BNBUSDT at 600, USDTTRY at 30"),
        ("ETH", {"BNBBTC": "0.01", "ETHBTC": "0.05"}, "0.2", "BNBBTC at 0.01, ETHBTC at 0.05"),
        # USDT goes before BTC, and the pair itself before both.
        (
            "ETH",
            {"BNBBTC": "0.01", "ETHBTC": "0.05", "BNBUSDT": "600", "ETHUSDT": "3000"},
            "0.2",
            "BNBUSDT at 600, ETHUSDT at 3000",
        ),
        ("ETH", {"BNBETH": "0.21", "BNBUSDT": "600", "ETHUSDT": "3000"}, "0.21", "BNBETH at 0.21"),
        ("USDT", {"BNBBTC": "0.01", "BTCUSDT": "60000"}, "600", "BNBBTC at 0.01, BTCUSDT at 60000"),
        ("BTC", {"BNBUSDT": "600", "BTCUSDT": "60000"}, "0.01", "BNBUSDT at 600, BTCUSDT at 60000"),
        # One leg alone is no way, and a pair that has never traded tells nothing.
        ("SHIB", {"BNBUSDT": "600"}, None, ""),
        ("SHIB", {"BNBSHIB": "0", "BNBEUR": "500", "SHIBEUR": "0.00001"}, None, ""),
    ],
)
def test_an_asset_is_worth_what_its_pair_says_its_inverse_or_a_way_by_usdt_or_btc(
    quote: str, listed: dict[str, str], value: str | None, how: str
) -> None:
    found = rate(Prices(listed), "BNB", quote)
    if value is None:
        assert found is None
    else:
        assert found is not None
        assert (round(found.value, 12), found.how) == (D(value), how)


def test_names_that_begin_alike_are_not_mixed_up() -> None:
    """B in BNB: the pair BNBB is an inverse."""
    found = rate(Prices({"BNBB": "4"}), "B", "BNB")
    assert found is not None
    assert found.value == D("0.25")


def test_pairs_that_are_not_listed_are_asked_for_once_in_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    prices, now = Prices({}), 1000.0
    monkeypatch.setattr(valuing.time, "monotonic", lambda: now)
    for _ in range(3):
        assert rate(prices, "BNB", "DOGE") is None
    assert prices.asked == ["BNBDOGE", "DOGEBNB", "BNBUSDT", "USDTBNB", "BNBBTC", "BTCBNB"]
    now += valuing.UNLISTED_FOR_S + 1
    prices.listed["BNBDOGE"] = "4000"
    found = rate(prices, "BNB", "DOGE")
    assert found is not None
    assert found.value == D(4000)


def test_what_one_venue_does_not_list_another_may() -> None:
    assert rate(Prices({}), "BNB", "USDT") is None
    there = Prices({"BNBUSDT": "600"})
    assert rate_of("BNB", "USDT", Venue.TESTNET, there) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [NotSent("no connection"), Throttled("wait", 2.0), KeyRejected("what key?", -2015), Refused("barred", -2010)],
)
def test_an_answer_that_is_not_about_the_pair_says_nothing_of_it(error: ExchangeError) -> None:
    class Away:
        def price(self, symbol: str) -> D:
            raise error

    with pytest.raises(type(error)):
        rate_of("BNB", "USDT", Venue.MOCK, Away())  # type: ignore[arg-type]
    assert rate(Prices({"BNBUSDT": "600"}), "BNB", "USDT") is not None


# --- on a trader's way ------------------------------------------------------------------------------------
def priced(monkeypatch: pytest.MonkeyPatch, exchange: ScriptedExchange, **listed: str) -> list[str]:
    prices = Prices(listed)
    monkeypatch.setattr(exchange, "price", prices.price)
    return prices.asked


def bought_for_bnb(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    acting.hear(fill_for_bnb(exchange, only_order(trader), "0.0002"), Source.REPORT, exchange)


@pytest.mark.django_db(transaction=True)
@pytest.mark.databases
def test_commissions_are_valued_by_way_of_other_pairs(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(monkeypatch, exchange, BNBBTC="0.01", BTCUSDT="60000")
    bought_for_bnb(trader, exchange)
    assert Fill.objects.get().commission_quote == D("0.12")
    line = JournalEntry.objects.get(kind=Kind.VALUED)
    assert line.reason == "BNBBTC at 0.01, BTCUSDT at 60000"


@pytest.mark.django_db(transaction=True)
@pytest.mark.databases
def test_a_strategy_that_sells_on_a_trade_hears_that_trade_again_once_its_commissions_are_valued(
    exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, redis_client: object
) -> None:
    """Trailing sells on the trade that shows the turn: another event would let it pass."""
    asked = priced(monkeypatch, exchange)  # Nothing is listed: its floor stays where it is.
    symbol = make_symbol()
    give(strategy="trailing", trail_interval="0.01")
    settings = TradingSettings.objects.select_related("symbol").get(symbol=symbol)
    trader = Trader.born(settings, Venue.MOCK, 1)

    def see(price: str) -> Trader:
        Trader.objects.update(retry_at=None)
        acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, D(price), 0), exchange)
        return fresh(trader)

    see("3000")
    assert see("3030").state == TraderState.BUYING
    acting.hear(fill_for_bnb(exchange, only_order(trader), "0.0002"), Source.REPORT, exchange)
    see("3200")
    assert asked == []
    assert see("3160").state == TraderState.SELLING
    assert asked != []


@pytest.mark.django_db(transaction=True)
@pytest.mark.databases
def test_a_strategy_that_sells_on_a_trade_sells_although_nobody_can_be_asked(
    exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, redis_client: object
) -> None:
    def away(symbol: str) -> D:
        raise NotSent("no connection")

    monkeypatch.setattr(exchange, "price", away)
    symbol = make_symbol()
    give(strategy="trailing", trail_interval="0.01")
    trader = Trader.born(TradingSettings.objects.select_related("symbol").get(symbol=symbol), Venue.MOCK, 1)
    for price in ("3000", "3030", "3200", "3160"):
        Trader.objects.update(retry_at=None)
        acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, D(price), 0), exchange)
        if price == "3030":
            acting.hear(fill_for_bnb(exchange, only_order(trader), "0.0002"), Source.REPORT, exchange)
    assert fresh(trader).state == TraderState.SELLING
    fill = Fill.objects.get()
    assert (fill.commission_quote, fill.is_unvaluable) == (None, False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.databases
def test_a_stop_asks_for_no_price(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = priced(monkeypatch, exchange, BNBUSDT="600")
    Trader.objects.update(strategy_settings={**trader.strategy_settings, "stop_loss_interval": "0.05"})
    bought_for_bnb(trader, exchange)
    Fill.objects.update(commission_quote=None)
    asked.clear()
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 2, D(2800), 0), exchange)
    assert [order.type.value for order in exchange.placed] == ["LIMIT", "LIMIT", "MARKET"]
    assert asked == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.databases
def test_what_was_unknown_when_it_sold_is_asked_for_once_more_when_the_cycle_ends(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sale pays in the same asset, and both are valued by what is listed then."""
    priced(monkeypatch, exchange)
    bought_for_bnb(trader, exchange)
    assert Fill.objects.get().is_unvaluable
    valuing.forget_unlisted()
    priced(monkeypatch, exchange, BNBUSDT="600")
    acting.hear(fill_for_bnb(exchange, only_order(trader, Side.SELL), "0.0003"), Source.REPORT, exchange)
    assert set(Fill.objects.values_list("commission_quote", "is_unvaluable")) == {
        (D("0.12"), False),
        (D("0.18"), False),
    }
    assert not fresh(trader).has_unvalued_fees


@pytest.mark.django_db(transaction=True)
@pytest.mark.databases
@pytest.mark.parametrize("is_listed", [True, False])
def test_a_commission_that_comes_to_light_after_the_end_is_valued_too(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, is_listed: bool
) -> None:
    priced(monkeypatch, exchange, **({"BNBUSDT": "600"} if is_listed else {}))
    acting.wake(trader.pk, TRADE, exchange)
    buy = only_order(trader)
    report = fill_for_bnb(exchange, buy, "0.0002")
    cancelled = replace(report, status=OrderStatus.CANCELED, executed=D(0), fills=())
    acting.hear(cancelled, Source.REPORT, exchange)
    assert cycle_end.retire(trader.pk, "for a test") or cycle_end.abandon(trader.pk, "anna")
    late = replace(report, status=OrderStatus.CANCELED)
    acting.hear(late, Source.REPORT, exchange)
    ended = fresh(trader)
    assert ended.leftover == D("0.0667")
    assert (ended.profit, ended.has_unvalued_fees) == ((D("-0.12"), False) if is_listed else (D(0), True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.databases
def test_who_is_given_up_before_its_commissions_are_valued_says_so(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(symbol: str) -> D:
        raise NotSent("no connection")

    monkeypatch.setattr(exchange, "price", away)
    bought_for_bnb(trader, exchange)
    acting.hear(
        exchange.end(only_order(trader, Side.SELL).client_order_id, OrderStatus.CANCELED), Source.REPORT, exchange
    )
    assert cycle_end.abandon(trader.pk, "anna")
    assert fresh(trader).has_unvalued_fees
