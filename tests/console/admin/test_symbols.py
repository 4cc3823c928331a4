"""Symbols in the admin: added by name, turned on and off, and their settings in per cent."""

from dataclasses import dataclass
from decimal import Decimal as D

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.admin.strategy_form import shared_field
from hedgehog_project.venues import Market, Venue
from streamer.models import wanted
from tests.support.settings import give, of_strategy
from tests.trading.conftest import make_symbol
from trading.core.fees import Fees
from trading.exchange.errors import KeyRejected, Refused
from trading.exchange.protocol import ListedSymbol
from trading.models import Listing, Symbol, TradingSettings
from trading.models.symbols import TradingStatus
from trading.risk import balances
from trading.symbols import listings, turning

pytestmark = pytest.mark.django_db

LIST = "/admin/trading/symbol/"


def turn(client: Client, symbol: Symbol, what: str, state: str) -> str:
    url = reverse("admin:trading_symbol_turn", args=(symbol.pk, what, state))
    return client.post(url, follow=True).content.decode()


def is_on(symbol: Symbol) -> bool:
    return TradingSettings.objects.get(symbol=symbol).status == TradingStatus.ON


@dataclass
class Exchange:
    """Knows one symbol."""

    name: str = "XRPUSDT"

    def listed(self, name: str) -> ListedSymbol:
        if name != self.name:
            raise Refused("-1121 Invalid symbol.")
        return ListedSymbol(
            symbol=name,
            base_asset="XRP",
            quote_asset="USDT",
            status="TRADING",
            tick_size=D("0.0001"),
            step_size=D("0.1"),
            min_price=D(0),
            max_price=D(0),
            min_quantity=D("0.1"),
            max_quantity=D(0),
            min_notional=D(5),
            max_notional=D(0),
            filters=[],
        )

    def all_listed(self) -> list[ListedSymbol]:
        return [self.listed(self.name)]

    def fees(self, name: str) -> Fees:
        return Fees()


class TestTurning:
    def test_each_row_has_its_switches(self, admin_client: Client, symbol: Symbol) -> None:
        shown = admin_client.get(LIST).content.decode()
        assert f'formaction="/admin/trading/symbol/{symbol.pk}/trading/off/"' in shown
        assert f'formaction="/admin/trading/symbol/{symbol.pk}/streaming/on/"' in shown

    def test_trading_on_also_streams_and_is_logged(self, admin_client: Client, symbol: Symbol) -> None:
        turning.set_trading(symbol, False)
        assert "ETHUSDT: trading is on." in turn(admin_client, symbol, "trading", "on")
        assert is_on(symbol)
        assert wanted(Market.MOCK) == {"ETHUSDT"}
        assert LogEntry.objects.get().change_message == "Trading set to on."
        turn(admin_client, symbol, "trading", "off")
        assert not is_on(symbol)
        turn(admin_client, symbol, "streaming", "off")
        assert wanted(Market.MOCK) == set()

    def test_what_cannot_work_is_told_and_stays_off(self, admin_client: Client, symbol: Symbol) -> None:
        turning.set_trading(symbol, False)
        TradingSettings.objects.filter(symbol=symbol).update(budget=D(4))
        told = turn(admin_client, symbol, "trading", "on")
        assert "below the min notional of ETHUSDT at mock, 5" in told
        assert not is_on(symbol)
        assert not LogEntry.objects.exists()

    def test_action_turns_the_chosen_and_tells_what_failed(self, admin_client: Client, symbol: Symbol) -> None:
        poor = make_symbol("BTCUSDT")
        TradingSettings.objects.update(status=TradingStatus.OFF)
        TradingSettings.objects.filter(symbol=poor).update(budget=D(4))
        chosen = {"action": "trading_on", "_selected_action": [symbol.pk, poor.pk]}
        told = admin_client.post(LIST, chosen, follow=True).content.decode()
        assert (is_on(symbol), is_on(poor)) == (True, False)
        assert "BTCUSDT: With 1 slot the order size is 4 USDT" in told
        admin_client.post(LIST, {"action": "streaming_off", "_selected_action": [symbol.pk]})
        assert wanted(Market.MOCK) == set()

    def test_a_link_alone_turns_nothing(self, admin_client: Client, symbol: Symbol) -> None:
        url = reverse("admin:trading_symbol_turn", args=(symbol.pk, "trading", "off"))
        assert admin_client.get(url).status_code == 405
        forged = Client(enforce_csrf_checks=True)
        forged.force_login(User.objects.get(username="admin"))
        assert forged.post(url).status_code == 403
        assert is_on(symbol)

    def test_who_may_only_look_turns_nothing(self, client: Client, symbol: Symbol) -> None:
        viewer = User.objects.create_user("viewer", password="x", is_staff=True)
        viewer.user_permissions.set(Permission.objects.filter(codename="view_symbol"))
        client.force_login(viewer)
        assert "formaction" not in client.get(LIST).content.decode()
        url = reverse("admin:trading_symbol_turn", args=(symbol.pk, "trading", "off"))
        assert client.post(url).status_code == 403
        assert is_on(symbol)

    def test_only_known_switches_turn(self, admin_client: Client, symbol: Symbol) -> None:
        for what, state in (("flying", "on"), ("trading", "maybe")):
            url = reverse("admin:trading_symbol_turn", args=(symbol.pk, what, state))
            assert admin_client.post(url).status_code == 403


