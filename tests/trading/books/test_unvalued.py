"""Commissions of unknown value: every sum that they should have entered says that they are missing in it."""

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal as D

import pytest
import redis
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from console import figures
from console.limit_usage import symbol_gauges
from hedgehog_project.venues import Venue
from tests.console.test_overview import publish
from tests.support.rows import change_cycles, make_cycle, make_fill, make_order, make_trader
from tests.trading.conftest import make_symbol
from trading.books import equity, profit
from trading.books.profit import By
from trading.core.orders import UNVALUED, Side
from trading.core.strategy import TraderState
from trading.models import Equity, Fill, Symbol, SymbolProtections, Trader, TradingSettings
from trading.risk import protections, sizing

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def unknown(fill: Fill) -> Fill:
    fill.commission, fill.commission_asset, fill.is_unvaluable = D("0.0002"), "BNB", True
    fill.save()
    return fill


@pytest.fixture
def doge(redis_client: "redis.Redis") -> Symbol:
    """Two cycles have ended, one of them with commissions in BNB that nobody can value; one is under way."""
    symbol = make_symbol("SHIBDOGE")
    symbol.base_asset, symbol.quote_asset = "SHIB", "DOGE"
    symbol.save()
    make_cycle(symbol, "0.3", timezone.now() - timedelta(days=2))
    cycle = make_cycle(symbol, "0.19")
    change_cycles(Trader.objects.filter(pk=cycle.pk), has_unvalued_fees=True)
    unknown(make_fill(make_order(cycle, price=D(100), quantity=D(1)), 1))
    unknown(make_fill(make_order(cycle, Side.SELL, price=D(101), quantity=D(1)), 2))
    held = make_trader(symbol, 2, state=TraderState.HOLDING)
    unknown(make_fill(make_order(held, price=D(100), quantity=D(2)), 3))
    publish("SHIBDOGE", "101")
    return symbol


def shown(client: Client, page: str) -> str:
    answer = client.get(page)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_figures_count_the_cycles_that_they_are_not_all_of(doge: Symbol, symbol: Symbol) -> None:
    make_cycle(symbol, "5")
    of_doge, of_usdt = profit.profits(Venue.MOCK)
    assert (of_doge.asset, of_doge.total, of_doge.unvalued, of_doge.unvalued_last_day) == ("DOGE", D("0.49"), 1, 1)
    assert (of_usdt.asset, of_usdt.unvalued, of_usdt.unvalued_last_day) == ("USDT", 0, 0)
    lines = {line.name: line.unvalued for line in figures.symbol_lines(Venue.MOCK)}
    assert lines == {"SHIBDOGE": 1, "ETHUSDT": 0}


@pytest.mark.parametrize(
    ("by", "marks"),
    [
        (By.SYMBOL, [(1, 1)]),
        (By.SLOT, [(1, 0), (0, 1)]),
        (By.DAY, [(1, 0), (0, 0)]),
        (By.CYCLE, [(1, 0), (0, 0)]),
    ],
)
def test_every_line_of_the_report_says_what_it_leaves_out(doge: Symbol, by: By, marks: list[tuple[int, int]]) -> None:
    lines = list(profit.lines(Venue.MOCK, by))
    assert [(line.unvalued, line.unvalued_held) for line in lines] == marks
    out = io.StringIO()
    call_command("profit", "--by", by, stdout=out)
    told = [line for line in out.getvalue().splitlines() if UNVALUED in line]
    is_by_place = by in (By.SYMBOL, By.SLOT)
    # Its line or lines, and the total.
    assert len(told) == (3 if by == By.SLOT else 2)
    assert told[-1].endswith(f"{UNVALUED}, in {2 if is_by_place else 1} cycles")


