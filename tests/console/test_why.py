"""Why a symbol does not buy: each obstacle in words, and what each slot waits for."""

import io
import json
from datetime import timedelta
from decimal import Decimal as D

import pytest
import redis
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from console.why import SlotLine, why
from hedgehog_project import processes
from hedgehog_project.processes import ProcessState
from hedgehog_project.queues import ENTRIES
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue
from tests.console.test_overview import NO_REDIS, publish
from tests.support.heartbeats import all_well
from tests.support.rows import make_order, make_story, make_trader
from trading.core.denials import Rule
from trading.core.orders import OrderStatus
from trading.core.strategy import ANY_PRICE
from trading.exchange.client import rate_limits_of
from trading.models import DeniedOrder, Listing, Switch, Symbol, TradingSettings
from trading.models.symbols import TradingStatus
from trading.models.traders import Slot
from trading.risk import kill_switch
from trading.symbols import turning
from trading.waking import enqueue

pytestmark = pytest.mark.django_db

UP = [ProcessState(name, True, 0.0, "") for name in processes.NAMES]


@pytest.fixture
def well(symbol: Symbol, redis_client: "redis.Redis") -> Symbol:
    """Nothing is in the way of ETHUSDT, which has three slots, the first of them open."""
    all_well(redis_client)
    turning.set_streaming(symbol, True)
    publish("ETHUSDT", "3000")
    TradingSettings.objects.filter(symbol=symbol).update(max_slots=3, budget=D(600))
    Slot.objects.get_or_create(symbol=symbol, venue=Venue.MOCK, number=1)
    return symbol


def reasons(symbol: Symbol, states: list[ProcessState] | None = None) -> list[str]:
    return [str(each) for each in why(Symbol.objects.get(pk=symbol.pk), UP if states is None else states).reasons]


def slots(symbol: Symbol) -> list[SlotLine]:
    return why(Symbol.objects.get(pk=symbol.pk), UP).slots


def test_where_nothing_is_in_the_way_there_is_no_reason(well: Symbol) -> None:
    assert reasons(well) == []


