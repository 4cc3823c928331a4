"""`manage.py check_exchange`: a line for each finding, each problem with what to do, and the exit status."""

import re
import socket
import time
from decimal import Decimal as D
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from console import checkup
from console.checkup import Level
from hedgehog_project.ports import HOST, free_port
from hedgehog_project.venues import Venue, endpoints
from tests.support.exchanges.market import KEY, SECRET, MockExchange, start_mock
from tests.support.exchanges.scripted_http import ScriptedServer, answer
from tests.support.machine.processes import Processes
from trading.exchange import inspector
from trading.exchange.inspector import Inspector, Reached
from trading.exchange.rights import MAY_WITHDRAW
from trading.models import Listing, Symbol, TradingSettings

pytestmark = pytest.mark.django_db


def check(*arguments: str) -> tuple[str, str]:
    """What it prints, and the error that it ends with."""
    out = StringIO()
    try:
        call_command("check_exchange", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def to_mend(shown: str) -> list[str]:
    return re.findall(r"FAIL  (.*)", shown)


@pytest.fixture
def live(mock: MockExchange, settings: Settings) -> Settings:
    """The mock is the venue live."""
    stream = mock.url.replace("http", "ws")
    settings.LIVE_REST_URL, settings.LIVE_STREAM_URL = mock.url, stream
    settings.LIVE_WS_API_URL = f"{stream}/ws-api/v3"
    settings.BINANCE_API_KEY, settings.BINANCE_API_SECRET = KEY, SECRET
    settings.HEDGEHOG_ALLOW_LIVE = True
    return settings


def test_good_venue_is_ok_in_every_line_and_nothing_is_placed(at_mock: MockExchange, symbol: Symbol) -> None:
    shown, error = check()
    assert error == ""
    assert all(re.match(r"mock      ok    ", line) for line in shown.splitlines()), shown
    for words in (
        f"REST {at_mock.url} answers in",
        "streams ws://",
        "WebSocket API ws://",
        "user data stream: subscription works",
        "clock: ",
        "HMAC key works; the account can trade (SPOT)",
        "ETHUSDT at 3000: TRADING, tick 0.01, step 0.0001, min notional 5; buying 0.0667 at 2997 would be accepted",
        "10000 USDT free, 200 still needed for ETHUSDT",
    ):
        assert words in shown
    assert at_mock.client().orders("ETHUSDT") == []


@pytest.mark.parametrize("is_known", [True, False])
def test_whether_a_buy_could_be_sold_again_is_reckoned_with_the_accounts_own_commissions(
    symbol: Symbol, processes: Processes, tmp_path: Path, settings: Settings, is_known: bool
) -> None:
    """A share of 5.2 buys 0.0017: at 10 % for takers less than 5 USDT of it could be sold again."""
    mock, _ = start_mock(
        processes, str(tmp_path), MOCK_COMMISSION="" if is_known else "taker=0.1", MOCK_BALANCES="USDT:10000"
    )
    mock.trade("ETHUSDT", "3000")
    settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = mock.port, KEY, SECRET
    TradingSettings.objects.update(budget=D("5.2"))
    if is_known:
        Listing.objects.update(buy_taker_fee=D("0.1"), fee_asked_at=timezone.now())
    (problem,) = to_mend(check("mock")[0])
    assert problem.startswith("ETHUSDT at 3000: the position could not be sold")


def test_live_key_is_looked_at_for_what_it_may_do(live: Settings, symbol: Symbol) -> None:
    shown, error = check("live")
    assert error == ""
    assert "ok    the live key cannot withdraw" in shown
    assert "warn  the live key has no IP whitelist" in shown


def test_live_key_that_may_withdraw_is_to_be_mended(
    live: Settings, symbol: Symbol, processes: Processes, tmp_path: Path
) -> None:
    mock, _ = start_mock(processes, str(tmp_path), MOCK_KEY_MAY_WITHDRAW=1)
    mock.trade("ETHUSDT", "3000")
    live.LIVE_REST_URL = mock.url
    shown, error = check("live")
    assert to_mend(shown) == [MAY_WITHDRAW]
    assert error == "1 finding failed: see FAIL above"
    live.HEDGEHOG_ALLOW_WITHDRAW_KEY = True
    assert check("live")[1] == ""


def test_wrong_secret_is_named_for_rest_and_for_the_stream(live: Settings, symbol: Symbol) -> None:
    live.BINANCE_API_SECRET = "top-secret-that-is-wrong"
    shown, error = check("live")
    stream, key = to_mend(shown)
    assert stream.startswith("user data stream rejected")
    assert key.startswith("the HMAC key: ")
    assert "ETHUSDT at 3000" in shown  # What is public is looked at all the same.
    assert "top-secret" not in shown + error


def test_addresses_that_nobody_listens_on(live: Settings) -> None:
    dead = f"{HOST}:{free_port()}"
    live.LIVE_REST_URL, live.LIVE_WS_API_URL = f"http://{dead}", f"ws://{dead}/ws-api/v3"
    live.LIVE_STREAM_URL = f"ws://{dead}"
    rest, streams, ws_api = to_mend(check("live")[0])
    assert rest.startswith(f"REST http://{dead}: Exchange unreachable")
    assert streams.startswith(f"streams ws://{dead}: ")
    assert ws_api.startswith(f"WebSocket API ws://{dead}/ws-api/v3: ")


def test_address_of_something_else_is_no_stream(live: Settings) -> None:
    with ScriptedServer(*[answer(200, {})] * 2) as server:
        live.LIVE_STREAM_URL = server.url.replace("http", "ws")
        (streams,) = to_mend(check("live")[0])
    assert "Handshake status 200" in streams


@pytest.mark.parametrize(
    ("offset_ms", "level", "words"),
    [
        (400, Level.OK, "400 ms behind"),
        (-501, Level.WARN, "501 ms ahead of"),
        (1001, Level.FAIL, "timedatectl set-ntp true"),
    ],
)
def test_clock_is_noted_over_half_a_second_and_mended_over_a_third_of_the_window(
    at_mock: MockExchange, monkeypatch: pytest.MonkeyPatch, offset_ms: int, level: Level, words: str
) -> None:
    monkeypatch.setattr(Inspector, "reach", lambda self: Reached(3, offset_ms))
    lines = [line for line in check("mock")[0].splitlines() if "clock" in line]
    assert len(lines) == 1
    assert f"mock      {level:<4}" in lines[0]
    assert words in lines[0]


def test_clock_offset_is_measured(at_mock: MockExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    where = endpoints(Venue.MOCK)
    assert where.key
    now = time.time
    monkeypatch.setattr(inspector.time, "time", lambda: now() - 60)
    reached = Inspector(where.rest_url, where.key).reach()
    assert 59_000 < reached.offset_ms < 61_000


@pytest.mark.parametrize(
    ("settings_of_symbol", "words"),
    [
        ({"budget": D(12), "max_slots": 3}, "below the min notional of ETHUSDT at mock, 5: raise the budget"),
        ({"budget": D("5.1"), "max_slots": 1}, "the position could not be sold"),
        (
            {"budget": D(10_001), "max_slots": 1},
            "10000 USDT free, 10001 still needed for ETHUSDT. Lower the budgets",
        ),
    ],
)
def test_settings_that_do_not_fit_the_venue(
    at_mock: MockExchange, symbol: Symbol, settings_of_symbol: dict[str, object], words: str
) -> None:
    TradingSettings.objects.filter(symbol=symbol).update(**settings_of_symbol)
    shown, error = check()
    assert any(words in line for line in to_mend(shown)), shown
    assert error


def test_symbol_that_the_venue_lacks(at_mock: MockExchange, symbol: Symbol) -> None:
    Symbol.objects.filter(pk=symbol.pk).update(name="NOPEUSDT")
    (line,) = to_mend(check()[0])
    assert line.startswith("NOPEUSDT: ")
    assert "Turn trading off" in line


def test_missing_key_is_mended_where_the_venue_was_asked_for_and_noted_among_all(
    at_mock: MockExchange, symbol: Symbol, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for venue in ("LIVE", "TESTNET", "DEMO"):
        stream = at_mock.url.replace("http", "ws")
        setattr(settings, f"{venue}_REST_URL", at_mock.url)
        setattr(settings, f"{venue}_STREAM_URL", stream)
        setattr(settings, f"{venue}_WS_API_URL", f"{stream}/ws-api/v3")
    (line,) = to_mend(check("demo")[0])
    assert line == "No key for demo: set DEMO_API_KEY and DEMO_API_SECRET (or DEMO_PRIVATE_KEY)"
    shown, error = check("--all")
    assert error == ""
    assert len({line.split()[0] for line in shown.splitlines()}) == 4
    assert "warn  No key for demo" in shown


def test_settings_are_looked_at_first(at_mock: MockExchange, settings: Settings) -> None:
    settings.DEMO_REST_URL = "demo-api.binance.com"
    shown, error = check("mock")
    assert shown.startswith("settings  FAIL  DEMO_REST_URL must begin with https://")
    assert error


def test_missing_database_is_one_line(processes: Processes, tmp_path: Path) -> None:
    ended = processes.run("check_exchange", DATABASE_URL=f"sqlite:///{tmp_path / 'none.sqlite3'}")
    assert ended.returncode == 1
    assert re.fullmatch(r"hedgehog: The database is not migrated: .*\n", ended.stderr)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), TimeoutError("timed out")])
def test_a_host_name_that_is_not_found_is_told_in_plain_words(error: Exception) -> None:
    text = str(checkup._no_socket("streams", "wss://h", error, "No prices are received"))
    assert ("host name not found (DNS)" in text) == isinstance(error, socket.gaierror)
    assert "Errno" not in text
