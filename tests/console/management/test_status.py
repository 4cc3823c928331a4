"""`manage.py status`: its table, its JSON, its exit codes."""

import io
import json
import re
from datetime import timedelta
from decimal import Decimal
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.core.management.base import OutputWrapper
from django.utils import timezone

from console import readyz
from console.management import watching
from console.management.commands import status
from hedgehog_project import processes as probes
from hedgehog_project.processes import ProcessState
from hedgehog_project.venues import Venue
from hedgehog_project.version import VERSION
from streamer.models import StreamedSymbol
from tests.console.test_overview import publish
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.heartbeats import all_well, plant
from tests.support.machine.processes import Processes
from tests.support.rows import make_cycle, make_order, make_story, make_trader
from trading.books import account
from trading.core.money import plain
from trading.core.orders import OrderStatus
from trading.exchange.client import rate_limits_of
from trading.models import Order, Symbol
from trading.risk import balances, kill_switch
from trading.symbols import turning

pytestmark = pytest.mark.django_db

GAINED = "-0.19324324"
UP = [ProcessState("redis", True, 0.0, "127.0.0.1:6379/0"), ProcessState("streamer", True, 0.41234, "20 frames/s")]
DOWN = [*UP, ProcessState("worker", False, None, "not started yet")]


def run(*arguments: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("status", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(str(end.code))
    return out.getvalue(), 0


@pytest.fixture
def all_up(monkeypatch: pytest.MonkeyPatch, redis_client: "redis.Redis") -> None:
    all_well(redis_client)
    monkeypatch.setattr(probes, "states", lambda: UP)


@pytest.fixture
def day(symbol: Symbol) -> Symbol:
    turning.set_streaming(symbol, True)
    make_story(symbol)
    make_order(make_trader(symbol, 2), status=OrderStatus.SUBMITTING)
    make_cycle(symbol, "0.12345678")
    return symbol


def test_json_has_exactly_the_promised_shape(day: Symbol, all_up: None) -> None:
    Symbol.objects.create(name="ADABTC", quote_asset="BTC")
    StreamedSymbol.objects.create(market="live", symbol="ADABTC", is_on=True)
    publish("ETHUSDT", "3000.10000000", age_s=2)
    text, code = run("--json")
    told: dict[str, Any] = json.loads(text)
    last_fill = readyz.last_fill()
    age_s = told["symbols"][1].pop("last_trade_age_s")
    assert 2 <= age_s < 10
    assert told.pop("weight_used") >= 0
    assert told.pop("leader_age_s") < 5
    assert told == {
        "version": VERSION,
        "venue": "mock",
        "resting": {},
        "mode": "active",
        "mode_reason": "",
        "mode_by": "",
        "mode_since": None,
        "identity": "",
        "other_installations": [],
        "rate_limited_until": None,
        "rate_limited_reason": "",
        "orders_used_10s": 0,
        "symbols": [
            {
                "symbol": "ADABTC",
                "streaming": False,
                "trading": False,
                "last_price": None,
                "last_trade_age_s": None,
                "traders": 0,
                "cycles_finished": 0,
                "profit": "0",
                "cycles_with_unvalued_commissions": 0,
                "left_over": None,
                "exchange_says": None,
            },
            {
                "symbol": "ETHUSDT",
                "streaming": True,
                "trading": True,
                "last_price": "3000.1",
                "traders": 2,
                "cycles_finished": 1,
                "profit": "0.12345678",
                "cycles_with_unvalued_commissions": 0,
                "left_over": None,
                "exchange_says": None,
            },
        ],
        "denied": [],
        "orders_open": 2,
        "orders_in_flight": 1,
        "orders_unconfirmed": 0,
        "blocked": [],
        "processes": [
            {"name": "redis", "alive": True, "age_s": 0.0},
            {"name": "streamer", "alive": True, "age_s": 0.412},
        ],
        "findings": [],
        "diagnosis": [],
        "queues": [
            {"name": name, "length": 0, "oldest_s": 0.0, "given_up": 0}
            for name in ("leader", "exits", "reports", "celery")
        ],
        "last_fill": last_fill.isoformat() if last_fill else None,
        # 0.0666333 ETH held, bought at 2997, at 3000.1 less the commission of a sale.
        "gain": {
            "USDT": {
                "realised": "0.12345678",
                "unrealised": GAINED,
                "gain": plain(D(GAINED) + D("0.12345678")),
                "positions_without_price": 0,
            }
        },
        "account": None,
        # Old names, for one release.
        "mode_why": "",
        "stopped_until": None,
        "stopped_why": "",
        "held_back": [],
        "orders_submitting": 1,
        "orders_unclear": 0,
        "waiting": [],
    }
    assert code == 0


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_exit_code_says_that_something_is_down_after_all_is_shown(
    day: Symbol, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    monkeypatch.setattr(probes, "states", lambda: DOWN)
    text, code = run(*form)
    assert code == 1
    assert "ETHUSDT" in text
    assert "worker" in text


def test_process_of_which_nobody_can_tell_is_not_called_down(
    day: Symbol, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    all_well(redis_client)
    unknown = ProcessState("worker", None, 12.0, "unknown: Redis refuses writes")
    monkeypatch.setattr(probes, "states", lambda: [*UP, unknown])
    text, code = run()
    assert code == 1
    assert re.search(r"^worker +unknown +12 s ago +unknown: Redis refuses writes$", text, re.MULTILINE)
    assert json.loads(run("--json")[0])["processes"][-1] == {"name": "worker", "alive": None, "age_s": 12.0}


def test_table_reads_well(day: Symbol, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    all_well(redis_client)
    monkeypatch.setattr(probes, "states", lambda: DOWN)
    lines = run()[0].splitlines()
    assert lines[0] == f"Hedgehog {VERSION}. Venue mock/simulated. Realised profit: 0.12345678 USDT."
    # Its price is unknown: it counts at its cost.
    assert lines[1] == (
        "Unrealised: 0 USDT, positions at 199.8999 USDT. Gain: +0.123457 USDT. 1 position without a price, at cost."
    )
    assert lines[3].split() == [
        "SYMBOL",
        "FEED",
        "TRADING",
        "LAST",
        "PRICE",
        "AGE",
        "TRADERS",
        "CYCLES",
        "PROFIT",
    ]
    assert lines[4].split() == ["ETHUSDT", "on", "on", "unknown", "2", "1", "0.12345678", "USDT"]
    assert "Open orders: 2, in flight: 1" in lines
    start = next(n for n, line in enumerate(lines) if line.startswith("PROCESS"))
    states = [line.split()[:2] for line in lines[start + 1 : start + 4]]
    assert states == [["redis", "up"], ["streamer", "up"], ["worker", "DOWN"]]
    assert lines[-5].startswith("Leader last finished: 0 s ago; queued tasks: leader 0, exits 0, reports 0, celery 0")
    assert lines[-3:] == [
        "Note: No worker for entries is running: no trader starts or buys.",
        "Note: No price of ETHUSDT yet.",
        "Note: ETHUSDT: no price yet.",
    ]


def test_what_holds_trading_back_is_said_first_and_who_waits_for_it(day: Symbol, all_up: None) -> None:
    make_trader(day, 3, retry_at=timezone.now(), waits_for="trading is halted: news")
    make_trader(day, 4, retry_at=timezone.now(), error="insufficient balance", waits_for="old")
    Order.objects.filter(status=OrderStatus.SUBMITTING).update(submitted_at=timezone.now() - timedelta(seconds=9))
    kill_switch.halt("anna", "news")
    text, _ = run()
    assert text.startswith("Trading is halted: news (by anna, since ")
    assert "Run `manage.py resume` to resume trading." in text.splitlines()[0]
    assert "unconfirmed and being queried: 1" in text
    assert "Blocked, 1 trader: trading is halted: news" in text
    told = json.loads(run("--json")[0])
    assert (told["mode"], told["mode_by"], told["mode_reason"], told["orders_unconfirmed"]) == (
        "halted",
        "anna",
        "news",
        1,
    )
    assert (
        told["blocked"]
        == told["waiting"]
        == [
            {"reason": "insufficient balance", "traders": 1, "is_error": True},
            {"reason": "trading is halted: news", "traders": 1, "is_error": False},
        ]
    )


def test_stop_that_the_exchange_ordered_is_said_with_its_end(day: Symbol, all_up: None) -> None:
    # In the middle of a second: it is told by another clock.
    until = timezone.now().replace(microsecond=500_000) + timedelta(minutes=2)
    rate_limits_of(Venue.MOCK).stop(round(until.timestamp() * 1000), "banned (418)")
    text, _ = run()
    assert f"No requests to {rate_limits_of(Venue.MOCK).host} until {until:%d %b %H:%M:%S} UTC: banned (418)." in text
    assert json.loads(run("--json")[0])["rate_limited_reason"] == "banned (418)"


def test_what_does_not_get_on_is_said_and_is_a_failure_though_every_process_is_up(
    day: Symbol, all_up: None, redis_client: "redis.Redis"
) -> None:
    publish("ETHUSDT", "3000")
    assert run()[1] == 0
    plant(redis_client, "worker", "garage", age_s=40)
    plant(redis_client, "streamer", "garage", age_s=41)
    text, code = run()
    assert code == 1
    assert "Note: No heartbeat from the host garage for 40 s: streamer, worker ran there." in text.splitlines()
    assert json.loads(run("--json")[0])["findings"] == [
        {"about": "host", "text": "No heartbeat from the host garage for 40 s: streamer, worker ran there."}
    ]
    dismissed, _ = run("--dismiss")
    assert dismissed.splitlines() == [
        "streamer on garage (process 7) dismissed.",
        "worker on garage (process 7) dismissed.",
    ]
    assert run()[1] == 0
    assert run("--dismiss")[0] == "No silent host or process.\n"


def test_watch_shows_it_again_until_ctrl_c(day: Symbol, all_up: None, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", wait)
    text, code = run("--watch")
    assert (text.count("Venue mock/simulated."), waits, code) == (2, [2.0, 2.0], 0)
    assert "\x1b" not in text, "a file gets no codes of a terminal"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_is_redrawn_in_place_with_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    told = iter(["worker  DOWN  \nGain: -1.5 USDT.", "worker  up  \nGain: +2.5 USDT."])

    def text() -> str:
        try:
            return next(told)
        except StopIteration:
            raise KeyboardInterrupt from None

    out = Terminal()
    watching.watch(text, 0.0, OutputWrapper(out))
    shown = out.getvalue()
    assert (shown.count("\x1b[?1049h"), shown.count("\x1b[?1049l")) == (1, 1), "a screen of its own, given back"
    for coloured in ("\x1b[1;31mDOWN", "\x1b[31m-1.5 USDT", "\x1b[32mup", "\x1b[32m+2.5 USDT"):
        assert coloured in shown


def test_with_nothing_running_it_still_answers(symbol: Symbol) -> None:
    """Real probes of ports where nothing listens; only the run's Redis is up."""
    text, code = run("--json")
    states = {state["name"]: state["alive"] for state in json.loads(text)["processes"]}
    assert code == 1
    assert states.pop("redis")
    assert not any(states.values())


def test_as_a_command_without_a_database_it_exits_with_one_line(processes: Processes, tmp_path: Path) -> None:
    ended = processes.run("status", "--json", DATABASE_URL=f"sqlite:///{tmp_path / 'none.sqlite3'}")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("hedgehog: The database is not migrated: no such table: trading_switch. Run ")
    assert len(ended.stderr.strip().splitlines()) == 1


def test_account_is_told_in_words_and_in_json(symbol: Symbol) -> None:
    balances.keep(Venue.MOCK, {"USDT": (Decimal(10_000), Decimal(0))}, timezone.now())
    account.measure(Venue.MOCK, {"USDT": (Decimal(10_000), Decimal(0))}, timezone.now(), ScriptedExchange())
    make_cycle(symbol, "2.5")
    facts = status.gather()
    assert (
        "Account value 10,000.00 USDT, put in 10,000.00. Net today +2.50, in total +2.50 "
        "(realised +2.50, unrealised 0.00); apart from traders −2.50." in status.as_text(facts)
    )
    told = status.as_json(facts)["account"]
    assert (told["asset"], told["value"], told["put_in"]) == ("USDT", "10000", "10000")
    gain = {"realised": "2.5", "unrealised": "0", "net": "2.5", "apart_from_traders": "-2.5"}
    assert told["today"] == told["total"] == gain
