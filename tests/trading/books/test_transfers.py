"""Deposits and withdrawals, by events and by balances: each once, and never what a fill or a late report explains."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
import redis

from hedgehog_project.venues import Venue
from streamer.topics import report_topic
from tests.support.rows import make_fill, make_order, make_trader
from trading import tasks
from trading.books import account, transfers
from trading.core.orders import Side
from trading.dispatch import GROUP
from trading.models import BalanceCheck, Symbol, ToldBy, Transfer

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

NOW = datetime(2026, 11, 22, 13, 20, tzinfo=UTC)
MONEY = {"USDT": (D(900), D(100)), "ETH": (D(1), D(0))}
MINUTE = timedelta(minutes=1)


class Checks:
    """One check a minute."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self, told: account.Balances, is_certain: bool = True) -> list[tuple[str, D]]:
        self.at += MINUTE
        found = transfers.check(Venue.MOCK, told, self.at, is_certain)
        return [(each.asset, each.amount) for each in found]


@pytest.fixture
def check(symbol: Symbol) -> Checks:
    """After two checks of MONEY."""
    checks = Checks()
    assert checks(MONEY) == checks(MONEY) == []
    return checks


def event(asset: str = "USDT", amount: str = "50", at: datetime = NOW) -> dict[str, Any]:
    ms = round(at.timestamp() * 1000)
    return {"e": "balanceUpdate", "E": ms, "a": asset, "d": amount, "T": ms}


def kept() -> list[tuple[str, D, str]]:
    return [(row.asset, row.amount, row.told_by) for row in Transfer.objects.order_by("id")]


def more(amount: str, asset: str = "USDT", of: account.Balances = MONEY) -> account.Balances:
    free, locked = of.get(asset, (D(0), D(0)))
    return {**of, asset: (free + D(amount), locked)}


def test_event_is_recorded_once(symbol: Symbol) -> None:
    assert transfers.record_event(Venue.MOCK, event())
    assert not transfers.record_event(Venue.MOCK, event())
    assert transfers.record_event(Venue.MOCK, event(amount="-20"))
    assert kept() == [("USDT", D(50), ToldBy.EVENT), ("USDT", D(-20), ToldBy.EVENT)]
    assert account.transferred(Venue.MOCK, "USDT", NOW) == D(30)


def test_event_and_its_difference_are_one_transfer(check: Checks) -> None:
    transfers.record_event(Venue.MOCK, event(at=check.at))
    assert [check(more("50")) for _ in range(5)] == [[]] * 5
    assert kept() == [("USDT", D(50), ToldBy.EVENT)]


def test_event_that_comes_late_takes_the_place_of_its_difference(check: Checks) -> None:
    deposited_at = check.at
    assert [check(more("50")) for _ in range(3)] == [[], [], [("USDT", D(50))]]
    transfers.record_event(Venue.MOCK, event(at=deposited_at))
    assert kept() == [("USDT", D(50), ToldBy.EVENT)]
    assert [check(more("50")) for _ in range(5)] == [[]] * 5


def test_difference_of_two_deposits_gives_way_to_both_events(check: Checks) -> None:
    deposited_at = check.at
    for _ in range(3):
        check(more("80"))
    transfers.record_event(Venue.MOCK, event(amount="50", at=deposited_at))
    transfers.record_event(Venue.MOCK, event(amount="30", at=deposited_at))
    assert [check(more("80")) for _ in range(5)] == [[]] * 5
    assert kept() == [("USDT", D(50), ToldBy.EVENT), ("USDT", D(30), ToldBy.EVENT)]


def test_difference_is_recorded_once_it_was_seen_three_times_running(check: Checks) -> None:
    first_seen = check.at + MINUTE
    told = [check(more("-200")) for _ in range(5)]
    assert told == [[], [], [("USDT", D(-200))], [], []]
    assert Transfer.objects.get().at == first_seen


def test_difference_that_goes_again_is_none(check: Checks) -> None:
    for amount in ("-200", "-200", "0", "-200", "-200", "-100", "-200", "-200", "0"):
        assert check(more(amount)) == []
    assert not Transfer.objects.exists()


def test_nothing_is_recorded_while_an_order_is_unclear(check: Checks) -> None:
    assert [check(more("-200"), is_certain=False) for _ in range(5)] == [[]] * 5
    assert check(more("-200")) == [("USDT", D(-200))]


