"""One diagnosis, whoever shows it: the overview, `status`, a symbol's page and `why`."""

import json
from html import unescape

import pytest
import redis
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from console import diagnosis
from console.findings import Severity, Topic
from hedgehog_project import processes, queues, shared_clock
from hedgehog_project.processes import ProcessState
from tests.console.test_overview import NO_REDIS, publish
from tests.support.commands import said
from tests.support.heartbeats import all_well, plant
from tests.trading.archive.conftest import days_ago, make_told_cycle
from tests.trading.conftest import make_symbol
from trading.models import Symbol, TradingSettings
from trading.risk import kill_switch
from trading.symbols import turning

pytestmark = pytest.mark.django_db

STREAMER_DOWN = [ProcessState(name, name != "streamer", 0.0, "") for name in processes.NAMES]


@pytest.fixture
def streamer_down(monkeypatch: pytest.MonkeyPatch, redis_client: "redis.Redis") -> None:
    all_well(redis_client)
    monkeypatch.setattr(processes, "states", lambda: STREAMER_DOWN)


def everywhere(client: Client, symbol: Symbol) -> dict[str, str]:
    pages = {
        "overview": reverse("admin:index"),
        "symbol's page": reverse("admin:trading_symbol_change", args=(symbol.pk,)),
    }
    shown = {name: unescape(client.get(url).content.decode()) for name, url in pages.items()}
    return shown | {"status": said("status"), "why": said("why", symbol.name)}


@pytest.mark.usefixtures("streamer_down")
def test_what_is_wrong_is_said_in_the_same_words_everywhere(admin_client: Client, symbol: Symbol) -> None:
    TradingSettings.objects.update(strategy="gone")
    for words in (
        "The streamer is down: no prices and no execution reports.",
        "ETHUSDT: the price feed from mock is off. Turn it on.",
        "ETHUSDT: the strategy cannot decide: unknown strategy 'gone'",
    ):
        for where, text in everywhere(admin_client, symbol).items():
            assert words in text, where
    kill_switch.halt("anna", "news")
    for where, text in everywhere(admin_client, symbol).items():
        assert "rading is halted: news (by anna, since " in text, where


@pytest.mark.usefixtures("streamer_down")
def test_programs_get_what_it_is_about_and_whether_it_stops_buys(symbol: Symbol) -> None:
    down, deaf, _ = json.loads(said("why", "ETHUSDT", "--json"))["findings"]
    assert down == {
        "severity": "alarm",
        "topic": "process",
        "text": "The streamer is down: no prices and no execution reports.",
        "advice": "",
        "stops_buys": True,
    }
    assert (deaf["topic"], deaf["advice"], deaf["stops_buys"]) == ("prices", "Turn it on.", True)
    of_all = json.loads(said("status", "--json"))["diagnosis"]
    assert [each["text"] for each in of_all[:2]] == [down["text"], deaf["text"]]
    assert not of_all[1]["stops_buys"], "other symbols buy"


def test_alarms_come_first_and_a_worker_that_is_stuck_is_one_that_stops_no_buy(
    symbol: Symbol, redis_client: "redis.Redis"
) -> None:
    all_well(redis_client)
    plant(redis_client, "worker", pid=8, queues="celery", stuck="its tasks do not end")
    found = diagnosis.diagnose(diagnosis.gather(symbol, []))
    assert [(each.severity, each.topic) for each in found] == [
        (Severity.ALARM, Topic.PROGRESS),
        (Severity.NOTE, Topic.PRICES),
        (Severity.NOTE, Topic.PRICES),
    ]
    assert not found[0].stops_buys


def test_tasks_that_were_given_up_are_counted_and_told_of_for_a_minute(
    admin_client: Client, symbol: Symbol, redis_client: "redis.Redis"
) -> None:
    all_well(redis_client)
    for ago_s, count in ((600, 431), (70, 3)):
        queues.note_given_up(redis_client, queues.ENTRIES, shared_clock.now() - ago_s, count)
    words = "434 tasks of the queue celery waited too long, the last 70 s ago"
    assert f"Given up: {words}" in said("status")
    assert f"Given up: {words}" in everywhere(admin_client, symbol)["overview"]
    assert json.loads(said("status", "--json"))["queues"][-1]["given_up"] == 434
    assert "overloaded" not in said("why", "ETHUSDT")
    queues.note_given_up(redis_client, queues.ENTRIES, shared_clock.now())
    words = "The workers are overloaded: 435 tasks of the queue celery waited too long"
    for where, text in everywhere(admin_client, symbol).items():
        assert words in text, where


@pytest.mark.parametrize("one", [True, False])
def test_without_redis_every_source_answers_all_the_same(symbol: Symbol, settings: Settings, one: bool) -> None:
    settings.REDIS_URL = NO_REDIS
    facts = diagnosis.gather(symbol if one else None)
    assert facts.seen is None
    for source in diagnosis.SOURCES:
        list(source(facts))
    texts = [str(each) for each in diagnosis.diagnose(facts)]
    assert diagnosis.WITHOUT["redis"] in texts
    assert "ETHUSDT: the price feed from mock is off. Turn it on." in texts


def test_queries_do_not_grow_with_symbols(
    redis_client: "redis.Redis", django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    all_well(redis_client)
    for n in range(30):
        symbol = make_symbol(f"A{n}USDT")
        turning.set_streaming(symbol, True)
        publish(symbol.name, "3000")
    with django_assert_max_num_queries(24):
        assert diagnosis.diagnose(diagnosis.gather(states=[])) == []


def test_an_archive_that_does_not_get_on_is_told(
    symbol: Symbol, redis_client: "redis.Redis", settings: Settings
) -> None:
    all_well(redis_client)
    words = "Old journals have not been archived for 3 days. Run `manage.py archive`"
    make_told_cycle(symbol, days_ago(92))
    assert words not in said("status")
    make_told_cycle(symbol, days_ago(94))
    assert words in said("status")
    assert words not in said("why", symbol.name)
    settings.KEEP_JOURNAL_DAYS = 0
    assert words not in said("status")
