"""The admin with thousands of symbols: changed, shut down and filtered by the hundred, in few queries."""

from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.support.exchanges.listed import ListingExchange, listed
from tests.support.rows import make_order, make_story, make_trader
from tests.support.settings import give, of_strategy
from tests.trading.conftest import make_symbol
from trading.models import Listing, Profile, Symbol, SymbolProtections, TradingSettings
from trading.models.symbols import GONE, TradingStatus
from trading.risk import kill_switch
from trading.symbols import sync, turning

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("seeded_profiles")]

LIST = "/admin/trading/symbol/"
PROFILES = "/admin/trading/profile/"


@pytest.fixture
def thousands(symbol: Symbol) -> Symbol:
    """Two thousand symbols beside the one that is on, seeded as by a sync."""
    sync.sync("mock", ListingExchange([listed("ETH"), *(listed(f"A{n}") for n in range(2000))]))  # type: ignore[arg-type]
    return symbol


def settings_of(symbol: Symbol) -> TradingSettings:
    return TradingSettings.objects.get(symbol=symbol)


def act(client: Client, action: str, *chosen: Symbol, **values: str) -> str:
    data = {"action": action, "_selected_action": [symbol.pk for symbol in chosen], **values}
    return client.post(LIST, data, follow=True).content.decode()