def test_many_checks_at_once_are_not_several_minutes(check: Checks) -> None:
    for _ in range(5):
        assert transfers.check(Venue.MOCK, more("-200"), check.at, True) == []


def test_fills_explain_what_they_change(symbol: Symbol, check: Checks) -> None:
    trader = make_trader(symbol)
    bought = make_fill(make_order(trader, quantity=D("0.1"), price=D(3000)))
    after_buy = {"USDT": (D(700), D(0)), "ETH": (D("1.0999"), D(0))}
    assert [check(after_buy) for _ in range(4)] == [[]] * 4
    sale = make_order(trader, Side.SELL, quantity=D("0.0999"), price=D(3100))
    fill = make_fill(sale, 2)
    fill.commission, fill.commission_asset = D("0.3"), "USDT"
    fill.save()
    after_sale = {"USDT": (D("1009.39"), D(0)), "ETH": (D(1), D(0))}
    assert [check(after_sale) for _ in range(4)] == [[]] * 4
    assert BalanceCheck.objects.get().after_fill == fill.pk > bought.pk


def test_report_that_comes_late_is_no_withdrawal(symbol: Symbol, check: Checks) -> None:
    after_buy = {"USDT": (D(700), D(0)), "ETH": (D("1.0999"), D(0))}
    assert check(after_buy) == check(after_buy) == []
    make_fill(make_order(make_trader(symbol), quantity=D("0.1"), price=D(3000)))
    assert [check(after_buy) for _ in range(4)] == [[]] * 4


def test_commission_in_a_third_asset_is_explained(symbol: Symbol, check: Checks) -> None:
    rich = more("2", "BNB")
    for _ in range(3):
        check(rich)
    fill = make_fill(make_order(make_trader(symbol), quantity=D("0.1"), price=D(3000)))
    fill.commission, fill.commission_asset = D("0.001"), "BNB"
    fill.save()
    told = {"USDT": (D(700), D(0)), "ETH": (D("1.1"), D(0)), "BNB": (D("1.999"), D(0))}
    assert [check(told) for _ in range(4)] == [[]] * 4
    assert kept() == [("BNB", D(2), ToldBy.DIFFERENCE)]


def test_trade_by_hand_is_a_pair_of_differences(check: Checks) -> None:
    by_hand = more("300", of=more("-0.1", "ETH"))
    told = [check(by_hand) for _ in range(3)]
    assert told == [[], [], [("ETH", D("-0.1")), ("USDT", D(300))]]


def test_fills_under_way_at_the_first_check_are_no_transfer(symbol: Symbol) -> None:
    check = Checks()
    order = make_order(make_trader(symbol), quantity=D("0.1"), price=D(3000))
    check(MONEY)
    make_fill(order)  # It was in those balances already.
    assert [check(MONEY) for _ in range(6)] == [[]] * 6


def test_balances_of_an_earlier_time_are_not_compared(check: Checks) -> None:
    assert transfers.check(Venue.MOCK, {}, NOW, True) == []
    assert check(MONEY) == []


def test_clock_that_is_set_back_stops_no_checks(check: Checks) -> None:
    check(more("-200"))
    check.at -= timedelta(hours=5)
    assert [check(more("-200")) for _ in range(3)] == [[], [], [("USDT", D(-200))]]


@pytest.mark.parametrize("wrong", [{}, {"a": "USDT", "d": "x", "T": 1}, {"a": "USDT", "d": "1", "T": "soon"}])
def test_event_that_cannot_be_read_is_an_error(symbol: Symbol, wrong: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError, ArithmeticError)):
        transfers.record_event(Venue.MOCK, wrong)


def test_task_acknowledges_what_it_has_recorded(symbol: Symbol, redis_client: "redis.Redis") -> None:
    topic = report_topic("mock")
    for data in (event(), event(), {"e": "balanceUpdate", "a": "USDT"}):
        entry = redis_client.xadd(topic, {"kind": "event", "data": json.dumps(data)})
        assert isinstance(entry, bytes)
        redis_client.xgroup_create(topic, GROUP, id="0", mkstream=True) if redis_client.xlen(topic) == 1 else None
        redis_client.xreadgroup(GROUP, "test", {topic: ">"})
        tasks.transfer(venue="mock", entry=entry.decode(), data=data)
        assert redis_client.xpending(topic, GROUP)["pending"] == 0
    assert kept() == [("USDT", D(50), ToldBy.EVENT)]
