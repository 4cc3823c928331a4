"""`manage.py stream` as a process: what it says, what it follows, how it ends."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from hedgehog_project.heartbeats import alive, beats
from hedgehog_project.ports import free_port
from streamer.topics import report_topic, trade_topic
from tests.streamer.conftest import until
from tests.streamer.exchange import Exchange
from tests.support.environment import ROOT
from tests.support.machine.processes import Processes


@pytest.fixture
def settings_of(tmp_path: Path, exchange: Exchange) -> dict[str, Any]:
    """A database of its own, and the scripted exchange in place of the mock."""
    return {"MOCK_PORT": str(exchange.port), "DATABASE_URL": f"sqlite:///{tmp_path / 'rows.sqlite3'}"}


def ids(client: "redis.Redis", symbol: str) -> list[bytes]:
    entries: list[tuple[bytes, object]] = client.xrange(trade_topic("mock", symbol))  # type: ignore[assignment]
    return [entry_id for entry_id, _ in entries]


def run_python(processes: Processes, code: str, **environment: Any) -> None:
    """Runs statements against the project's models, in a process with the given settings."""
    done = processes.run("shell", "--no-imports", "-c", code, **environment)
    assert done.returncode == 0, done.stderr


def test_named_symbols_stream_until_sigterm(
    processes: Processes, exchange: Exchange, redis_client: "redis.Redis", settings_of: dict[str, Any]
) -> None:
    stream = processes.manage("stream", "ethusdt", **settings_of)
    processes.wait_for(lambda: exchange.connections() and exchange.connections("user"))
    exchange.send_trades(1, 2)
    processes.wait_for(lambda: ids(redis_client, "ETHUSDT") == [b"1-0", b"2-0"])
    processes.wait_for(lambda: redis_client.xlen(report_topic("mock")) == 1)
    processes.wait_for(lambda: "streamer" in alive(redis_client))
    (beat,) = beats(redis_client)
    facts = beat.facts
    assert facts["symbols"] == 1
    assert facts["reconnects"] == 0
    assert "frames_per_s" in facts
    begun = time.monotonic()
    exchange.send_trades(*range(3, 103))
    assert stream.stop(timeout_s=2) == 0
    assert time.monotonic() - begun < 3
    published = ids(redis_client, "ETHUSDT")
    assert published == [b"%d-0" % i for i in range(1, len(published) + 1)]
    assert exchange.connections() == exchange.connections("user") == 0
    assert "streaming symbols=1" in stream.output
    assert "Traceback" not in stream.output


def test_ctrl_c_ends_it_cleanly(processes: Processes, exchange: Exchange, settings_of: dict[str, Any]) -> None:
    stream = processes.manage("stream", "ETHUSDT", "--no-user-stream", **settings_of)
    processes.wait_for(lambda: exchange.connections() == 1)
    stream.signal(signal.SIGINT)
    assert stream.wait(timeout_s=2) == 0
    assert "Traceback" not in stream.output
    assert exchange.connections("user") == 0


def test_it_ends_in_time_while_redis_hangs(
    processes: Processes, exchange: Exchange, settings_of: dict[str, Any], hanging_redis: str
) -> None:
    stream = processes.manage("stream", "ETHUSDT", **settings_of, REDIS_URL=hanging_redis)
    processes.wait_for(lambda: exchange.connections() == 1)
    exchange.send_trades(1)
    time.sleep(0.5)
    assert stream.stop(timeout_s=5) == 0


