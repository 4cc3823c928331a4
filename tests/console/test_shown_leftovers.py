"""Wherever a profit is shown, what is left over of its symbol stands beside it; and what is held counts."""

import csv
import io
import json
from decimal import Decimal as D

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from hedgehog_project.venues import Venue
from tests.console.test_overview import publish
from tests.support.commands import said
from tests.support.rows import make_cycle, make_fill, make_order, make_trader
from tests.trading.conftest import make_symbol
from trading.books import equity
from trading.books.left_over import by_quote_asset, left_over
from trading.core.strategy import TraderState
from trading.models import Equity, Leftover, Symbol
from trading.risk.exposure import bound

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

# 8.9 x 42.2, less 0.1 %
SENTENCE = "left over: 8.9 USDT, cost 372 TRY, now 375.204 TRY"


def leave(symbol: Symbol, quantity: str, cost: str, venue: Venue = Venue.MOCK) -> None:
    Leftover.objects.create(symbol=symbol, venue=venue, quantity=D(quantity), cost=D(cost))


def in_lira(name: str = "USDTTRY", base: str = "USDT") -> Symbol:
    symbol = make_symbol(name)
    Symbol.objects.filter(pk=symbol.pk).update(base_asset=base, quote_asset="TRY")
    return Symbol.objects.get(pk=symbol.pk)


@pytest.fixture
def lira(symbol: Symbol) -> Symbol:
    """Nine cycles of the exchange's step 1: 1.14 TRY earned, 8.9 USDT never sold. ETHUSDT has nothing left over."""
    lira = in_lira()
    publish("USDTTRY", "42.2")
    make_cycle(lira, "1.14")
    make_cycle(symbol, "0.5")
    leave(lira, "8.9", "372")
    leave(lira, "5000", "200000", Venue.LIVE)
    leave(symbol, "0", "0")
    return lira