class TestThousands:
    def test_a_page_of_the_list_is_few_queries(
        self, admin_client: Client, thousands: Symbol, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_max_num_queries(25):
            shown = admin_client.get(LIST)
        assert len(shown.context["cl"].result_list) == 100
        assert shown.context["cl"].result_count == 2001

    def test_all_that_match_are_changed_in_few_queries(
        self, admin_client: Client, thousands: Symbol, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        one = Symbol.objects.get(name="A7USDT")
        asked = act(admin_client, "change_settings", one, select_across="1")
        assert "Change 2001 symbols" in asked
        assert 'name="select_across" value="1"' in asked
        # As many as the batches of rows need, whatever the number of symbols: 2,001 rows each of settings and log.
        with django_assert_max_num_queries(80):
            act(admin_client, "change_settings", one, select_across="1", apply="yes", profit_interval="0.25")
        assert {of_strategy(row, "profit_interval") for row in TradingSettings.objects.all()} == {D("0.0025")}

    def test_start_page_shows_only_what_somebody_cares_for(self, admin_client: Client, thousands: Symbol) -> None:
        shown = admin_client.get("/admin/").content.decode()
        assert "ETHUSDT" in shown
        assert "A7USDT" not in shown

    def test_all_are_turned_on_and_shut_down_in_few_queries(
        self, admin_client: Client, thousands: Symbol, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_max_num_queries(63):  # The list that follows asks for its reader's saved filters as well.
            told = act(admin_client, "trading_on", thousands, select_across="1")
        assert "and 1996 more: trading is on." in told
        assert TradingSettings.objects.filter(status=TradingStatus.ON).count() == 2001
        act(admin_client, "trading_shutdown", thousands, select_across="1")
        assert TradingSettings.objects.filter(status=TradingStatus.SHUTDOWN).count() == 2001


class TestChanging:
    def test_form_says_when_it_applies_and_leaves_all_as_it_is(self, admin_client: Client, symbol: Symbol) -> None:
        asked = act(admin_client, "change_settings", symbol)
        assert "Changes apply from the next cycle; running cycles keep their settings" in asked
        assert asked.count('placeholder="unchanged"') >= 4

    def test_only_what_is_filled_in_changes(self, admin_client: Client, symbol: Symbol) -> None:
        other = make_symbol("BTCUSDT")
        make_trader(symbol)
        told = act(admin_client, "change_settings", symbol, other, apply="yes", budget="300", profit_interval="0.3 %")
        assert "2 symbols changed, from the next cycle; 1 running cycle keeps the old settings." in told
        for row in TradingSettings.objects.all():
            assert (row.budget, of_strategy(row, "profit_interval")) == (D(300), D("0.003"))
            assert (of_strategy(row, "buy_down_interval"), row.max_slots, row.status) == (D("0.001"), 1, "on")
        assert LogEntry.objects.count() == 2

    def test_profile_is_applied_and_noted(self, admin_client: Client, symbol: Symbol) -> None:
        TradingSettings.objects.update(budget=D(600))
        careful = Profile.objects.get(name="careful")
        act(admin_client, "change_settings", symbol, apply="yes", profile=str(careful.pk))
        row = settings_of(symbol)
        assert (row.profile, row.max_slots, of_strategy(row, "buy_down_interval")) == (careful, 5, D("0.005"))
        listed = admin_client.get(f"{LIST}?settings__profile__id__exact={careful.pk}").context["cl"].result_list
        assert [shown.name for shown in listed] == ["ETHUSDT"]

    def test_what_is_filled_in_weighs_more_than_the_profile(self, admin_client: Client, symbol: Symbol) -> None:
        TradingSettings.objects.update(budget=D(600))
        careful = Profile.objects.get(name="careful")
        act(admin_client, "change_settings", symbol, apply="yes", profile=str(careful.pk), max_slots="2")
        row = settings_of(symbol)
        assert (row.profile, row.max_slots, of_strategy(row, "buy_down_interval")) == (None, 2, D("0.005"))

    def test_an_optional_rule_can_be_emptied(self, admin_client: Client, symbol: Symbol) -> None:
        give(stop_loss_interval=D("0.02"))
        act(admin_client, "change_settings", symbol, apply="yes", empty="stop_loss_interval")
        assert of_strategy(settings_of(symbol), "stop_loss_interval") is None

    def test_sizing_and_protections_are_for_many_too(self, admin_client: Client, symbol: Symbol) -> None:
        make_trader(symbol)
        make_symbol("BTCUSDT")
        both = Symbol.objects.all()
        told = act(
            admin_client, "change_settings", *both, apply="yes", sizing="share", balance_share="5", max_exposure="90"
        )
        assert "2 symbols changed, from the next cycle, risk limits immediately; 1 running cycle keeps" in told
        assert set(TradingSettings.objects.values_list("sizing", "balance_share")) == {("share", D("0.05"))}
        assert list(SymbolProtections.objects.values_list("max_exposure", "cooldown_minutes")) == [(D(90), 60)] * 2
        assert "5 % of free USDT, 1 slot" in told
        told = act(admin_client, "change_settings", symbol, apply="yes", empty="max_exposure", deny_in_gaps="True")
        assert "1 symbol changed, immediately." in told
        assert "old settings" not in told
        row = SymbolProtections.objects.get(symbol=symbol)
        assert (row.max_exposure, row.deny_in_gaps) == (None, True)

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({}, "Change at least one field"),
            ({"profit_interval": "much"}, "Enter a number"),
            ({"max_slots": "0"}, "Must be at least 1 and at most 100."),
            ({"max_exposure": "-1"}, "Must be above 0"),
            ({"balance_share": "500"}, "Must be above 0 % and at most 100 %."),
            ({"balance_share": "0"}, "Must be above 0 % and at most 100 %."),
            ({"stop_loss_interval": "2", "empty": "stop_loss_interval"}, "not both"),
        ],
    )
    def test_what_can_not_be_is_told_in_the_form(
        self, admin_client: Client, symbol: Symbol, values: dict[str, str], told: str
    ) -> None:
        before = TradingSettings.objects.values().get()
        assert told in act(admin_client, "change_settings", symbol, apply="yes", **values)
        assert TradingSettings.objects.values().get() == before

    def test_traded_symbol_keeps_what_works_and_it_is_told(self, admin_client: Client, symbol: Symbol) -> None:
        told = act(admin_client, "change_settings", symbol, apply="yes", budget="3")
        assert "below the min notional of ETHUSDT at mock, 5" in told
        assert settings_of(symbol).budget == D(200)

    def test_who_may_only_look_changes_nothing(self, client: Client, symbol: Symbol) -> None:
        viewer = User.objects.create_user("viewer", password="x", is_staff=True)
        viewer.user_permissions.set(Permission.objects.filter(codename="view_symbol"))
        client.force_login(viewer)
        act(client, "change_settings", symbol, apply="yes", budget="300")
        act(client, "trading_shutdown", symbol)
        assert (settings_of(symbol).budget, settings_of(symbol).status) == (D(200), "on")


class TestTurning:
    def turn(self, client: Client, symbol: Symbol, state: str) -> str:
        url = reverse("admin:trading_symbol_turn", args=(symbol.pk, "trading", state))
        return client.post(url, follow=True).content.decode()

    def test_shutdown_is_shown_and_in_its_tab(self, admin_client: Client, symbol: Symbol) -> None:
        make_story(symbol)
        told = self.turn(admin_client, symbol, "shutdown")
        assert "ETHUSDT: trading is shutting down. 1 open order, 1 cycle with an open position." in told
        assert "Shutting down" in admin_client.get(f"{LIST}?show=shutdown").content.decode()
        assert len(admin_client.get(f"{LIST}?show=shutdown").context["cl"].result_list) == 1
        assert len(admin_client.get(f"{LIST}?show=trading").context["cl"].result_list) == 0
        assert len(admin_client.get(f"{LIST}?show=off").context["cl"].result_list) == 0
        assert "shutting down" in admin_client.get(f"{LIST}{symbol.pk}/change/").content.decode()

    def test_off_with_cancel_wants_orders_of_both_sides_back(self, admin_client: Client, symbol: Symbol) -> None:
        make_story(symbol)
        make_order(make_trader(symbol, 2))
        told = self.turn(admin_client, symbol, "off-cancel")
        assert "2 open orders, 2 of them are being cancelled, 1 cycle with an open position." in told
        assert {order.side for order in kill_switch.unwanted()} == {"BUY", "SELL"}
        assert LogEntry.objects.get().change_message == "Trading set to off-cancel."

    def test_shutdown_with_cancel_wants_the_buys_back(self, admin_client: Client, symbol: Symbol) -> None:
        make_story(symbol)
        make_order(make_trader(symbol, 2))
        told = act(admin_client, "trading_shutdown_and_cancel", symbol)
        assert "2 open orders, 1 of them is being cancelled, 1 cycle with an open position." in told
        assert [order.side for order in kill_switch.unwanted()] == ["BUY"]

    def test_turning_is_no_change_of_settings(self, symbol: Symbol) -> None:
        TradingSettings.objects.update(profile=Profile.objects.get(name="lively"))
        turning.turn([symbol], TradingStatus.OFF)
        assert settings_of(symbol).profile is not None


class TestProfiles:
    def test_list_says_what_each_sets_and_how_many_have_it(self, admin_client: Client, symbol: Symbol) -> None:
        TradingSettings.objects.update(profile=Profile.objects.get(name="lively"))
        shown = admin_client.get(PROFILES).content.decode()
        assert "take profit 0.5 %" in shown
        assert "interval" not in shown
        assert "?settings__profile__id__exact=" in shown

    def test_a_new_one_keeps_decimals_exact(self, admin_client: Client) -> None:
        values = {"name": "mine", "about": "For me.", "profit_interval": "0.123457", "empty": "stop_loss_interval"}
        told = admin_client.post(f"{PROFILES}add/", values, follow=True).content.decode()
        assert "mine saved. Symbols do not change" in told
        assert Profile.objects.get(name="mine").values == {
            "profit_interval": "0.00123457",
            "stop_loss_interval": None,
        }

    def test_one_of_protections_is_shown_as_it_was_saved(self, admin_client: Client) -> None:
        values = {"name": "safe", "max_daily_loss": "0.00000001", "max_consecutive_losses": "3", "compounds": "False"}
        admin_client.post(f"{PROFILES}add/", values)
        safe = Profile.objects.get(name="safe")
        assert safe.values == {"compounds": False, "max_daily_loss": "0.00000001", "max_consecutive_losses": 3}
        shown = admin_client.get(f"{PROFILES}{safe.pk}/change/").content.decode()
        assert 'value="0.00000001"' in shown
        assert "compound profits no, max daily loss 0.00000001, max consecutive losses 3" in (
            admin_client.get(PROFILES).content.decode()
        )

    def test_changing_one_shows_what_it_has_and_changes_no_symbol(self, admin_client: Client, symbol: Symbol) -> None:
        careful = Profile.objects.get(name="careful")
        page = f"{PROFILES}{careful.pk}/change/"
        assert 'name="buy_down_interval" value="0.5"' in admin_client.get(page).content.decode()
        before = settings_of(symbol).max_slots
        admin_client.post(page, {"name": "careful", "max_slots": "7"})
        careful.refresh_from_db()
        assert careful.values == {"max_slots": 7}
        assert settings_of(symbol).max_slots == before

    def test_two_of_one_name_are_told(self, admin_client: Client) -> None:
        told = admin_client.post(f"{PROFILES}add/", {"name": "careful"}, follow=True).content.decode()
        assert "A profile named careful already exists" in told


def test_old_word_that_a_symbol_is_halted_does_not_keep_it_off(symbol: Symbol) -> None:
    Listing.objects.update(status="BREAK", refreshed_at=timezone.now())
    assert "status BREAK" in turning.turn([symbol], TradingStatus.ON)[symbol.name]
    Listing.objects.update(refreshed_at=timezone.now() - timedelta(minutes=5))
    assert turning.turn([symbol], TradingStatus.ON) == {}
    Listing.objects.update(status=GONE)
    assert "status GONE" in turning.turn([symbol], TradingStatus.ON)[symbol.name]
