"""`manage.py symbols` and `manage.py trade … off|shutdown`: what they say, and what they change."""

from decimal import Decimal as D
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from console.management import settling
from console.management.commands import symbols as symbols_command
from streamer.models import StreamedSymbol
from tests.support.exchanges.listed import ListingExchange, listed
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.settings import of_strategy
from tests.trading.conftest import make_symbol
from trading import leader
from trading.core.events import TradeSeen
from trading.core.journal import Source
from trading.core.orders import OrderStatus, Side
from trading.models import Order, Profile, Symbol, SymbolProtections, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.risk import kill_switch
from trading.symbols import turning
from trading.traders import acting

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("seeded_profiles")]


def run(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out, stderr=out)
    return out.getvalue()


def status_of(symbol: Symbol) -> tuple[str, bool]:
    row = TradingSettings.objects.get(symbol=symbol)
    return row.status, row.cancel_orders


@pytest.fixture
def at(exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> ScriptedExchange:
    """The exchange that the command cancels orders at."""
    monkeypatch.setattr(settling, "exchange_at", exchange)
    monkeypatch.setattr(settling, "PAUSE_S", 0.01)
    return exchange


@pytest.fixture
def buying(trader: Trader, at: ScriptedExchange) -> Trader:
    """A trader whose buy rests."""
    acting.wake(trader.pk, TRADE, at)
    assert Order.objects.get().status == OrderStatus.NEW
    return trader


@pytest.fixture
def selling(buying: Trader, at: ScriptedExchange) -> Trader:
    """A trader that has bought, and whose sell rests."""
    acting.hear(at.fill_all(Order.objects.get().client_order_id), Source.REPORT, at)
    assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW
    return buying


class TestOff:
    def test_what_rests_is_kept_and_shown(self, buying: Trader) -> None:
        said = run("trade", "ETHUSDT", "off")
        assert said == "ETHUSDT: trading is off (mock)\n  open: BUY 0.0667 ETHUSDT at 2997 (mock)\n"
        assert Order.objects.get().status == OrderStatus.NEW
        assert not kill_switch.unwanted().exists()

    def test_cancel_cancels_buys(self, buying: Trader) -> None:
        said = run("trade", "ETHUSDT", "off", "--cancel")
        assert "Open orders to cancel: 1" in said
        assert "Cancelled: 1. Filled before, fully or partially: 0. No open order left." in said
        assert Order.objects.get().status == OrderStatus.CANCELED

    def test_cancel_cancels_sells_and_shows_what_is_held(self, selling: Trader, at: ScriptedExchange) -> None:
        said = run("trade", "ETHUSDT", "off", "--cancel")
        assert Order.objects.get(side=Side.SELL).status == OrderStatus.CANCELED
        assert said.endswith("  position: 0.0666333 ETH of ETHUSDT #1 at mock\n")
        acting.wake(selling.pk, TRADE, at)
        assert Order.objects.count() == 2  # Nothing is ordered again while it is off.

    def test_wish_to_cancel_is_kept_for_the_leader(self, selling: Trader) -> None:
        turning.turn([selling.symbol], TradingStatus.OFF, cancel_orders=True)
        assert [order.side for order in kill_switch.unwanted()] == ["SELL"]
        turning.turn([selling.symbol], TradingStatus.ON)
        assert not kill_switch.unwanted().exists()

    def test_other_symbols_are_left_in_peace(self, buying: Trader) -> None:
        make_symbol("BTCUSDT")
        run("trade", "BTCUSDT", "off", "--cancel")
        assert Order.objects.get().status == OrderStatus.NEW


class TestShutdown:
    def test_cycle_under_way_goes_on_and_is_shown(self, selling: Trader, at: ScriptedExchange) -> None:
        said = run("trade", "ethusdt", "shutdown").splitlines()
        assert said[0] == "ETHUSDT: trading is shutting down (mock)"
        assert said[-1] == "  1 cycle still running; trading turns off after the last."
        acting.hear(at.fill_all(Order.objects.get(side=Side.SELL).client_order_id), Source.REPORT, at)
        selling.refresh_from_db()
        assert selling.state == "FINISHED"
        assert turning.end_shutdowns() == 1
        assert status_of(selling.symbol) == ("off", False)

    def test_what_is_bought_during_it_is_sold(self, buying: Trader, at: ScriptedExchange) -> None:
        run("trade", "ETHUSDT", "shutdown")
        acting.hear(at.fill_all(Order.objects.get().client_order_id), Source.REPORT, at)
        assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW

    def test_cancel_cancels_buys_and_no_sells(self, selling: Trader) -> None:
        run("trade", "ETHUSDT", "shutdown", "--cancel")
        assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW
        assert not kill_switch.unwanted().exists()

    def test_with_its_buy_cancelled_nothing_is_left(self, buying: Trader) -> None:
        run("trade", "ETHUSDT", "shutdown", "--cancel")
        assert Order.objects.get().status == OrderStatus.CANCELED
        assert status_of(buying.symbol) == ("shutdown", True)
        leader.fill_slots()
        assert status_of(buying.symbol) == ("off", False)

    def test_survives_a_restart_as_a_row(self, selling: Trader) -> None:
        run("trade", "ETHUSDT", "shutdown")
        assert turning.end_shutdowns() == 0
        assert status_of(selling.symbol) == ("shutdown", False)


def test_cancel_does_not_go_with_on(symbol: Symbol) -> None:
    with pytest.raises(CommandError, match="--cancel works with off and shutdown only"):
        run("trade", "ETHUSDT", "on", "--cancel")


@pytest.mark.parametrize("wait", ["nan", "-1", "inf", "long"])
def test_a_wait_without_an_end_is_refused_before_anything_is_done(symbol: Symbol, wait: str) -> None:
    turning.set_trading(symbol, True)
    with pytest.raises(CommandError, match="a number of seconds such as 60"):
        run("trade", "ETHUSDT", "off", "--cancel", "--timeout", wait)
    assert status_of(symbol) == ("on", False)


def test_on_for_many_turns_on_those_that_can_work(symbol: Symbol) -> None:
    poor = make_symbol("BTCUSDT")
    TradingSettings.objects.update(status="off")
    TradingSettings.objects.filter(symbol=poor).update(budget=D(4))
    with pytest.raises(CommandError, match="below the min notional of BTCUSDT at mock, 5"):
        run("trade", "ETHUSDT", "BTCUSDT", "on")
    assert (status_of(symbol)[0], status_of(poor)[0]) == ("on", "off")
    assert StreamedSymbol.objects.get().symbol == "ETHUSDT"


def test_a_wrong_name_among_many_is_told_and_nothing_is_changed(symbol: Symbol) -> None:
    with pytest.raises(CommandError, match="ETHUSD, NOPE were never turned on; nothing was changed"):
        run("trade", "ethusdt", "ethusd", "nope", "off")
    assert status_of(symbol)[0] == "on"
    assert run("trade", "ethusdt", "ETHUSDT", "off").count("ETHUSDT: trading is off") == 1


def test_share_of_the_balance_is_listed_as_such(symbol: Symbol) -> None:
    TradingSettings.objects.update(sizing="share", max_slots=2)
    assert " 10 % of free USDT, 2 slots " in run("symbols", "list")


class TestSymbols:
    @pytest.fixture(autouse=True)
    def sync(self, monkeypatch: pytest.MonkeyPatch) -> ListingExchange:
        sync = ListingExchange([listed("ETH"), listed("BTC"), listed("ETH", "BTC", min_notional="0.0001")])
        monkeypatch.setattr(symbols_command, "exchange_at", lambda venue: sync)
        return sync

    def test_sync_says_what_there_is_in_one_line(self) -> None:
        said = "mock: 3 symbols, 3 of them trade; 3 new, turned off; 0 delisted."
        assert run("symbols", "sync", "--dry-run") == f"{said} Dry run: nothing was changed.\n"
        assert not Symbol.objects.exists()
        assert run("symbols", "sync") == f"{said}\n"
        assert run("symbols", "sync", "--quote", "btc") == (
            "mock: 1 symbol quoted in BTC, 1 of them trades; 0 new, turned off; 0 delisted.\n"
        )

    def test_unknown_quote_is_told(self) -> None:
        with pytest.raises(CommandError, match="mock lists no symbols quoted in XYZ"):
            run("symbols", "sync", "--quote", "XYZ")

    def test_exchange_that_is_away_is_one_line(self, sync: ListingExchange) -> None:
        sync.symbols = []
        with pytest.raises(CommandError, match="mock did not return its symbols"):
            run("symbols", "sync")

    def test_list_shows_each_with_its_settings(self, symbol: Symbol) -> None:
        run("symbols", "sync")
        assert run("symbols", "list", "--on").splitlines() == [
            "SYMBOL   TRADING  PROFILE  BUDGET            STATUS AT MOCK",
            "ETHUSDT  on       -        200 USDT, 1 slot  TRADING",
        ]
        assert run("symbols", "list", "--quote", "usdt", "--names") == "BTCUSDT\nETHUSDT\n"
        assert "ETHBTC   off      -        0.012 BTC, 3 slots  TRADING" in run("symbols", "list")

    def test_an_empty_list_says_so(self, symbol: Symbol) -> None:
        assert run("symbols", "list", "--quote", "EUR").startswith("No matching symbols.")

    def test_apply_gives_many_a_profile(self, symbol: Symbol) -> None:
        run("symbols", "sync")
        TradingSettings.objects.update(budget=D(600))
        said = run("symbols", "apply", "careful", "--quote", "USDT")
        assert said == "careful: applied to 2 symbols, from the next cycle.\n"
        rows = {row.symbol.name: of_strategy(row, "buy_down_interval") for row in TradingSettings.objects.all()}
        assert rows == {"ETHUSDT": D("0.005"), "BTCUSDT": D("0.005"), "ETHBTC": D("0.0005")}
        assert "applied to 1 symbol" in run("symbols", "apply", "lively", "--on")
        assert run("symbols", "list", "--on").splitlines()[1].split()[:3] == ["ETHUSDT", "on", "lively"]
        assert "applied to 1 symbol" in run("symbols", "apply", "lively", "ethbtc")
        Profile.objects.create(name="safe", values={"max_open_orders": 4})
        assert run("symbols", "apply", "safe", "--on") == "safe: applied to 1 symbol, immediately.\n"
        assert SymbolProtections.objects.get().max_open_orders == 4

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (
                ("brave", "ETHUSDT"),
                "Unknown profile brave. Available: careful, lively.",
            ),
            (("careful",), "Name symbols"),
            (("careful", "NOPE"), "Unknown symbols: NOPE"),
        ],
    )
    def test_what_can_not_be_applied_is_told(self, symbol: Symbol, arguments: tuple[str, ...], told: str) -> None:
        with pytest.raises(CommandError, match=told):
            run("symbols", "apply", *arguments)
