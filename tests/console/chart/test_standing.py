"""What a symbol stands at: position, unrealised, today and in total, for one price."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console.chart.market import Day
from console.chart.standing import standing, today
from console.viewer_zone import midnight
from hedgehog_project.venues import Venue
from tests.support.rows import make_cycle, make_order, make_trader
from trading.core.orders import OrderStatus, Side
from trading.core.position import TraderState
from trading.models import AccountValue, Every, Fill, Leftover, Order, Symbol, Trader

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")


def bought(symbol: Symbol, at: datetime, quantity: str = "1", price: str = "100") -> Trader:
    """By a live trader, at no commission."""
    trader = make_trader(symbol, state=TraderState.SELLING, holds=True, created_at=at)
    fill(make_order(trader, status=OrderStatus.FILLED, **_amounts(quantity, price)), at, quantity, price)
    return trader


def fill(order: Order, at: datetime, quantity: str, price: str) -> None:
    quote = D(quantity) * D(price)
    Fill.objects.create(
        order=order, trade_id=order.pk, traded_at=at, quantity=D(quantity), price=D(price), quote=quote
    )


def _amounts(quantity: str, price: str) -> dict[str, Any]:
    return {"quantity": D(quantity), "executed": D(quantity), "price": D(price)}


def texts(values: dict[str, tuple[str, int | None]]) -> dict[str, tuple[str, int | None]]:
    return {name.removeprefix("sym.ETHUSDT."): value for name, value in values.items()}


def test_figures_at_a_price(symbol: Symbol) -> None:
    make_cycle(symbol, "31.46", NOON - timedelta(days=2))
    bought(symbol, NOON, "2", "100")
    of = standing(symbol, Venue.MOCK)
    found = texts(of.values(D(99), Day(open=D(110), high=D(112), low=D(99))))
    # 198 less 0.1 % commission, of 200.
    assert found["unrealised"] == ("−2.20", -1)
    assert found["unrealised_share"] == ("−1.10 % of cost", None)
    assert found["position"] == ("2.0000", None)
    assert found["cost"] == ("cost 200.00 USDT", None)
    assert found["total"] == ("+29.26", 1)
    assert found["total_of"] == ("realised +31.46, 1 cycle", None)
    assert (found["price"], found["change"]) == (("99.00", None), ("−10.00 %", -1))
    assert found["range"] == ("99.00 to 112.00", None)


def test_without_a_price_nothing_is_made_up(symbol: Symbol) -> None:
    bought(symbol, NOON)
    found = texts(standing(symbol, Venue.MOCK).values(None, None))
    assert {found[name][0] for name in ("price", "change", "unrealised", "total")} == {"–"}


def measured(symbol: Symbol, at: datetime, unrealised: str) -> None:
    """As the leader keeps it each minute."""
    AccountValue.objects.create(
        venue=Venue.MOCK,
        asset="USDT",
        span=Every.MINUTE,
        begins=at.replace(second=0, microsecond=0),
        measured_at=at,
        value=D(1000),
        free=D(1000),
        locked=D(0),
        put_in=D(1000),
        realised=D(0),
        unrealised=D(unrealised),
        unpriced=[],
        symbols={symbol.name: [unrealised, "101"]},
    )


def test_today_is_what_ended_and_what_the_rest_has_gained_since_midnight(symbol: Symbol) -> None:
    yesterday = NOON - timedelta(days=1)
    make_cycle(symbol, "5", yesterday)
    make_cycle(symbol, "2.24", NOON - timedelta(hours=3))
    trader = bought(symbol, yesterday, "2", "100")
    # It was worth 202 less 0.1 % at midnight.
    measured(symbol, midnight(UTC_ZONE, NOON) - timedelta(seconds=20), "1.798")
    of = standing(symbol, Venue.MOCK)
    found = today(of, UTC_ZONE, NOON)
    assert (found.realised, found.cycles, found.unrealised_before) == (D("2.24"), 1, D("1.798"))
    # It is 198 less 0.1 %: 3.996 less.
    values = texts(of.today_values(found, D(99)))
    assert values == {"today": ("−1.76", -1), "today_of": ("realised +2.24, 1 cycle", None)}
    # What nobody knows is not told.
    assert texts(of.today_values(found, None))["today"][0] == "–"

    # Half of it is sold today at 103: until its cycle ends, the sale's gain stands among what is unrealised.
    sale = make_order(trader, Side.SELL, OrderStatus.FILLED, **_amounts("1", "103"))
    fill(sale, NOON - timedelta(hours=1), "1", "103")
    of = standing(symbol, Venue.MOCK)
    # 2.24 realised, 3 by the sale and −1.099 unrealised now, +1.798 at midnight.
    assert texts(of.today_values(today(of, UTC_ZONE, NOON), D(99)))["today"] == ("+2.34", 1)


def test_on_the_first_day_all_gain_is_todays(symbol: Symbol) -> None:
    make_cycle(symbol, "2.24", NOON - timedelta(hours=3))
    bought(symbol, NOON - timedelta(hours=2), "2", "100")
    # First measured when something was held already.
    measured(symbol, NOON - timedelta(hours=1), "-0.5")
    Trader.objects.update(created_at=NOON - timedelta(hours=4))
    of = standing(symbol, Venue.MOCK)
    found = texts(of.values(D(99), None) | of.today_values(today(of, UTC_ZONE, NOON), D(99)))
    assert found["today"] == found["total"] == ("+0.04", 1)


def test_what_was_never_measured_before_counts_from_the_first_time(symbol: Symbol) -> None:
    """As after an upgrade: what was held then had gained and lost on days before."""
    bought(symbol, NOON - timedelta(days=3), "2", "100")
    Trader.objects.update(created_at=NOON - timedelta(days=3))
    measured(symbol, NOON - timedelta(hours=1), "-10")
    assert today(standing(symbol, Venue.MOCK), UTC_ZONE, NOON).unrealised_before == D(-10)


def test_leftovers_count_as_they_do_on_the_overview(symbol: Symbol) -> None:
    make_cycle(symbol, "5", NOON)
    Leftover.objects.create(venue=Venue.MOCK, symbol=symbol, quantity=D("0.05"), cost=D(5))
    of = standing(symbol, Venue.MOCK)
    # 0.05 at 90, less 0.1 %, of 5; it is no position.
    found = texts(of.values(D(90), None))
    assert (found["unrealised"], found["total"]) == (("−0.50", -1), ("+4.50", 1))
    assert (found["position"][0], found["cost"][0]) == ("0.0000", "nothing held")
    assert found["unrealised_share"][0] == "of leftovers"


def test_the_day_begins_at_the_readers_midnight() -> None:
    assert midnight(ZoneInfo("Asia/Tokyo"), NOON).astimezone(UTC) == datetime(2026, 11, 21, 15, tzinfo=UTC)