class TestAdding:
    @pytest.fixture(autouse=True)
    def exchange(self, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
        monkeypatch.setattr(listings, "exchange_at", lambda venue: Exchange())

    def add(self, client: Client, name: str) -> str:
        return client.post(f"{LIST}add/", {"name": name}, follow=True).content.decode()

    def test_asks_the_exchange_and_begins_turned_off(self, admin_client: Client) -> None:
        shown = self.add(admin_client, " xrpusdt ")
        symbol = Symbol.objects.get()
        assert (symbol.name, symbol.base_asset, symbol.quote_asset) == ("XRPUSDT", "XRP", "USDT")
        assert not is_on(symbol)
        assert Listing.objects.get().step_size == D("0.1")
        assert "XRPUSDT added" in shown

    def test_symbol_that_is_here_is_not_added_again(self, admin_client: Client) -> None:
        self.add(admin_client, "XRPUSDT")
        TradingSettings.objects.update(budget=D(70), status=TradingStatus.ON)
        entries = LogEntry.objects.count()
        shown = self.add(admin_client, "xrpusdt")
        assert "XRPUSDT was added before; nothing was changed." in shown
        assert "turn trading on" not in shown
        assert LogEntry.objects.count() == entries
        assert TradingSettings.objects.values_list("budget", "status").get() == (D(70), TradingStatus.ON)

    def test_unknown_symbol_is_told_in_the_form(self, admin_client: Client) -> None:
        assert "mock does not list NOPE" in self.add(admin_client, "NOPE")
        assert not Symbol.objects.exists()

    def test_rejected_key_is_not_taken_for_an_unknown_symbol(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def rejects(exchange: Exchange, name: str) -> ListedSymbol:
            raise KeyRejected("The key is not valid here", -2014)

        monkeypatch.setattr(Exchange, "listed", rejects)
        assert "The key is not valid here" in self.add(admin_client, "XRPUSDT")
        assert not Symbol.objects.exists()

    @pytest.mark.parametrize("name", ["ETH/USDT", "ETH USDT", "", "ÜSDT", "<b>"])
    def test_what_is_no_symbol_is_not_even_asked(self, admin_client: Client, name: str) -> None:
        shown = self.add(admin_client, name)
        assert "letters and digits only" in shown or "This field is required" in shown
        assert "<b>" not in shown.split("<form")[-1]
        assert not Symbol.objects.exists()

    def test_exchange_out_of_reach_is_told(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()  # The real client, and nothing listens at the mock's port.
        assert "mock does not answer about XRPUSDT: Exchange unreachable: " in self.add(admin_client, "XRPUSDT")


class TestSettings:
    def save(self, client: Client, symbol: Symbol, **values: str) -> str:
        fields = {"max_slots": "3", "budget": "600", "buy_down_interval": "0.05", "profit_interval": "0.05", **values}
        data = {f"settings-0-{name}": value for name, value in fields.items()}
        row = TradingSettings.objects.get(symbol=symbol)
        data |= {"settings-0-id": str(row.pk), "settings-0-symbol": str(symbol.pk)}
        data |= {"settings-TOTAL_FORMS": "1", "settings-INITIAL_FORMS": "1"}
        data |= {"protections-TOTAL_FORMS": "0", "protections-INITIAL_FORMS": "0"}
        data |= {"listings-TOTAL_FORMS": "0", "listings-INITIAL_FORMS": "0"}
        return client.post(f"{LIST}{symbol.pk}/change/", data, follow=True).content.decode()

    def test_intervals_are_shown_and_taken_in_per_cent_exactly(self, admin_client: Client, symbol: Symbol) -> None:
        give(TradingSettings.objects.filter(symbol=symbol), buy_down_interval=D("0.00000001"))
        shown = admin_client.get(f"{LIST}{symbol.pk}/change/").content.decode()
        assert 'name="settings-0-buy_down_interval" value="0.000001"' in shown
        assert 'name="settings-0-profit_interval" value="0.1"' in shown
        assert "apply from the next cycle" in shown
        self.save(admin_client, symbol, buy_down_interval="0.123457", profit_interval="1.5 %", budget="612.00000001")
        row = TradingSettings.objects.get(symbol=symbol)
        assert row.strategy_settings["buy_down_interval"] == "0.00123457"
        assert of_strategy(row, "profit_interval") == D("0.015")
        assert (row.budget, row.max_slots) == (D("612.00000001"), 3)

    def test_budget_above_the_account_is_saved_with_a_warning(self, admin_client: Client, symbol: Symbol) -> None:
        warning = (
            "The budget of 1001 USDT is more than the account at mock has: 1000 USDT free plus 0 in use by ETHUSDT."
        )
        assert warning not in self.save(admin_client, symbol, budget="1001"), "nobody knows what the account has"
        balances.keep(Venue.MOCK, {"USDT": (D(1000), D(0))}, timezone.now())
        assert "more than the account" not in self.save(admin_client, symbol, budget="1000")
        assert warning in self.save(admin_client, symbol, budget="1001")
        assert TradingSettings.objects.get(symbol=symbol).budget == D(1001)

    def test_saving_does_not_turn_trading_on_or_off(self, admin_client: Client, symbol: Symbol) -> None:
        self.save(admin_client, symbol)
        assert is_on(symbol)
        turning.set_trading(symbol, False)
        self.save(admin_client, symbol)
        assert not is_on(symbol)

    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("buy_down_interval", "-1", "Must be above 0 % and below 50 %"),
            ("buy_down_interval", "50", "Must be above 0 % and below 50 %"),
            ("profit_interval", "100", "Must be above 0 % and below 100 %"),
            ("profit_interval", "0", "Must be above 0 % and below 100 %"),
            ("profit_interval", "0.0000001", "Max 6 decimal places"),
            ("profit_interval", "much", "Enter a number"),
            ("profit_interval", "NaN", "Enter a number"),
            ("profit_interval", "sNaN", "Enter a number"),
            ("budget", "sNaN", "Enter a number"),
            ("budget", "0", "Must be above 0"),
            ("budget", "0.000000001", "no more than 8 decimal places"),
            ("budget", "1e30", "Must be at most 90000000000."),
            ("budget", "14", "raise the budget above 15"),
            ("max_slots", "0", "Must be at least 1 and at most 100."),
            ("max_slots", "-1", "Must be at least 1 and at most 100."),
            ("max_slots", "101", "Must be at least 1 and at most 100."),
            ("balance_share", "500", "Must be above 0 % and at most 100 %."),
            ("balance_share", "0", "Must be above 0 % and at most 100 %."),
        ],
    )
    def test_absurd_values_are_told_and_nothing_changes(
        self, admin_client: Client, symbol: Symbol, field: str, value: str, told: str
    ) -> None:
        before = TradingSettings.objects.values().get(symbol=symbol)
        assert told in self.save(admin_client, symbol, **{field: value})
        assert TradingSettings.objects.values().get(symbol=symbol) == before

    def test_what_is_left_empty_stays_what_it_is(self, admin_client: Client, symbol: Symbol) -> None:
        before = TradingSettings.objects.values("sizing", "slots", "balance_share").get(symbol=symbol)
        self.save(admin_client, symbol, sizing="", slots="", balance_share="", budget="777")
        assert TradingSettings.objects.values("sizing", "slots", "balance_share").get(symbol=symbol) == before
        assert TradingSettings.objects.get(symbol=symbol).budget == D(777)

    def test_unchanged_per_cent_is_no_change(self) -> None:
        field = shared_field("profit_interval")
        assert not field.has_changed(D("0.0005"), "0.05")
        assert not field.has_changed(D("0.0005"), "0.050")
        assert field.has_changed(D("0.0005"), "0.06")


def test_symbols_are_never_deleted(admin_client: Client, symbol: Symbol) -> None:
    assert admin_client.post(f"{LIST}{symbol.pk}/delete/", {"post": "yes"}).status_code == 403
    admin_client.post(LIST, {"action": "delete_selected", "_selected_action": [symbol.pk], "post": "yes"})
    assert Symbol.objects.filter(pk=symbol.pk).exists()


@pytest.mark.parametrize(
    ("shown", "names"),
    [
        ("all", ["BTCUSDT", "ETHUSDT", "XRPUSDT"]),
        ("trading", ["ETHUSDT"]),
        ("feed", ["BTCUSDT", "ETHUSDT"]),
        ("streaming", ["BTCUSDT", "ETHUSDT"]),  # its old name
    ],
)
def test_tabs_part_the_symbols(admin_client: Client, symbol: Symbol, shown: str, names: list[str]) -> None:
    turning.set_trading(symbol, True)
    turning.set_streaming(listings.named("BTCUSDT"), True)
    listings.named("XRPUSDT")
    listed = admin_client.get(f"{LIST}?show={shown}").context["cl"].result_list
    assert [row.name for row in listed] == names


@pytest.mark.parametrize(
    ("fees", "words"),
    [
        (Fees(), "0.1 %"),
        (Fees(D(0), D("0.001"), D(0), D("0.001")), "0 % maker, 0.1 % taker"),
        (Fees.flat(D("0.0021")), "0.21 %"),
        (Fees(D("0.001"), D("0.001"), D("0.0026"), D("0.0026")), "buys 0.1 %; sells 0.26 %"),
    ],
)
def test_a_listing_shows_what_each_side_pays(admin_client: Client, symbol: Symbol, fees: Fees, words: str) -> None:
    Listing.objects.update(**listings.fee_columns(fees))
    for page in (f"{LIST}{symbol.pk}/change/", "/admin/trading/listing/"):
        assert words in admin_client.get(page).content.decode()