def test_csv_of_the_report_has_a_column_for_it(doge: Symbol) -> None:
    out = io.StringIO()
    call_command("profit", "--csv", stdout=out)
    (row,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert (row["realised"], row["cycles_with_unvalued_commissions"], row["held_with_unvalued_commissions"]) == (
        "0.49", "1", "1",
    )  # fmt: skip


def test_status_says_it_in_words_and_in_json(doge: Symbol) -> None:
    for arguments in ([], ["--json"]):
        out = io.StringIO()
        with pytest.raises(SystemExit):
            call_command("status", *arguments, stdout=out)  # No process is up.
        if arguments:
            (line,) = json.loads(out.getvalue())["symbols"]
            assert (line["profit"], line["cycles_with_unvalued_commissions"]) == ("0.49", 1)
        else:
            assert f"Realised profit: 0.49 DOGE {UNVALUED}." in out.getvalue()
            assert out.getvalue().count(f"0.49 DOGE {UNVALUED}") == 2


def test_equity_keeps_how_many_cycles_it_leaves_commissions_out_of(doge: Symbol, admin_client: Client) -> None:
    equity.record(Venue.MOCK)
    row = Equity.objects.get()
    assert (row.realised, row.unvalued, row.unvalued_held) == (D("0.49"), 1, 1)
    assert shown(admin_client, "/admin/trading/equity/").count(UNVALUED) == 3
    assert UNVALUED in shown(admin_client, f"/admin/trading/equity/{row.pk}/change/")


@pytest.mark.parametrize(
    ("page", "marks"),
    [
        ("/admin/", 1),  # The last cycle; with an account the gains as well: test_money.
        ("/admin/trading/equity/profit/?by=symbol&days=", 8),  # Four cards, the line and the total, each in two sums.
        ("/admin/trading/equity/profit/?by=cycle&days=", 6),
        ("/admin/trading/symbol/", 1),
        ("/admin/trading/symbol/{symbol}/change/", 1),
        ("/admin/trading/trader/?show=finished", 1),
        ("/admin/trading/trader/{ended}/change/", 2),
        ("/admin/trading/trader/{held}/change/", 2),
    ],
)
def test_every_page_with_the_sum_marks_it(doge: Symbol, admin_client: Client, page: str, marks: int) -> None:
    ended, held = Trader.objects.get(has_unvalued_fees=True).pk, Trader.objects.get(finished_at=None).pk
    assert shown(admin_client, page.format(symbol=doge.pk, ended=ended, held=held)).count(UNVALUED) >= marks


def test_the_page_of_the_cycle_says_of_which_commissions(doge: Symbol, admin_client: Client) -> None:
    ended = Trader.objects.get(has_unvalued_fees=True)
    text = shown(admin_client, f"/admin/trading/trader/{ended.pk}/change/")
    assert "Commissions of 0.0004 BNB" in text
    assert "value unknown" in text
    assert "0.0002 BNB</span> (of unknown value)" in text
    Fill.objects.filter(trade_id=1).update(commission_quote=D("0.1"), is_unvaluable=False)
    text = shown(admin_client, f"/admin/trading/trader/{ended.pk}/change/")
    assert "value of some unknown" in text


def test_nothing_is_marked_where_all_is_known(symbol: Symbol, admin_client: Client) -> None:
    make_cycle(symbol, "1")
    make_fill(make_order(make_trader(symbol, 2)))
    publish("ETHUSDT", "3100")
    equity.record(Venue.MOCK)
    for page in (
        "/admin/",
        "/admin/trading/equity/profit/?by=symbol&days=",
        "/admin/trading/equity/",
        "/admin/trading/trader/",
    ):
        assert UNVALUED not in shown(admin_client, page)


def test_exported_trades_and_lots_have_no_number_for_what_is_unknown(doge: Symbol) -> None:
    year = str(timezone.now().year)
    rows = {}
    for what in ("trades", "lots"):
        out = io.StringIO()
        call_command("export", what, "--year", year, stdout=out, stderr=io.StringIO())
        rows[what] = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert {row["commission_in_quote"] for row in rows["trades"]} == {""}
    (sale,) = rows["lots"]
    assert (sale["buy_fee"], sale["sell_fee"]) == ("", "")
    assert "the commission of buying, in BNB, has no known price" in sale["note"]


def test_limits_and_sizes_that_go_by_the_sum_say_so(doge: Symbol) -> None:
    change_cycles(Trader.objects.filter(has_unvalued_fees=True), profit=D(-2))
    SymbolProtections.objects.create(symbol=doge, max_daily_loss=D(1))
    protections.forget()
    denial = protections.denial(Trader.objects.get(finished_at=None), Side.BUY, D(100), D(1))
    assert denial is not None
    assert denial.reason.endswith("2 and commissions of unknown value since midnight UTC")
    (gauge,) = symbol_gauges(doge, Venue.MOCK)
    assert gauge.text == "2 of 1 DOGE, and commissions of unknown value"
    TradingSettings.objects.update(compounds=True)
    size = sizing.next_size(TradingSettings.objects.select_related("symbol").get(symbol=doge), Venue.MOCK)
    assert f"less the loss of 1.7 DOGE {UNVALUED} so far" in size.text