def shown(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


class TestPages:
    @pytest.mark.parametrize("page", ["changelist", "change"])
    def test_symbols_page_and_list_say_it(self, lira: Symbol, admin_client: Client, page: str) -> None:
        args = (lira.pk,) if page == "change" else ()
        assert shown(admin_client, reverse(f"admin:trading_symbol_{page}", args=args)).count(SENTENCE) == 1

    def test_page_of_profit_says_it_by_asset_by_symbol_and_in_a_sentence(
        self, lira: Symbol, admin_client: Client
    ) -> None:
        text = shown(admin_client, reverse("admin:trading_profit") + "?by=symbol")
        assert text.count(SENTENCE) == 2
        assert "not counted in realised: USDTTRY 8.9 USDT, cost 372 TRY, now 375.204 TRY." in text

    def test_where_nothing_is_left_not_a_word_is_said(self, symbol: Symbol, admin_client: Client) -> None:
        make_cycle(symbol, "0.5")
        pages = (
            reverse("admin:index"),
            reverse("admin:trading_symbol_changelist"),
            reverse("admin:trading_symbol_change", args=(symbol.pk,)),
            reverse("admin:trading_profit") + "?by=symbol",
        )
        for page in pages:
            text = shown(admin_client, page)
            assert "left over:" not in text
            assert "Leftover of" not in text

    def test_page_of_the_hours_shows_what_was_left_over(self, lira: Symbol, admin_client: Client) -> None:
        equity.record(Venue.MOCK)
        assert "372 TRY" in shown(admin_client, reverse("admin:trading_equity_changelist"))


class TestCommands:
    def test_status_says_it_beside_the_profit_and_in_a_column(self, lira: Symbol) -> None:
        lines = said("status").splitlines()
        assert f"1.14 TRY ({SENTENCE})" in lines[0]
        table = {line.split()[0]: line for line in lines if line}
        assert table["SYMBOL"].endswith("LEFTOVER")
        assert table["USDTTRY"].endswith("8.9 USDT, cost 372 TRY, now 375.204 TRY")
        assert table["ETHUSDT"].endswith("0.5 USDT")

    def test_status_has_it_exact_for_programs(self, lira: Symbol) -> None:
        symbols = {each["symbol"]: each for each in json.loads(said("status", "--json"))["symbols"]}
        assert symbols["ETHUSDT"]["left_over"] is None
        assert symbols["USDTTRY"]["left_over"] == {
            "quantity": "8.9",
            "asset": "USDT",
            "cost": "372",
            "value": "375.20442",
        }

    @pytest.mark.parametrize("by", ["symbol", "slot", "day", "cycle"])
    def test_profit_says_it_under_whatever_lines(self, lira: Symbol, by: str) -> None:
        last = said("profit", "--by", by).splitlines()[-2:]
        assert last[0].startswith("Leftover of finished cycles")
        assert last[1] == "  USDTTRY: 8.9 USDT, cost 372 TRY, now 375.204 TRY"

    def test_profit_says_it_where_no_cycle_is_shown(self, lira: Symbol) -> None:
        assert "USDTTRY: 8.9 USDT" in said("profit", "--since", "2100-01-01")

    def test_profit_has_it_in_its_csv_by_symbol(self, lira: Symbol) -> None:
        rows = {row["name"]: row for row in csv.DictReader(io.StringIO(said("profit", "--csv")))}
        columns = ("left_over", "left_over_cost", "left_over_value")
        assert [rows["USDTTRY"][each] for each in columns] == ["8.9", "372", "375.20442"]
        assert [rows["ETHUSDT"][each] for each in columns] == ["", "", ""]

    def test_where_nothing_is_left_status_has_no_column_and_profit_no_line(self, symbol: Symbol) -> None:
        make_cycle(symbol, "0.5")
        assert "LEFTOVER" not in said("status")
        assert "left over" not in said("profit").lower()


class TestFigures:
    def test_several_symbols_of_an_asset_are_added_up_and_what_has_no_price_counts_at_its_cost(
        self, lira: Symbol
    ) -> None:
        leave(in_lira("BTCTRY", "BTC"), "0.00000123", "4.5")
        totals = by_quote_asset(left_over(Venue.MOCK).values())
        assert list(totals) == ["TRY"]
        assert str(totals["TRY"]) == (
            "left over of 2 symbols: cost 376.5 TRY, now 379.704 TRY (1 at cost: price unknown)"
        )
        assert "0.00000123 BTC, cost 4.5 TRY, price unknown" in said("profit")

    def test_equity_counts_it_at_its_value_and_no_profit_does(self, lira: Symbol) -> None:
        seen = equity.standing(Venue.MOCK)["TRY"]
        assert (seen.realised, seen.unrealised, seen.unpriced) == (D("1.14"), D(0), 0)
        assert seen.equity == D("1.14") + D("375.20442") - 372
        equity.record(Venue.MOCK)
        row = Equity.objects.get(asset="TRY")
        assert (row.equity, row.left_cost, row.left_value) == (seen.equity, D(372), D("375.20442"))

    def test_left_over_of_a_symbol_that_has_no_price_any_more_does_not_blind_the_drawdown(
        self, symbol: Symbol
    ) -> None:
        leave(symbol, "0.5", "1500")
        seen = equity.standing(Venue.MOCK)["USDT"]
        assert (seen.equity, seen.unpriced) == (D(0), 0)

    def test_asks_no_more_for_many_symbols_and_never_for_ended_traders(self, lira: Symbol) -> None:
        for n in range(5):
            leave(in_lira(f"A{n}TRY", f"A{n}"), "1", "2")
        with CaptureQueriesContext(connection) as captured:
            assert len(left_over(Venue.MOCK)) == 6
        assert len(captured) == 2
        assert not any("trading_trader" in each["sql"] for each in captured)


class TestHeld:
    """Too little to sell, yet over a step: the cycle lives on, and what it holds is no dust."""

    @pytest.fixture
    def small(self, symbol: Symbol) -> Symbol:
        publish("ETHUSDT", "2000")
        trader = make_trader(
            symbol, state=TraderState.HOLDING, holds=True, waits_for="holding 0.000999, it cannot be sold now"
        )
        make_fill(make_order(trader, price=D(3000), quantity=D("0.001")))
        return symbol

    def test_counts_in_exposure_and_in_equity_as_the_loss_that_it_is(self, small: Symbol) -> None:
        assert bound(Venue.MOCK, small.pk) == bound(Venue.MOCK, quote_asset="USDT") == D(3)
        seen = equity.standing(Venue.MOCK)["USDT"]
        # 0.000999 at 2000, less 0.1 %
        assert (seen.held_cost, seen.held_value) == (D(3), D("1.996002"))
        assert seen.equity == seen.unrealised == D("-1.003998")

    def test_is_shown_as_held(self, small: Symbol, admin_client: Client) -> None:
        page = reverse("admin:trading_symbol_change", args=(small.pk,))
        assert "it cannot be sold now" in shown(admin_client, page)
        profit = shown(admin_client, reverse("admin:trading_profit") + "?by=symbol")
        assert "−1.00" in profit
        assert "open positions cost 3" in profit
        assert "-1.003998" in said("profit")
