"""A strategy's settings in the admin: a form of its typed fields, kept as text, frozen by each new trader."""

import re
from decimal import Decimal as D
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from hedgehog_project.venues import Venue
from tests.support.pages.chromium import Browser
from tests.trading.conftest import make_symbol
from trading.models import Symbol, Trader, TradingSettings
from trading.strategies import naive, registry

FIELDS = {
    "max_slots": "1",
    "budget": "600",
    "buy_down_interval": "0.05",
    "profit_interval": "0.5",
    "rebuy_interval": "",
    "patient__down_interval": "0.25",
    "patient__max_price": "",
    "patient__trades": "1",
}


def save(client: Client, symbol: Symbol, **values: str) -> str:
    """Posts the page of a symbol with these settings, and with none of what else could be filled in there."""
    url = f"/admin/trading/symbol/{symbol.pk}/change/"
    inlines = re.findall(r'name="(\w+)-TOTAL_FORMS"', client.get(url).content.decode())
    data = {f"{each}-{which}_FORMS": "0" for each in inlines for which in ("TOTAL", "INITIAL")}
    data |= {f"settings-0-{name}": value for name, value in (FIELDS | values).items()}
    row = TradingSettings.objects.get(symbol=symbol)
    data |= {"settings-0-id": str(row.pk), "settings-0-symbol": str(symbol.pk)}
    data |= {"settings-TOTAL_FORMS": "1", "settings-INITIAL_FORMS": "1"}
    return unescape(client.post(url, data, follow=True).content.decode())


def kept(symbol: Symbol) -> tuple[str, dict[str, str]]:
    row = TradingSettings.objects.get(symbol=symbol)
    return row.strategy, row.strategy_settings


@pytest.mark.django_db
class TestForm:
    def test_each_setting_has_a_field_with_its_label_help_and_default(
        self, admin_client: Client, symbol: Symbol, patient: str
    ) -> None:
        shown = admin_client.get(f"/admin/trading/symbol/{symbol.pk}/change/").content.decode()
        for name, value in (("down_interval", "0.2"), ("trades", "3"), ("is_bold", None), ("max_price", None)):
            (field,) = re.findall(rf'<input[^>]*name="settings-0-patient__{name}"[^>]*>', shown)
            assert 'data-strategies="patient"' in field
            assert value is None or f'value="{value}"' in field
        assert "Below the market, %" in shown
        assert "How deep." in shown
        assert 'data-strategies="naive trailing patient"' in shown  # The profit, which all of them read.
        assert "Buys only after some trades" in shown

    def test_what_is_saved_is_text_and_a_new_trader_freezes_it(
        self, admin_client: Client, symbol: Symbol, patient: str
    ) -> None:
        save(admin_client, symbol, strategy=patient, patient__is_bold="on", patient__max_price="0.00000001")
        own = {"down_interval": "0.0025", "max_price": "0.00000001", "trades": "1", "is_bold": "true"}
        assert own.items() <= kept(symbol)[1].items()
        trader = Trader.born(TradingSettings.objects.get(symbol=symbol), Venue.MOCK, 1)
        assert trader.strategy_settings == {"profit_interval": "0.005", **own}
        save(admin_client, symbol, strategy="naive")
        assert kept(symbol)[0] == "naive"
        assert own.items() <= kept(symbol)[1].items(), "they would be there again, were it chosen again"
        strategy, settings = Trader.objects.get(pk=trader.pk).by()
        assert strategy.name == patient
        assert (settings.down_interval, settings.trades, settings.is_bold) == (D("0.0025"), 1, True)

    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("patient__down_interval", "0", "Must be above 0 % and at most 30 %."),
            ("patient__down_interval", "30.000001", "Must be above 0 % and at most 30 %."),
            ("patient__down_interval", "0.0000001", "Max 6 decimal places."),
            ("patient__down_interval", "", "This field is required."),
            ("patient__down_interval", "much", "Enter a number."),
            ("patient__max_price", "1e999999999", "Out of range."),
            ("patient__trades", "1.5", "Enter a whole number."),
            ("patient__trades", "10", "Must be at least 1 and at most 9."),
            ("patient__is_bold", "on", "Who is bold waits for one trade only."),
            ("strategy", "nobody", "Select a valid choice."),
        ],
    )
    def test_what_cannot_be_is_told_in_words_and_nothing_changes(
        self, admin_client: Client, symbol: Symbol, patient: str, field: str, value: str, told: str
    ) -> None:
        before = TradingSettings.objects.values().get(symbol=symbol)
        values = {"strategy": patient, "patient__trades": "2", field: value}
        assert told in save(admin_client, symbol, **values)
        assert TradingSettings.objects.values().get(symbol=symbol) == before

    def test_what_the_chosen_one_does_not_read_cannot_be_wrong(
        self, admin_client: Client, symbol: Symbol, patient: str
    ) -> None:
        save(admin_client, symbol, strategy="trailing", trailing__trail_interval="0.3", patient__trades="99")
        strategy, texts = kept(symbol)
        assert (strategy, texts["trail_interval"], texts["profit_interval"]) == ("trailing", "0.003", "0.005")
        assert "trades" not in texts

    def test_a_strategy_that_is_gone_is_told_and_stays_chosen(
        self, admin_client: Client, symbol: Symbol, settings: Settings
    ) -> None:
        TradingSettings.objects.filter(symbol=symbol).update(strategy="gone", strategy_settings={"a": "1"})
        shown = unescape(admin_client.get(f"/admin/trading/symbol/{symbol.pk}/change/").content.decode())
        assert "gone (not installed)" in shown
        assert "unknown strategy 'gone'" in shown
        told = save(admin_client, symbol, strategy="gone", budget="700")
        assert "unknown strategy 'gone'" in told
        assert kept(symbol) == ("gone", {"a": "1"})


