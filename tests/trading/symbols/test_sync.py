"""Every symbol of an exchange: seeded, kept fresh by the hundred, marked when gone."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from hedgehog_project.venues import Venue
from tests.support.exchanges.listed import ListingExchange, listed
from tests.trading.conftest import make_symbol
from trading import leader
from trading.core.fees import Fees
from trading.exchange.errors import ExchangeError
from trading.models import Listing, Symbol, Trader, TradingSettings
from trading.models.symbols import GONE, TradingStatus, filters_of, forget_filters
from trading.symbols import listings, refreshing, sync, turning

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

EVERY = [listed("ETH"), listed("BTC"), listed("ETH", "BTC", min_notional="0.0001"), listed("OLD", status="BREAK")]


def synced(exchange: ListingExchange, **options: Any) -> sync.Synced:
    return sync.sync(Venue.MOCK, exchange, **options)  # type: ignore[arg-type]


def refresh(exchange: ListingExchange) -> None:
    refreshing.refresh_listings(lambda venue: exchange)  # type: ignore[arg-type, return-value]


def test_every_symbol_gets_settings_and_stays_off() -> None:
    assert synced(ListingExchange(EVERY)) == sync.Synced(listed=4, trading=3, new=4, gone=0)
    rows = TradingSettings.objects.select_related("symbol").order_by("symbol__name")
    assert [(row.symbol.name, row.status) for row in rows] == [
        ("BTCUSDT", "off"),
        ("ETHBTC", "off"),
        ("ETHUSDT", "off"),
        ("OLDUSDT", "off"),
    ]
    ether = Listing.objects.get(symbol__name="ETHUSDT", venue="mock")
    assert (ether.tick_size, ether.step_size, ether.status) == (D("0.01"), D("0.001"), "TRADING")
    assert (ether.fees, ether.fee_asked_at) == (Fees.flat(D("0.001")), None)
    assert Symbol.objects.get(name="ETHBTC").quote_asset == "BTC"


def test_budget_is_in_proportion_to_what_the_quote_asset_is_worth() -> None:
    synced(ListingExchange(EVERY))
    budgets = dict(TradingSettings.objects.values_list("symbol__name", "budget"))
    assert budgets == {"ETHUSDT": D(600), "BTCUSDT": D(600), "OLDUSDT": D(600), "ETHBTC": D("0.012")}


def test_one_quote_asset_alone_can_be_seeded() -> None:
    assert synced(ListingExchange(EVERY), quote="BTC").new == 1
    assert list(Symbol.objects.values_list("name", flat=True)) == ["ETHBTC"]


def test_dry_run_counts_the_same_and_writes_nothing() -> None:
    dry = synced(ListingExchange(EVERY), dry_run=True)
    assert not Symbol.objects.exists()
    assert synced(ListingExchange(EVERY)) == dry


def test_again_changes_no_settings_and_refreshes_the_filters(symbol: Symbol) -> None:
    Listing.objects.update(**listings.fee_columns(Fees.flat(D("0.0002"))))
    assert synced(ListingExchange(EVERY)).new == 3
    settings = TradingSettings.objects.get(symbol=symbol)
    assert (settings.status, settings.budget, settings.max_slots) == ("on", D(200), 1)
    listing = Listing.objects.get(symbol=symbol)
    assert (listing.step_size, listing.fees) == (D("0.001"), Fees.flat(D("0.0002")))
    assert synced(ListingExchange(EVERY)) == sync.Synced(listed=4, trading=3, new=0, gone=0)


def test_symbol_that_is_gone_is_marked_and_comes_back(symbol: Symbol) -> None:
    synced(ListingExchange(EVERY))
    assert synced(ListingExchange(EVERY[1:])).gone == 1
    # One answer may be a moment's.
    assert Listing.objects.get(symbol=symbol).status == "TRADING"
    not_found_a_while_ago(symbol)
    assert synced(ListingExchange(EVERY[1:])).gone == 1
    listing = Listing.objects.get(symbol=symbol)
    assert listing.status == GONE
    assert not listing.symbol_filters().is_trading
    assert TradingSettings.objects.filter(symbol=symbol).exists()
    assert synced(ListingExchange(EVERY[1:])).gone == 0  # It is told once.
    synced(ListingExchange(EVERY))
    assert Listing.objects.get(symbol=symbol).status == "TRADING"


def test_other_quote_assets_are_not_taken_for_gone() -> None:
    synced(ListingExchange(EVERY))
    assert synced(ListingExchange(EVERY), quote="BTC").gone == 0


def test_exchange_without_symbols_marks_nothing_as_gone(symbol: Symbol) -> None:
    with pytest.raises(ExchangeError):
        synced(ListingExchange([]))
    assert Listing.objects.get().status == "TRADING"


def test_two_thousand_symbols_are_seeded_in_few_queries(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    seen: list[tuple[int, int]] = []
    many = [listed(f"A{n}") for n in range(2000)]
    # Ten batches of about ten queries each, with those of the transactions; SQLite splits large ones.
    with django_assert_max_num_queries(400):
        sync.sync(Venue.MOCK, ListingExchange(many), progress=lambda done, of: seen.append((done, of)))  # type: ignore[arg-type]
    assert seen[-1] == (2000, 2000)
    assert len(seen) == 2000 // sync.BATCH
    assert TradingSettings.objects.filter(status="off").count() == 2000


class TestKeepingFresh:
    @pytest.fixture
    def many(self, db: None, redis_client: Any) -> list[Symbol]:
        """Twelve symbols that are on, whose listings are old."""
        made = [make_symbol(f"A{n}USDT") for n in range(12)]
        Listing.objects.update(refreshed_at=timezone.now() - timedelta(hours=1))
        return made

    def test_many_are_asked_about_in_one_question(self, many: list[Symbol]) -> None:
        exchange = ListingExchange([listed(symbol.base_asset) for symbol in many])
        refresh(exchange)
        assert (exchange.asked_all, exchange.asked) == (1, [])
        assert not Listing.objects.exclude(step_size=D("0.001")).exists()
        refresh(exchange)
        assert exchange.asked_all == 1

    def test_many_that_were_turned_on_by_name_alone_learn_their_assets_before_they_trade(
        self, many: list[Symbol]
    ) -> None:
        Symbol.objects.update(base_asset="", quote_asset="")
        Listing.objects.update(refreshed_at=timezone.now())
        forget_filters()
        assert filters_of(many[0].pk, Venue.MOCK) is None
        exchange = ListingExchange([listed(symbol.base_asset) for symbol in many])
        refresh(exchange)
        assert list(Symbol.objects.order_by("pk").values_list("base_asset", "quote_asset")) == [
            (symbol.base_asset, "USDT") for symbol in many
        ]
        filters = filters_of(many[0].pk, Venue.MOCK)
        assert filters is not None
        assert (filters.base_asset, filters.quote_asset) == ("A0", "USDT")

    def test_fees_are_asked_a_few_at_a_time_until_all_are_known(self, many: list[Symbol]) -> None:
        exchange = ListingExchange([listed(symbol.base_asset) for symbol in many])
        refresh(exchange)
        assert len(exchange.fees_asked) == sync.MAX_FEES
        refresh(exchange)
        refresh(exchange)
        assert sorted(exchange.fees_asked) == sorted(symbol.name for symbol in many)
        assert {listing.fees for listing in Listing.objects.all()} == {Fees.flat(D("0.00075"))}

    def test_full_budget_ends_the_questions_for_now(self, many: list[Symbol]) -> None:
        exchange = ListingExchange([listed(symbol.base_asset) for symbol in many], fees_left=2)
        refresh(exchange)
        assert len(exchange.fees_asked) == 2
        assert Listing.objects.filter(fee_asked_at=None).count() == 10

    def test_one_that_is_gone_is_marked_and_not_asked_about_all_the_time(self, many: list[Symbol]) -> None:
        exchange = ListingExchange([listed(symbol.base_asset) for symbol in many[1:]])
        refresh(exchange)
        not_found_a_while_ago(many[0])
        Listing.objects.update(refreshed_at=timezone.now() - timedelta(hours=1))
        refresh(exchange)
        assert Listing.objects.get(symbol=many[0]).status == GONE
        Listing.objects.update(refreshed_at=timezone.now() - listings.FRESH_WHILE_HALTED)
        refresh(exchange)
        assert (exchange.asked_all, exchange.asked) == (2, [])

    def test_one_that_is_gone_is_asked_about_as_often_as_a_halted_one_while_a_trader_lives_there(
        self, trader: Trader
    ) -> None:
        exchange = ListingExchange([listed("BTC")])
        Listing.objects.update(status=GONE, refreshed_at=timezone.now() - listings.FRESH_WHILE_HALTED)
        refresh(exchange)
        assert exchange.asked == ["ETHUSDT"]

    def test_a_single_one_is_gone_after_two_answers(self, symbol: Symbol) -> None:
        Listing.objects.update(refreshed_at=timezone.now() - timedelta(hours=1))
        exchange = ListingExchange([listed("BTC")])
        refresh(exchange)
        assert (exchange.asked, Listing.objects.get().status) == (["ETHUSDT"], "TRADING")
        not_found_a_while_ago(symbol)
        refresh(exchange)
        assert (exchange.asked, Listing.objects.get().status) == (["ETHUSDT"] * 2, GONE)

    def test_one_that_was_denied_for_a_moment_trades_on(self, symbol: Symbol) -> None:
        an_hour_ago = timezone.now() - timedelta(hours=1)
        Listing.objects.update(not_found_at=an_hour_ago, refreshed_at=an_hour_ago)
        exchange = ListingExchange([listed("ETH")])
        refresh(exchange)
        row = Listing.objects.get()
        assert (exchange.asked, row.status, row.not_found_at) == (["ETHUSDT"], "TRADING", None)


def not_found_a_while_ago(symbol: Symbol) -> None:
    denied = Listing.objects.filter(symbol=symbol, not_found_at__isnull=False)
    assert denied.update(not_found_at=timezone.now() - listings.GONE_AFTER) == 1


def test_known_symbols_are_not_asked_about_again(symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = ListingExchange([listed("ETH")])
    monkeypatch.setattr(listings, "exchange_at", lambda venue: exchange)
    assert sync.known(["ethusdt", "ETHUSDT "]) == [symbol]
    assert exchange.asked == []
    Listing.objects.update(refreshed_at=timezone.now() - listings.FRESH)
    assert sync.known(["ETHUSDT"]) == [symbol]
    assert exchange.asked == ["ETHUSDT"]


class TestKnown:
    """Several hundred at a time: one by one they would take the whole request weight of several minutes."""

    @pytest.fixture
    def exchange(self, monkeypatch: pytest.MonkeyPatch) -> ListingExchange:
        exchange = ListingExchange(
            [listed("ETH"), *(listed(f"A{n}") for n in range(300)), listed("OLD", status="BREAK")]
        )
        monkeypatch.setattr(listings, "exchange_at", lambda venue: exchange)
        monkeypatch.setattr(sync, "exchange_at", lambda venue: exchange)
        return exchange

    def test_many_are_asked_about_in_one_question(
        self, symbol: Symbol, exchange: ListingExchange, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        names = ["ETHUSDT", "OLDUSDT", *(f"A{n}USDT" for n in range(299))]
        with django_assert_max_num_queries(40):
            assert [each.name for each in sync.known(names)] == names
        assert (exchange.asked_all, exchange.asked, exchange.fees_asked) == (1, [], [])
        assert Listing.objects.filter(venue="mock").count() == 301
        assert set(TradingSettings.objects.exclude(symbol=symbol).values_list("status", "budget")) == {
            ("off", D(600))
        }
        assert TradingSettings.objects.get(symbol=symbol).status == "on"
        assert not Symbol.objects.filter(name="A299USDT").exists()

    def test_all_that_are_unknown_are_named_and_none_is_made(self, exchange: ListingExchange) -> None:
        with pytest.raises(ValidationError, match="mock does not list ETHUSD, BTCUSDX"):
            sync.known(["ETHUSDT", "ETHUSD", "BTCUSDX"])
        assert not Symbol.objects.exists()

    def test_exchange_that_is_away_is_told(self, exchange: ListingExchange) -> None:
        exchange.symbols = []
        with pytest.raises(ValidationError, match=r"mock does not answer about 3 symbols: .* Is it running"):
            sync.known(["ETHUSDT", "A1USDT", "A2USDT"])


class TestShutdown:
    def test_turns_off_after_the_last_cycle(self, trader: Trader) -> None:
        turning.turn([trader.symbol], TradingStatus.SHUTDOWN, cancel_orders=True)
        assert turning.end_shutdowns() == 0
        Trader.objects.update(state="FINISHED", finished_at=timezone.now())
        assert turning.end_shutdowns() == 1
        row = TradingSettings.objects.get(symbol=trader.symbol)
        assert (row.status, row.cancel_orders) == ("off", False)

    def test_a_cycle_at_another_venue_is_waited_for(self, trader: Trader) -> None:
        Trader.objects.update(venue=Venue.TESTNET)
        turning.turn([trader.symbol], TradingStatus.SHUTDOWN)
        assert turning.end_shutdowns() == 0

    def test_the_leader_retires_who_has_not_bought_replaces_nobody_and_turns_off(self, symbol: Symbol) -> None:
        TradingSettings.objects.update(max_slots=3)
        leader.fill_slots()
        before = Trader.objects.filter(finished_at=None).count()
        assert before >= 1
        turning.turn([symbol], TradingStatus.SHUTDOWN)
        leader.fill_slots()
        assert not Trader.objects.filter(finished_at=None).exists()
        assert Trader.objects.count() == before
        assert TradingSettings.objects.get().status == TradingStatus.OFF

    def test_turned_on_again_meanwhile_it_stays_on(self, symbol: Symbol) -> None:
        turning.turn([symbol], TradingStatus.SHUTDOWN)
        turning.turn([symbol], TradingStatus.ON)
        assert turning.end_shutdowns() == 0
        assert TradingSettings.objects.get().status == TradingStatus.ON


def test_hundreds_are_turned_on_in_few_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    synced(ListingExchange([listed(f"A{n}") for n in range(600)]))
    poor = TradingSettings.objects.get(symbol__name="A7USDT")
    TradingSettings.objects.filter(pk=poor.pk).update(budget=D(4))
    every = list(Symbol.objects.all())
    with django_assert_max_num_queries(20):
        problems = turning.turn(every, TradingStatus.ON)
    assert list(problems) == ["A7USDT"]
    assert TradingSettings.objects.filter(status="on").count() == 599
    assert len(turning.is_streaming([symbol.name for symbol in every], "mock")) == 599