@pytest.fixture
def hanging_redis() -> Iterator[str]:
    """An address where connections are accepted and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["NOSUCHUSDT"], "NOSUCHUSDT is not listed on the mock exchange"),
        (["ETHUSDT", "OLDUSDT"], "OLDUSDT cannot be traded on the mock exchange now (status BREAK)"),
        (["ETH/USDT"], "invalid symbol 'ETH/USDT'"),
        (["--market", "mock"], "--market requires symbols"),
        (["ETHUSDT", "--market", "moon"], "not 'moon'"),
    ],
)
def test_bad_input_is_one_clear_line(
    processes: Processes, settings_of: dict[str, Any], arguments: list[str], complaint: str
) -> None:
    done = processes.run("stream", *arguments, **settings_of)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert complaint in done.stderr.strip().splitlines()[-1]


def test_an_exchange_that_is_away_is_waited_for(processes: Processes) -> None:
    stream = processes.manage("stream", "ETHUSDT", MOCK_PORT=free_port())
    processes.wait_for(lambda: "waiting for the mock exchange" in stream.output)
    time.sleep(0.3)
    assert stream.is_running
    assert stream.output.count("waiting") == 1
    assert stream.stop(timeout_s=2) == 0


def test_rows_are_followed_without_a_restart(
    processes: Processes, exchange: Exchange, redis_client: "redis.Redis", settings_of: dict[str, Any]
) -> None:
    assert processes.run("migrate", "streamer", **settings_of).returncode == 0
    row = "from streamer.models import StreamedSymbol as S; S.objects.update_or_create(market='mock', symbol='{}', "
    turn = row + "defaults={{'is_on': {}}})"
    run_python(processes, turn.format("ETHUSDT", True), **settings_of)
    stream = processes.manage("stream", "--no-user-stream", **settings_of)
    processes.wait_for(lambda: exchange.paths == ["/stream?streams=ethusdt@trade"])
    run_python(processes, turn.format("BTCUSDT", True) + ";" + turn.format("WRONGUSDT", True), **settings_of)
    processes.wait_for(lambda: [m["params"] for _, m in exchange.messages] == [["btcusdt@trade"]], timeout_s=4)
    run_python(processes, turn.format("ETHUSDT", False), **settings_of)
    processes.wait_for(lambda: exchange.messages[-1][1]["method"] == "UNSUBSCRIBE", timeout_s=4)
    exchange.send_trades(5, symbol="BTCUSDT")
    processes.wait_for(lambda: ids(redis_client, "BTCUSDT") == [b"5-0"])
    assert stream.stop(timeout_s=2) == 0
    assert stream.output.count("symbol_unknown market=mock symbol=WRONGUSDT") == 1


def test_a_missing_database_is_one_line_and_is_waited_for(
    processes: Processes, exchange: Exchange, settings_of: dict[str, Any]
) -> None:
    stream = processes.manage("stream", "--no-user-stream", **settings_of)
    processes.wait_for(lambda: "database_away" in stream.output)
    assert processes.run("migrate", "streamer", **settings_of).returncode == 0
    row = (
        "from streamer.models import StreamedSymbol as S; S.objects.create(market='mock', symbol='ETHUSDT', is_on=1)"
    )
    run_python(processes, row, **settings_of)
    processes.wait_for(lambda: exchange.connections() == 1, timeout_s=4)
    assert stream.output.count("database_away") == 1
    assert "Traceback" not in stream.output
    assert stream.stop(timeout_s=2) == 0


def test_a_live_key_is_not_used_unless_live_is_allowed(
    processes: Processes, exchange: Exchange, settings_of: dict[str, Any]
) -> None:
    code = (
        "from streamer.management.commands.stream import Command; print('venues:', sorted(Command()._user_venues()))"
    )
    keys: dict[str, Any] = {"BINANCE_API_KEY": "k", "BINANCE_API_SECRET": "s"}
    found = processes.run("shell", "--no-imports", "-c", code, **keys)
    assert "venues: ['mock']" in found.stdout.replace("<Venue.MOCK: 'mock'>", "'mock'")
    found = processes.run("shell", "--no-imports", "-c", code, **keys, HEDGEHOG_ALLOW_LIVE="1")
    assert "LIVE" in found.stdout


def test_a_thread_that_fails_ends_the_process(
    processes: Processes, exchange: Exchange, settings_of: dict[str, Any]
) -> None:
    code = (
        "import sys; from django.core.management import execute_from_command_line as run; "
        "import streamer.publisher as p; p.Publisher._commands = lambda *_: 1 / 0; "
        "run(['manage.py', 'stream', 'ETHUSDT', '--no-user-stream'])"
    )
    stream = processes.start(sys.executable, "-c", code, name="broken", **settings_of)
    processes.wait_for(lambda: exchange.connections() == 1)
    exchange.send_trades(1)
    assert stream.wait(timeout_s=4) != 0
    last = stream.output.strip().splitlines()[-1]
    assert last == "CommandError: the streamer stopped: publisher failed: ZeroDivisionError: division by zero"


def test_a_terminal_sees_one_line_that_is_written_over(exchange: Exchange, processes: Processes) -> None:
    ours, theirs = pty.openpty()
    stream = subprocess.Popen(
        [sys.executable, "manage.py", "stream", "ETHUSDT", "--no-user-stream"],
        cwd=ROOT,
        env=processes.environment | {"MOCK_PORT": str(exchange.port)},
        stderr=theirs,
        stdout=theirs,
    )
    os.close(theirs)
    try:
        until(lambda: exchange.connections() == 1)
        exchange.send_trades(1)
        shown = read_until(ours, lambda text: "ETHUSDT 100," in text)
        assert "\r\x1b[K1 symbol " in shown
        assert "0 reconnects" in shown
    finally:
        stream.terminate()
        stream.wait(3)
        os.close(ours)


def read_until(descriptor: int, seen: Callable[[str], bool]) -> str:
    text = ""
    give_up = time.monotonic() + 5
    while not seen(text):
        assert time.monotonic() < give_up, text
        text += os.read(descriptor, 4096).decode()
    return text
