"""What trading has brought: by symbol, slot, day and cycle, net of commissions."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from hedgehog_project.venues import Venue
from tests.console.test_overview import publish
from tests.support.rows import make_cycle, make_fill, make_order, make_story, make_trader
from tests.trading.conftest import make_symbol
from trading.books import profit
from trading.books.arithmetic import arithmetic
from trading.books.booking import position_of
from trading.books.holdings import holdings
from trading.books.profit import By, Line
from trading.core.orders import Side
from trading.core.strategy import TraderState
from trading.models import Symbol, Trader

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def told(by: By, since: datetime | None = None) -> list[Line]:
    return list(profit.lines(Venue.MOCK, by, since))


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("profit", *arguments, stdout=out)
    return out.getvalue()


def ended(symbol: Symbol, slot: int, amount: str, at: datetime = NOON, **values: object) -> Trader:
    fields: dict[str, Any] = {"state": TraderState.FINISHED, "profit": D(amount), "finished_at": at, **values}
    return make_trader(symbol, slot, **fields)


@pytest.fixture
def two(symbol: Symbol) -> tuple[Symbol, Symbol]:
    """ETHUSDT with two slots over two days, XRPUSDT with one."""
    other = make_symbol("XRPUSDT")
    ended(symbol, 1, "1")
    ended(symbol, 1, "-0.5", NOON + timedelta(hours=12))
    ended(symbol, 2, "0.00000001", NOON + timedelta(hours=11, minutes=59))
    ended(other, 1, "4", budget=D(100))
    ended(other, 1, "100", venue=Venue.LIVE)
    ended(other, 1, "0", state=TraderState.RETIRED)
    return symbol, other


def test_symbols_sum_their_cycles_and_the_budgets_of_their_slots(two: tuple[Symbol, Symbol]) -> None:
    eth, xrp = told(By.SYMBOL)
    assert (eth.name, eth.cycles, eth.realised, eth.budget) == ("ETHUSDT", 3, D("0.50000001"), D(400))
    assert (xrp.name, xrp.cycles, xrp.realised, xrp.budget, xrp.share) == ("XRPUSDT", 1, D(4), D(100), D("0.04"))


def test_slots_have_the_mean_budget_of_their_cycles(two: tuple[Symbol, Symbol]) -> None:
    ended(two[0], 1, "0", budget=D(500))
    first, second, _ = told(By.SLOT)
    assert (first.name, first.cycles, first.realised, first.budget) == ("ETHUSDT #1", 3, D("0.5"), D(300))
    assert (second.name, second.realised) == ("ETHUSDT #2", D("0.00000001"))


def test_days_are_those_of_utc_when_cycles_ended_the_newest_first(two: tuple[Symbol, Symbol]) -> None:
    assert [(line.name, line.cycles, line.realised, line.budget) for line in told(By.DAY)] == [
        ("2026-11-22", 1, D("-0.5"), D(500)),
        ("2026-11-21", 3, D("5.00000001"), D(500)),
    ]


def test_shares_of_days_add_up_to_the_share_of_all(two: tuple[Symbol, Symbol]) -> None:
    make_story(two[0], 3)  # A slot whose first cycle is under way belongs to all, too.
    [together] = profit.totals(told(By.SYMBOL))
    assert {line.budget for line in told(By.DAY)} == {together.budget} == {D(700)}
    assert sum(line.realised for line in told(By.DAY)) / D(700) == together.realised / together.budget


def test_what_is_held_is_told_in_per_cent_of_the_budget_too(symbol: Symbol) -> None:
    publish("ETHUSDT", "3100")
    make_story(symbol)
    [line] = told(By.SYMBOL)
    assert (line.share, line.unrealised_share) == (D(0), D("0.032284"))  # 6.45676677 of 200
    make_story(make_symbol("XRPUSDT"))
    [together] = profit.totals(told(By.SYMBOL))
    assert (together.unrealised, together.unrealised_share) == (D("6.45676677"), None)  # Of XRP no price is known.


def test_cycles_come_one_by_one_the_newest_first(two: tuple[Symbol, Symbol]) -> None:
    assert [line.realised for line in told(By.CYCLE)] == [D("-0.5"), D("0.00000001"), D(4), D(1)]


@pytest.mark.parametrize("by", By)
def test_since_looks_at_the_end_of_cycles(two: tuple[Symbol, Symbol], by: By) -> None:
    assert sum(line.realised for line in told(by, NOON + timedelta(hours=12))) == D("-0.5")


@pytest.mark.parametrize("by", By)
def test_every_way_to_sum_comes_to_the_same(two: tuple[Symbol, Symbol], by: By) -> None:
    assert sum(line.realised for line in told(by)) == profit.profits(Venue.MOCK)[0].total == D("4.50000001")


def test_quote_assets_are_never_added(two: tuple[Symbol, Symbol]) -> None:
    ended(Symbol.objects.create(name="ADABTC", base_asset="ADA", quote_asset="BTC"), 1, "0.001")
    assert [(line.asset, line.realised) for line in profit.totals(told(By.SYMBOL))] == [
        ("USDT", D("4.50000001")),
        ("BTC", D("0.001")),
    ]
    assert {line.asset for line in told(By.DAY)} == {"USDT", "BTC"}


def test_what_is_held_counts_at_the_last_price_less_the_commission_of_selling(symbol: Symbol) -> None:
    publish("ETHUSDT", "3100")
    make_story(symbol)
    [line] = told(By.SYMBOL)
    # 0.0667 at 2997, of which 0.0000667 were the commission: 0.0666333 x 3100 x 0.999 - 199.8999
    assert (line.cycles, line.realised, line.unrealised) == (0, D(0), D("6.45676677"))


def test_without_a_price_nothing_is_said_of_what_is_held(symbol: Symbol) -> None:
    make_story(symbol)
    [line] = told(By.SYMBOL)
    assert (line.unrealised, line.is_priced) == (None, False)
    assert "?" in run()


def test_half_sold_cycle_is_worth_what_it_got_and_what_it_holds(symbol: Symbol) -> None:
    publish("ETHUSDT", "3000")
    trader = make_trader(symbol, state=TraderState.SELLING)
    make_fill(make_order(trader, price=D(3000), quantity=D("0.1")))
    sell = make_order(trader, Side.SELL, price=D(3100), quantity=D("0.0999"))
    make_fill(sell)
    fill = sell.fills.get()
    fill.quantity, fill.quote, fill.commission, fill.commission_asset = D("0.05"), D(155), D("0.155"), "USDT"
    fill.save()
    sell.status, sell.executed = "PARTIALLY_FILLED", D("0.05")
    sell.save()
    [holding] = holdings(Venue.MOCK)
    # What came in, less commissions, less all that was paid, and 0.0499 at 3000 less 0.1 %.
    assert holding.unrealised == D(155) - D("0.155") - D(300) + D("149.5503")


def test_terms_of_a_cycle_add_up_to_the_profit_its_row_keeps(symbol: Symbol) -> None:
    trader = make_trader(symbol)
    make_fill(make_order(trader, price=D("2997.33"), quantity=D("0.0667")))
    make_fill(make_order(trader, Side.SELL, price=D("3005.99"), quantity=D("0.0666")))
    trader.orders.get(side="SELL").fills.update(commission=D("0.20019893"), commission_asset="USDT")
    position = position_of(trader)
    terms = arithmetic(position, "ETH", "USDT")
    assert terms.net == position.profit("ETH", "USDT")
    assert terms.received - terms.cost - terms.fees_quote - terms.fees_worth == terms.net
    assert terms.cost + terms.owned_cost == terms.paid
    assert (terms.owned, terms.fees_base) == (D("0.0000333"), D("0.0000667"))


def test_queries_do_not_grow_with_what_is_held(
    symbol: Symbol, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for slot in range(1, 6):
        make_story(symbol, slot)
    with django_assert_num_queries(4):
        assert len(holdings(Venue.MOCK)) == 5


class TestCommand:
    def test_reads_well_with_its_totals(self, two: tuple[Symbol, Symbol]) -> None:
        publish("ETHUSDT", "3100")
        make_story(two[0], 3)
        lines = run().splitlines()
        assert lines[0] == "Profit at mock, net of commissions"
        assert [line.split() for line in lines[2:6]] == [
            ["SYMBOL", "CYCLES", "REALISED", "%", "BUDGET", "UNREALISED", "%", "BUDGET"],
            ["ETHUSDT", "3", "+0.50000001", "USDT", "0.08", "%", "+6.45676677", "1.08", "%"],
            ["XRPUSDT", "1", "+4", "USDT", "4", "%"],
            ["all", "4", "+4.50000001", "USDT", "0.64", "%", "+6.45676677", "0.92", "%"],
        ]

    def test_days_say_which_budget_is_meant(self, two: tuple[Symbol, Symbol]) -> None:
        assert run("--by", "day").splitlines()[-1] == profit.OF_BUDGET[By.DAY]
        assert not any("divided" in run("--by", by) for by in By if by != By.DAY)

    def test_cycles_have_their_time_and_no_count(self, two: tuple[Symbol, Symbol]) -> None:
        lines = run("--by", "cycle").splitlines()
        assert lines[2].split() == ["CYCLE", "FINISHED", "(UTC)", "REALISED", "%", "BUDGET"]
        newest = Trader.objects.order_by("-finished_at", "-pk").first()
        assert newest is not None
        assert newest.finished_at is not None
        assert f"{newest.finished_at:%Y-%m-%d %H:%M:%S}  " in lines[3]
        assert lines[7].split()[:2] == ["all", "4"]

    def test_csv_has_a_row_for_each_line(self, two: tuple[Symbol, Symbol]) -> None:
        rows = list(csv.DictReader(io.StringIO(run("--by", "day", "--csv"))))
        assert rows[0] == {
            "name": "2026-11-22",
            "asset": "USDT",
            "cycles": "1",
            "realised": "-0.5",
            "unrealised": "",
            "budget": "500",
            "percent_of_budget": "-0.1",
            "unrealised_percent_of_budget": "",
            "cycles_with_unvalued_commissions": "0",
            "held_with_unvalued_commissions": "0",
            "left_over": "",
            "left_over_cost": "",
            "left_over_value": "",
            "win_rate_percent": "0",
            "profit_factor": "0",
            "average_hold_s": "",
            "fees": "0",
            "finished_at": "",
        }
        cycles = list(csv.DictReader(io.StringIO(run("--by", "cycle", "--csv"))))
        assert len(cycles) == 4
        assert all(datetime.fromisoformat(row["finished_at"]).tzinfo == UTC for row in cycles)

    def test_statistics_follow_the_lines(self, symbol: Symbol) -> None:
        for gain, held_s in (("3", 60), ("-1", 120)):
            make_trader(
                symbol, state=TraderState.FINISHED, profit=D(gain), finished_at=timezone.now(), held_s=held_s,
                fees=D("0.2"), strategy="trailing",
            )  # fmt: skip
        told = {line.split("  ")[0]: line for line in run("--by", "strategy").splitlines()}
        assert "trailing" in told
        assert told["Win rate"].split("  ", 1)[1].split() == ["50.0", "%", "1", "won,", "1", "lost"]
        assert "3.00  won 3.00, lost 1.00" in told["Profit factor"]
        assert "1 min 30 s  of 2 cycles" in told["Average hold"]
        assert "0.40  USDT, included in the profit" in told["Fees"]

    def test_until_is_a_day_before_which_cycles_ended(self, two: tuple[Symbol, Symbol]) -> None:
        assert "No finished cycles at mock until 2026-01-01" in run("--until", "2026-01-01")

    def test_only_the_newest_cycles_are_shown_and_it_says_so(self, symbol: Symbol) -> None:
        for _ in range(52):
            make_cycle(symbol, "1")
        told_of = run("--by", "cycle")
        assert told_of.count("ETHUSDT #1 at mock, cycle") == 50
        assert "Latest 50 of 52 cycles" in told_of
        assert "+52" in told_of

    def test_next_to_nothing_is_no_per_cent(self, symbol: Symbol) -> None:
        ended(symbol, 1, "-0.00000001")
        assert "-0.00000001  USDT       0 %" in run()

    def test_venue_and_since_narrow_it(self, two: tuple[Symbol, Symbol]) -> None:
        assert "+100 " in run("--venue", "live")
        tomorrow = f"{timezone.now() + timedelta(days=2):%Y-%m-%d}"
        assert f"No finished cycles at mock since {tomorrow}" in run("--since", tomorrow)

    def test_nonsense_is_refused_in_a_line(self, redis_client: object) -> None:
        with pytest.raises(CommandError, match="a date such as 2026-11-22, not yesterday"):
            run("--since", "yesterday")