class TestReasons:
    def test_off_and_shutdown(self, well: Symbol) -> None:
        TradingSettings.objects.update(status=TradingStatus.OFF)
        assert reasons(well) == ["Trading is off: turn it on, or run `manage.py trade ETHUSDT on`."]
        TradingSettings.objects.update(status=TradingStatus.SHUTDOWN)
        assert reasons(well) == ["Shutting down: running cycles finish, no new ones start."]

    def test_symbol_that_never_had_settings_is_off(self, redis_client: "redis.Redis") -> None:
        all_well(redis_client)
        assert "Trading is off" in reasons(Symbol.objects.create(name="ADABTC"))[0]

    def test_halt_with_who_and_why(self, well: Symbol) -> None:
        kill_switch.halt("anna", "news")
        assert reasons(well)[0].startswith("Trading is halted: news (by anna, since ")

    def test_venue_without_a_key(self, well: Symbol) -> None:
        Switch.objects.update(venue=Venue.TESTNET)
        assert "New traders cannot trade on testnet: No key" in reasons(well)[0]

    def test_processes_that_are_down(self, well: Symbol) -> None:
        states = [ProcessState(name, name not in ("streamer", "worker"), None, "") for name in processes.NAMES]
        assert reasons(well, states) == [
            "The streamer is down: no prices and no execution reports.",
            "No worker for entries is running: no trader starts or buys.",
        ]

    def test_exchange_that_wants_silence(self, well: Symbol) -> None:
        rate_limits_of(Venue.MOCK).stop(
            round((timezone.now() + timedelta(minutes=2)).timestamp() * 1000), "banned (418)"
        )
        [reason] = reasons(well)
        assert reason.endswith("banned (418).")

    def test_workers_that_are_behind(self, well: Symbol) -> None:
        connect().rpush(ENTRIES, *range(enqueue.MANY + 1))
        [reason] = reasons(well)
        assert reason.startswith("The workers of the queue celery are behind: ")

    def test_market_that_is_quiet_or_does_not_stream(self, well: Symbol, redis_client: "redis.Redis") -> None:
        connect().flushall()
        all_well(redis_client)
        assert reasons(well) == ["ETHUSDT: no price yet."]
        publish("ETHUSDT", "3000", age_s=600)
        [reason] = reasons(well)
        assert reason.startswith("ETHUSDT: no trade since ")
        assert reason.endswith("UTC, for 10 min.")
        turning.set_streaming(well, False)
        assert "ETHUSDT: the price feed from mock is off. Turn it on." in reasons(well)

    def test_filters_that_are_unknown_or_do_not_allow_it(self, well: Symbol) -> None:
        TradingSettings.objects.update(budget=D(9))
        assert (
            "With 3 slots the order size is 3 USDT, below the min notional of ETHUSDT at mock, 5" in reasons(well)[0]
        )
        Listing.objects.update(status="BREAK")
        assert reasons(well) == ["The mock exchange lists ETHUSDT, but it cannot be traded now (status BREAK)."]
        Listing.objects.all().delete()
        assert "ETHUSDT: the filters at mock are not known yet" in reasons(well)[0]

    def test_strategy_that_is_gone(self, well: Symbol) -> None:
        TradingSettings.objects.update(strategy="gone")
        [reason] = [reason for reason in reasons(well) if "strategy" in reason]
        assert reason.startswith("ETHUSDT: the strategy cannot decide: ")
        assert "gone" in reason

    def test_protection_that_holds_now_but_not_one_that_held(self, well: Symbol) -> None:
        soon, now = timezone.now() + timedelta(seconds=30), timezone.now()
        row = DeniedOrder.objects.create(
            venue=Venue.MOCK,
            symbol=well,
            rule=Rule.OPEN_ORDERS,
            day=now.date(),
            count=1,
            reason="max open orders of ETHUSDT, 1, reached: 1 open",
            last_at=now,
            denies_until=soon,
        )
        assert reasons(well) == ["Buys denied by a risk limit: max open orders of ETHUSDT, 1, reached: 1 open."]
        DeniedOrder.objects.filter(pk=row.pk).update(denies_until=now)
        assert reasons(well) == []

    def test_without_redis_it_answers_all_the_same(self, well: Symbol, settings: Settings) -> None:
        settings.REDIS_URL = NO_REDIS
        states = [ProcessState(name, name != "redis", None, "") for name in processes.NAMES]
        assert reasons(well, states) == [
            "Redis is down: no events and no tasks are delivered. Positions can still exit.",
            "ETHUSDT: no price yet.",
        ]


class TestSlots:
    def test_each_wanted_slot_has_a_line(self, well: Symbol) -> None:
        Slot.objects.create(symbol=well, venue=Venue.MOCK, number=2)
        make_trader(well, 5, waits_for="the sell is to come")
        told = {line.number: line.text for line in slots(well)}
        assert told == {
            1: "free: a trader starts within a second",
            2: "free: a trader starts within a second",
            3: "not open yet: it opens when the price falls by the ladder step",
            5: "the sell is to come",
        }

    def test_while_off_only_those_that_are_taken(self, well: Symbol) -> None:
        TradingSettings.objects.update(status=TradingStatus.OFF)
        make_trader(well, 2, waits_for="trading is off for this symbol")
        assert [(line.number, line.text) for line in slots(well)] == [(2, "trading is off for this symbol")]

    def test_resting_order_with_its_distance_from_the_market(self, well: Symbol) -> None:
        make_order(make_trader(well, 1), price=D("2997"))
        assert slots(well)[0].text == "its buy of 0.0667 ETH is open at 2997, 0.1 % below the market, 3000"

    def test_order_that_nobody_has_answered(self, well: Symbol) -> None:
        make_order(make_trader(well, 1), status=OrderStatus.SUBMITTING)
        assert slots(well)[0].text == "its buy of 0.0667 ETH at 2997 is in flight"

    def test_price_and_time_that_wake_it(self, well: Symbol) -> None:
        retry = timezone.now() + timedelta(seconds=40.4)
        make_trader(well, 1, waits_for="waiting for the next trade", wake_below=ANY_PRICE)
        make_trader(
            well, 2, wake_below=D("2950.00999999"), wake_above=D("3099.99000001"), retry_at=retry, waits_for="follows"
        )
        assert [line.text for line in slots(well)[:2]] == [
            "waiting for the next trade; next trigger: the next trade, at any price",
            "follows; next trigger: a trade at 2950 or below, or at 3100 or above; checks again in 40 s",
        ]

    def test_error_stands_out(self, well: Symbol) -> None:
        make_trader(well, 1, error="insufficient balance", failures=2)
        line = slots(well)[0]
        assert (line.text, line.is_error) == ("error: insufficient balance", True)