@pytest.mark.django_db(transaction=True)
def test_page_shows_the_fields_of_the_chosen_strategy(
    symbol: Symbol, patient: str, live_server: LiveServer, chromium: Browser
) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    chromium.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    chromium.open(f"{live_server.url}/admin/trading/symbol/{symbol.pk}/change/")

    def choose(name: str) -> None:
        select = "document.querySelector('select[name=settings-0-strategy]')"
        chromium.evaluate(f"{select}.value = '{name}', {select}.dispatchEvent(new Event('change'))")
        chromium.settle(0.2)

    for name, seen, hidden in (
        ("naive", ["Buy offset", "Stop loss"], ["Trailing distance, %", "Bold", "Buys only after some trades"]),
        ("trailing", ["Trailing distance, %", "Ladder step"], ["Buy offset", "Stop loss", "Bold"]),
        (patient, ["Below the market, %", "Bold", "Trades"], ["Trailing distance, %", "Ladder step"]),
    ):
        choose(name)
        for words in seen:
            assert words in chromium.text, (name, words)
        for words in hidden:
            assert words not in chromium.text, (name, words)

    chromium.evaluate("document.querySelector('[name=settings-0-patient__down_interval]').value = '0.75'")
    chromium.evaluate("document.querySelector('[name=_continue]').click()")
    chromium.settle(2)
    strategy, texts = kept(symbol)
    assert strategy == patient
    assert {"down_interval": "0.0075", "max_price": "", "trades": "3", "is_bold": "false"}.items() <= texts.items()
    assert "Bold" in chromium.text
    assert "Stop loss" not in chromium.text
    assert chromium.errors == []


def test_symbols_begin_with_the_naive_strategy(db: None) -> None:
    row = TradingSettings.objects.get(symbol=make_symbol("BTCUSDT"))
    assert row.strategy == "naive"
    assert row.by()[1] == naive.Settings(D("0.001"), D("0.001"), rebuy_interval=None)
    assert TradingSettings(symbol=row.symbol).by()[1] == naive.Settings()
    assert registry.find(row.strategy).name == "naive"
