"""The commands for people: what they do, and one clear line with exit code 1 for what can't work."""

import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal as D
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django_celery_beat.models import PeriodicTask
from pytest_django import Settings

from hedgehog_project import cli
from hedgehog_project.heartbeats import alive
from hedgehog_project.ports import HOST, free_port
from streamer.models import StreamedSymbol
from tests.support.environment import ROOT, start_redis
from tests.support.exchanges.market import KEY, SECRET, MockExchange, start_mock
from tests.support.machine.processes import Processes
from trading.core.events import TradeSeen
from trading.core.fees import Fees
from trading.core.orders import OrderStatus, Side
from trading.exchange import client as client_module
from trading.models import Listing, Order, Switch, Symbol, Trader, TradingSettings
from trading.models.switch import TradingMode
from trading.reconciliation import reconcile as reconcile_module
from trading.risk import kill_switch
from trading.symbols.listings import named
from trading.traders import acting


def run(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def is_on(symbol: str) -> bool:
    return TradingSettings.objects.filter(symbol__name=symbol, status="on").exists()


@pytest.mark.django_db
class TestTrade:
    @pytest.fixture(autouse=True)
    def switch(self, at_mock: MockExchange) -> None:
        Switch.objects.get_or_create(pk=1)

    def test_on_asks_the_exchange_and_streams_the_symbol(self) -> None:
        assert run("trade", "ethusdt", "on") == "ETHUSDT: trading is on (mock)\n"
        listing = Listing.objects.get(symbol__name="ETHUSDT", venue="mock")
        assert (listing.tick_size, listing.step_size, listing.fees) == (D("0.01"), D("0.0001"), Fees())
        assert is_on("ETHUSDT")
        assert StreamedSymbol.objects.get(symbol="ETHUSDT", market="mock").is_on

    @pytest.mark.parametrize(("mode", "what"), [(TradingMode.HALTED, "order"), (TradingMode.REDUCING, "buy")])
    def test_on_says_that_trading_is_halted(self, mode: TradingMode, what: str) -> None:
        kill_switch.halt("anna", "news", mode)
        on, note = run("trade", "ETHUSDT", "on").splitlines()
        assert on == "ETHUSDT: trading is on (mock)"
        assert note == f"No {what} is placed until `manage.py resume`: {Switch.row().mode_text}."
        assert run("trade", "ETHUSDT", "off") == "ETHUSDT: trading is off (mock)\n"

    def test_off_leaves_the_symbol_streaming(self) -> None:
        run("trade", "ETHUSDT", "on")
        assert run("trade", "ethusdt", "off") == "ETHUSDT: trading is off (mock)\n"
        assert not is_on("ETHUSDT")
        assert StreamedSymbol.objects.get(symbol="ETHUSDT").is_on

    def test_several_symbols_at_once(self) -> None:
        run("trade", "ETHUSDT", "BTCUSDT", "on")
        assert is_on("ETHUSDT")
        assert is_on("BTCUSDT")

    def test_symbol_that_the_exchange_does_not_know_leaves_nothing_behind(self) -> None:
        with pytest.raises(CommandError, match=r"^mock does not list NOPE\. Check the spelling"):
            run("trade", "nope", "on")
        assert not Symbol.objects.exists()

    def test_off_for_a_symbol_that_never_was_on_says_so(self) -> None:
        with pytest.raises(CommandError, match="NOPE was never turned on"):
            run("trade", "NOPE", "off")

    def test_budget_under_the_least_notional_says_what_to_raise(self) -> None:
        TradingSettings.objects.filter(symbol=named("ETHUSDT")).update(budget=D(12), max_slots=3)
        with pytest.raises(CommandError, match=r"With 3 slots the order size is 4 USDT.* above 15 or use"):
            run("trade", "ETHUSDT", "on")
        assert not is_on("ETHUSDT")

    def test_wrong_key_is_no_missing_symbol(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.MOCK_API_KEY = ""
        monkeypatch.setattr(client_module, "_of_thread", threading.local())
        with pytest.raises(CommandError, match="No key for mock"):
            run("trade", "ETHUSDT", "on")


@pytest.fixture
def halted(tmp_path: Path, processes: Processes, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that lists BTCUSDT, but does not trade it: its market replays ETHUSDT alone."""
    file = tmp_path / "ETHUSDT-trades-2026-01-01.csv"
    file.write_text(
        "1,3000.00,1.0,3000.0,1767225600000000,True,True\n2,3000.01,1.0,3000.01,1767225601000000,False,True\n"
    )
    settings.MARKET = f"replay:{file}"
    mock, _ = start_mock(processes, str(tmp_path), MARKET=settings.MARKET)
    settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = mock.port, KEY, SECRET
    monkeypatch.setattr(client_module, "_of_thread", threading.local())


@pytest.mark.django_db
@pytest.mark.usefixtures("halted")
def test_symbol_that_is_not_trading_says_its_status() -> None:
    with pytest.raises(CommandError, match=r"BTCUSDT cannot be traded at mock\S+ now \(status BREAK\)"):
        run("trade", "BTCUSDT", "on")
    assert not is_on("BTCUSDT")


@pytest.mark.django_db
@pytest.mark.parametrize("command", [("trade", "ETHUSDT", "on"), ("reconcile", "mock"), ("audit", "mock")])
def test_missing_exchange_is_one_clear_line(command: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as raised:
        run(*command)
    assert "Exchange unreachable" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.django_db(transaction=True)
def test_reconcile_repairs_what_differs(
    trader: Trader, at_mock: MockExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, D(3000), 0), lambda _: at_mock.client())
    assert run("reconcile") == "mock: 1 open order and 0 new fills compared; records match\n"
    at_mock.trade("ETHUSDT", "2996")
    monkeypatch.setattr(reconcile_module, "REPORTS_TAKE", timedelta(0))
    told, difference = run("reconcile").splitlines()
    assert told == "mock: 1 open order and 1 new fill compared; 1 difference repaired"
    assert "new here, filled with 0.0667 there: filled with 0.0667 now" in difference
    assert Order.objects.get(side=Side.BUY).status == OrderStatus.FILLED
    assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW


@pytest.mark.django_db
class TestSetup:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, settings: Settings) -> Path:
        settings.HEDGEHOG_HOME = tmp_path
        settings.HEDGEHOG_SYMBOLS = ["ETHUSDT", "XRPUSDT"]
        return tmp_path

    def test_first_start_turns_on_the_symbols_and_makes_an_admin(self, home: Path) -> None:
        run("setup")
        assert is_on("ETHUSDT")
        assert is_on("XRPUSDT")
        password = (home / "first_password").read_text().strip()
        assert get_user_model().objects.get().check_password(password)
        assert (home / "first_password").read_text() == f"{password}\n"
        assert stat.S_IMODE((home / "first_password").stat().st_mode) == 0o600
        assert Switch.current() == "mock"

    def test_two_installations_have_different_passwords(self, home: Path) -> None:
        run("setup")
        first = (home / "first_password").read_text()
        get_user_model().objects.all().delete()
        run("setup")
        assert (home / "first_password").read_text() != first

    def test_run_again_it_undoes_nothing_that_the_operator_changed(self, settings: Settings) -> None:
        run("setup", "--no-admin")
        assert not get_user_model().objects.exists()
        TradingSettings.objects.filter(symbol__name="ETHUSDT").update(status="off")
        PeriodicTask.objects.filter(name="Leader").update(enabled=False)
        settings.HEDGEHOG_SYMBOLS = ["BTCUSDT"]
        assert run("setup", "--no-admin") == ""
        assert not is_on("ETHUSDT")
        assert not is_on("BTCUSDT")
        assert not PeriodicTask.objects.get(name="Leader").enabled


class TestFromTheShell:
    """As an operator sees it: the whole of stderr, and the exit code."""

    def test_unknown_symbol(self, prepared: Processes, running_mock: MockExchange) -> None:
        ended = prepared.run(
            "trade", "NOPE", "on", MOCK_PORT=running_mock.port, MOCK_API_KEY=KEY, MOCK_API_SECRET=SECRET
        )
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == "CommandError: mock does not list NOPE. Check the spelling, for example ETHUSDT.\n"

    def test_wrong_word(self, processes: Processes) -> None:
        ended = processes.run("trade", "ETHUSDT", "maybe")
        assert ended.returncode == 2
        known = "on, off, shutdown"
        assert ended.stderr == (
            f"hedgehog: status: must be one of {known}, not 'maybe'. See `manage.py trade --help`.\n"
        )

    @pytest.mark.parametrize(
        ("command", "problem"),
        [
            (("trade", "ETHUSDT"), "status"),
            (("export", "trades", "--year", "abcd"), "--year: must be a whole number, not 'abcd'"),
            (("symbols", "sink"), "must be one of sync, check, list, apply, not 'sink'"),
            (("faults", "mix", "--for", "abc"), "--for: must be a number, not 'abc'"),
            (("status", "--jsn"), "--jsn"),
        ],
    )
    def test_wrong_arguments_are_one_line(self, processes: Processes, command: tuple[str, ...], problem: str) -> None:
        ended = processes.run(*command)
        assert ended.returncode == 2
        (line,) = ended.stderr.splitlines()
        assert problem in line
        assert "--help`." in line

    def test_help_lists_our_commands_with_what_they_do(self, processes: Processes) -> None:
        told = processes.run("--help").stdout
        assert re.search(r"^  move-database +\S+ ", told, re.MULTILINE)
        assert re.search(r"^  halt +Halts trading$", told, re.MULTILINE)

    @pytest.mark.parametrize("command", [("trade", "ETHUSDT", "on"), ("audit",), ("reconcile",), ("setup",)])
    def test_missing_database(self, processes: Processes, tmp_path: Path, command: tuple[str, ...]) -> None:
        ended = processes.run(*command, DATABASE_URL=f"sqlite:///{tmp_path / 'none.sqlite3'}")
        assert ended.returncode == 1
        assert re.fullmatch(r"hedgehog: The database is not migrated: .* Run `manage.py migrate`.*\n", ended.stderr)

    def test_missing_database_server(self, processes: Processes) -> None:
        address = f"postgresql://hedgehog:secret-word@{HOST}:{free_port()}/hedgehog"
        ended = processes.run("trade", "ETHUSDT", "on", DATABASE_URL=address)
        assert ended.returncode == 1
        assert re.fullmatch(r"hedgehog: The database \(.*\) cannot be used: .* See DATABASE_URL\.\n", ended.stderr)
        assert "secret-word" not in ended.stderr

    def test_redis_address_that_is_none(self, processes: Processes) -> None:
        ended = processes.run("status", REDIS_URL="nonsense")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "REDIS_URL cannot be read" in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_status_without_redis(self, prepared: Processes) -> None:
        ended = prepared.run("status", REDIS_URL=f"redis://{HOST}:{free_port()}/0")
        assert (ended.returncode, ended.stderr) == (1, "")
        assert re.search(r"^redis +DOWN", ended.stdout, re.MULTILINE)


@pytest.fixture
def prepared(processes: Processes, tmp_path: Path) -> Processes:
    """Processes whose database has tables and nothing in them."""
    processes.environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'prepared.sqlite3'}"
    assert processes.run("migrate", "--verbosity=0").returncode == 0
    return processes


class TestDispatch:
    @pytest.fixture
    def away(self, tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
        """The address of a Redis that does not run yet, and what starts it."""
        port, started = free_port(), []

        def start() -> None:
            started.append(start_redis(tmp_path / "later", port)[0])

        yield f"redis://:tests-only@{HOST}:{port}/0", start
        for process in started:
            process.kill()
            process.wait()

    def test_waits_for_redis_and_says_so_once(
        self, prepared: Processes, away: tuple[str, Callable[[], None]]
    ) -> None:
        address, start = away
        dispatcher = prepared.manage("dispatch", REDIS_URL=address)
        prepared.wait_for(lambda: "Connection refused" in dispatcher.output, 10, "that it says so")
        start()
        client = redis.Redis.from_url(address)
        prepared.wait_for(lambda: "dispatcher" in alive(client), 10, "its heartbeat")
        prepared.wait_for(lambda: "Redis is back" in dispatcher.output, 10, "that it goes on")
        assert dispatcher.output.count("Connection refused") == 1
        assert dispatcher.stop(2) == 0

    def test_without_a_database_it_says_so_and_ends_when_asked(self, processes: Processes, tmp_path: Path) -> None:
        dispatcher = processes.manage("dispatch", DATABASE_URL=f"sqlite:///{tmp_path / 'none.sqlite3'}")
        processes.wait_for(lambda: "database unavailable" in dispatcher.output, 10, "that it says so")
        dispatcher.signal(signal.SIGINT)
        assert dispatcher.wait(2) == 0
        assert "Traceback" not in dispatcher.output


def test_the_list_of_commands_has_each_with_what_it_says_of_itself() -> None:
    assert cli.commands() == {name: str(app) for name, app in get_commands().items()}
    ours = {name: app for name, app in cli.commands().items() if app in cli.OURS}
    assert len(ours) > 15
    for name, app in ours.items():
        read = cli._help_of(app, name)
        assert read, name
        assert load_command_class(app, name).help.startswith(read), name


def test_the_list_of_commands_loads_no_rows_no_pages_and_no_tasks() -> None:
    script = (
        "import sys; from hedgehog_project.cli import main; main(); print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "check-exchange" in told.stdout
    heavy = {
        "celery",
        "django.db.models",
        "kombu",
        "psycopg",
        "redis.asyncio.client",
        "trading.models",
        "unfold.admin",
    }
    assert heavy.isdisjoint(told.stderr.split())