def test_queries_do_not_grow_with_slots(well: Symbol, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    TradingSettings.objects.update(max_slots=20)
    for slot in range(1, 21):
        make_story(well, slot)
    with django_assert_max_num_queries(16):
        assert len(why(Symbol.objects.select_related("settings").get(pk=well.pk), UP).slots) == 20


class TestShown:
    @pytest.fixture(autouse=True)
    def all_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "states", lambda: UP)

    def run(self, *arguments: str) -> str:
        out = io.StringIO()
        call_command("why", *arguments, stdout=out)
        return out.getvalue()

    def test_command_reads_well(self, well: Symbol) -> None:
        make_story(well)
        assert self.run("ethusdt").splitlines() == [
            "Nothing blocks ETHUSDT at mock; traders by slot:",
            "",
            "#1  selling  its sell of 0.0667 ETH is open at 3005.99, 0.2 % above the market, 3000",
            "#2  -        not open yet: it opens when the price falls by the ladder step",
            "#3  -        not open yet: it opens when the price falls by the ladder step",
        ]
        kill_switch.halt("anna", "news")
        assert self.run("ETHUSDT").startswith("ETHUSDT at mock is not buying:\n  - Trading is halted: news")

    def test_traders_in_error_are_not_nothing(self, admin_client: Client, well: Symbol) -> None:
        page = reverse("admin:trading_symbol_change", args=(well.pk,))
        assert "Nothing blocks ETHUSDT at mock. Traders by slot:" in admin_client.get(page).content.decode()
        make_trader(well, 1, error="insufficient balance", failures=2)
        words = "Nothing blocks ETHUSDT at mock, but some traders have errors:"
        assert self.run("ETHUSDT").startswith(words)
        shown = admin_client.get(page).content.decode()
        assert words in shown
        assert "Traders by slot" not in shown

    def test_json_says_the_same(self, well: Symbol) -> None:
        trader = make_story(well)
        told = json.loads(self.run("ETHUSDT", "--json"))
        assert (told["symbol"], told["venue"], told["reasons"]) == ("ETHUSDT", "mock", [])
        assert told["slots"][0]["trader"] == trader.pk

    def test_unknown_symbol_is_a_line(self, redis_client: "redis.Redis") -> None:
        with pytest.raises(CommandError, match="NOPE was never turned on"):
            self.run("NOPE")

    def test_symbols_page_says_it_too(self, admin_client: Client, well: Symbol) -> None:
        make_story(well)
        kill_switch.halt("anna", "news")
        page = admin_client.get(reverse("admin:trading_symbol_change", args=(well.pk,))).content.decode()
        assert "Buy status" in page
        assert "Trading is halted: news (by anna" in page
        assert "its sell of 0.0667 ETH is open at 3005.99, 0.2 % above the market, 3000" in page
